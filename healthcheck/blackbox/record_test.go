package blackbox

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// TestRecordBound: with 1,000 checks, long errors and long labels a record has each section, says what
// it leaves out, and has 1 MiB at most. Failing checks come before passing ones, and workers before other
// goroutines.
func TestRecordBound(t *testing.T) {
	h, value := newHistory(), 0.0
	v := verdictAt(time.Now(), verdict.Fail, 1)
	for n := range 1_000 {
		state := verdict.Pass
		if n == 999 {
			state = verdict.Fail
		}
		v.Results = append(v.Results, verdict.Result{Name: fmt.Sprintf("check-%d", n), State: state, Value: &value, Reason: strings.Repeat("r", 200), Err: errors.New(strings.Repeat("e", 10_000))})
	}
	for n := range remembered {
		v.Time, value = v.Time.Add(time.Second), float64(n*7919)
		v.Results[1].State, v.Results[0].State = verdict.Fail, verdict.Fail
		h.add(v)
	}
	i := incident{probe: v.Readiness, verdict: v, history: h.copy()}
	i.look()
	for n := range 1_000 {
		i.census.groups = append(i.census.groups, group{1, map[string]string{"label": strings.Repeat("l", 60_000)}, i.census.groups[0].frames})
		i.exemplars = append(i.exemplars, exemplar{metric: fmt.Sprintf("metric-%d", n), attrs: attribute.NewSet(attribute.String("attribute", strings.Repeat("a", 60_000)))})
	}
	i.census.groups = append(i.census.groups, group{1, map[string]string{workerLabel: "jobs"}, i.census.groups[0].frames})
	text := i.text()
	if len(text) > recordLimit {
		t.Errorf("%d bytes", len(text))
	}
	at := -1
	for _, part := range []string{"readiness fail since", "\n== process ==\nhost ", "\n== verdict of ", "\ncheck-999: fail", "\ncheck-0: pass", "…\nThe rest of this section is left out.", " goroutines ==\n", "\n1 (", "map[\"health.worker\":\"jobs\"]\n",
		"\n== the last ten minutes ==\ndisk\n", "\n== exemplars: the largest of each series of histograms ==\nmetric-0\n", "\n== runtime ==\n", "/gc/gomemlimit:bytes", "\n== heap: ", "\n== end ==\n"} {
		n := bytes.Index(text[max(0, at):], []byte(part))
		if n < 0 {
			t.Errorf("%q is missing, or not in its place", part)
			continue
		}
		at = max(0, at) + n
	}
	if !bytes.HasSuffix(text, []byte("\n== end ==\n")) || bytes.Contains(text, bytes.Repeat([]byte("l"), 1000)) || bytes.Contains(text, bytes.Repeat([]byte("e"), 2000)) {
		t.Error("a text is too long, or the end is missing")
	}
	if short := i.shortText(); len(short) > shortLimit+(4<<10) || !bytes.Contains(short, []byte("\ncheck-999: fail")) || !bytes.HasSuffix(short, []byte("\n== end ==\n")) {
		t.Errorf("the short record has %d bytes:\n%.300s", len(short), short)
	}
}
