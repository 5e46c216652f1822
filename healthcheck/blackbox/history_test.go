package blackbox

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// verdictAt is a verdict of one check.
func verdictAt(at time.Time, s verdict.State, value float64) *verdict.Verdict {
	return &verdict.Verdict{
		Time: at, Phase: "running", Liveness: verdict.Result{Name: "liveness", State: verdict.Pass}, Readiness: verdict.Result{Name: "readiness", State: s},
		Results: []verdict.Result{{Name: "readiness", State: s, Value: &value, Unit: "{item}"}, {Name: "disk", State: verdict.Pass, Value: &value, Unit: "1"}},
	}
}

// TestHistory: changes of a state have their time. Checks that failed come first, with a value for every
// second. A check may have the name of a probe.
func TestHistory(t *testing.T) {
	h, at := newHistory(), time.Date(2026, 11, 28, 3, 0, 0, 0, time.UTC)
	for n := range 20 {
		switch {
		case n < 10:
			h.add(verdictAt(at.Add(time.Duration(n)*time.Second), verdict.Pass, 5))
		case n == 12: // nothing was judged
		default:
			h.add(verdictAt(at.Add(time.Duration(n)*time.Second), verdict.Fail, float64(n)))
			h.add(verdictAt(at.Add(time.Duration(n)*time.Second), verdict.Pass, float64(n))) // the worst of a second counts
		}
	}
	var text strings.Builder
	h.copy().write(&text)
	want := `readiness
  03:00:00 pass
  03:00:10 fail
  03:00:12 not judged
  03:00:13 fail
  every 1 s from 03:00:00, in "{item}": 5 . . . . . . . . . 10 11 - 13 14 15 16 17 18 19
readiness (probe)
  03:00:00 pass
  03:00:10 fail
  03:00:12 not judged
  03:00:13 fail
disk
  03:00:00 pass
  03:00:12 not judged
  03:00:13 pass
  every 10 s from 03:00:00, in "1": 5 10
liveness (probe)
  03:00:00 pass
  03:00:12 not judged
  03:00:13 pass
`
	if text.String() != want {
		t.Errorf("got\n%s", text.String())
	}
}

// TestHistoryClock: the history starts again if the clock is set back, and has nothing from before if it
// jumps ahead. A removed check is forgotten after ten minutes.
func TestHistoryClock(t *testing.T) {
	h, at := newHistory(), time.Date(2026, 11, 28, 3, 0, 0, 0, time.UTC)
	text := func() string {
		var b strings.Builder
		h.copy().write(&b)
		return b.String()
	}
	h.add(verdictAt(at, verdict.Fail, 1))
	h.add(verdictAt(at.Add(-time.Hour), verdict.Pass, 1))
	if got := text(); strings.Contains(got, "fail") || !strings.Contains(got, "02:00:00 pass") {
		t.Errorf("an hour back:\n%s", got)
	}
	h.add(verdictAt(at.Add(10*365*24*time.Hour), verdict.Warn, 1))
	if got := text(); strings.Contains(got, "02:00:00") || !strings.Contains(got, "03:00:00 warn") {
		t.Errorf("ten years ahead:\n%s", got)
	}
	v := verdictAt(at.Add(10*365*24*time.Hour+time.Second), verdict.Pass, 1)
	v.Results = v.Results[:1]
	h.add(v)
	v.Time = v.Time.Add(remembered * time.Second)
	h.add(v)
	if got := text(); strings.Contains(got, "disk") {
		t.Errorf("a removed check:\n%s", got)
	}
}

// TestHistoryBound: the number of checks is limited, and the record says so.
func TestHistoryBound(t *testing.T) {
	h, v := newHistory(), verdictAt(time.Now(), verdict.Pass, 1)
	for n := range 2 * namesLimit {
		v.Results = append(v.Results, verdict.Result{Name: fmt.Sprint(n), State: verdict.Pass})
	}
	h.add(v)
	var text strings.Builder
	h.copy().write(&text)
	if len(h.members) != namesLimit || !strings.Contains(text.String(), "more than 256 checks are not remembered") {
		t.Errorf("%d members", len(h.members))
	}
}
