package browser

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/otelhealth/otelhealth/e2e/servers"
)

// TestTrace follows the link beside a failing check: the trace is that of a run which
// has failed, as the real collector got it.
func TestTrace(t *testing.T) {
	t.Parallel()
	dir, addr := t.TempDir(), servers.FreeAddrs(t, 1)[0]
	servers.Collector(t, root, addr, dir, nil)
	d := startDemo(t, []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://" + addr, "OTEL_BSP_SCHEDULE_DELAY=100"}, "-trace-url", "http://traces.invalid/trace/{trace}?from=status")
	b := open(t, d.status(), look{})
	d.fault("database-down")
	b.until("the database fails", `document.querySelector("#checks li.fail h3")?.textContent === "database"`)
	link := eval[struct{ Href, Text string }](b, `(a => ({ href: a.href, text: a.innerText }))(document.querySelector("#checks li.fail a"))`)
	if link.Text != "Trace of the failed run of database" {
		t.Errorf("the link is called %q", link.Text)
	}
	id := regexp.MustCompile(`^http://traces\.invalid/trace/([0-9a-f]{32})\?from=status$`).FindStringSubmatch(link.Href)
	if id == nil {
		t.Fatalf("the link leads to %q", link.Href)
	}
	span := regexp.MustCompile(fmt.Sprintf(`\{"traceId":"%s"[^{]*"name":"health\.check database"`, id[1]))
	servers.Poll(t, "the trace is with the collector", func() error {
		out, err := os.ReadFile(filepath.Join(dir, "traces.jsonl"))
		if err != nil {
			return err
		}
		at := span.FindIndex(out)
		if at == nil {
			return errors.New("not yet")
		}
		one, _, _ := strings.Cut(string(out[at[1]:]), `{"traceId"`) // what follows of this span
		if !regexp.MustCompile(`"status":\{[^}]*"code":2`).MatchString(one) {
			t.Fatalf("the run has not failed: %.600s", one)
		}
		return nil
	})
	b.clean()
	d.end()
}
