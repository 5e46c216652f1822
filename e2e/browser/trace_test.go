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

// TestTrace follows the link of a failing check. It must lead to the trace of a failed run in the
// collector.
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
		t.Errorf("the link has the name %q", link.Text)
	}
	id := regexp.MustCompile(`^http://traces\.invalid/trace/([0-9a-f]{32})\?from=status$`).FindStringSubmatch(link.Href)
	if id == nil {
		t.Fatalf("the link leads to %q", link.Href)
	}
	span := regexp.MustCompile(fmt.Sprintf(`\{"traceId":"%s"[^{]*"name":"health\.check database"`, id[1]))
	servers.Poll(t, "the collector has the trace", func() error {
		out, err := os.ReadFile(filepath.Join(dir, "traces.jsonl"))
		if err != nil {
			return err
		}
		at := span.FindIndex(out)
		if at == nil {
			return errors.New("not yet")
		}
		one, _, _ := strings.Cut(string(out[at[1]:]), `{"traceId"`) // the rest of this span
		if !regexp.MustCompile(`"status":\{[^}]*"code":2`).MatchString(one) {
			t.Fatalf("the run did not fail: %.600s", one)
		}
		return nil
	})
	b.clean()
	d.end()
}
