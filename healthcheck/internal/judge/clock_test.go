package healthcheck

import (
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/internal/judge"
	"github.com/otelhealth/otelhealth/healthcheck/internal/memory"
	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
)

// stepped is the same instant as read from a wall clock that somebody has set
// forward by whole seconds, or back: the monotonic reading stays. There is no
// other way to step a clock in a test than to step the machine's.
func stepped(t time.Time, by time.Duration) time.Time {
	const seconds = 30 // the bits below them in the first word of a Time are nanoseconds
	*(*uint64)(unsafe.Pointer(&t)) += uint64(by/time.Second) << seconds
	return t
}

// TestClockSteps of an hour forward and back, every few seconds, change no
// judgement: not of a window, of For, KeepFor, a hold, its trial or a heartbeat.
func TestClockSteps(t *testing.T) {
	now := time.Now()
	if s := stepped(now, time.Hour); s.Unix()-now.Unix() != 3600 || s.Sub(now) != 0 {
		t.Fatalf("stepped by %d s and %v, want 3600 s and 0: time.Time has changed", s.Unix()-now.Unix(), s.Sub(now))
	}
	story := func(step func(second int) time.Duration) (states []State) {
		began := now
		traffic := newTrafficRule(Core, "a", 0)
		c := Check{Name: "queue", For: 5 * time.Second, KeepFor: 10 * time.Second, Limit: Last("m").AtMost(80)}
		queue := ruleOf(c, evidence.NewSampler((*query.Limit)(&c.Limit), false, synchronous), foreign, began, spread("a", c.Name))
		worker := &Heartbeat{name: "worker", stall: time.Minute, born: began}
		beats := judge.Beats{Stall: worker.stall, Beats: worker.since}
		worker.active.Add(1)
		for n := range 900 {
			at := stepped(began.Add(time.Duration(n)*time.Second), step(n))
			bad := uint64(0)
			value := 0.0
			if n > 100 && n < 400 {
				bad, value = 20, 90
			}
			traffic.good, traffic.bad = traffic.good+20-bad, traffic.bad+bad
			traffic.Sampler.Sample(at, collection("s", hist(cum, []float64{.5}, []uint64{traffic.good, traffic.bad})))
			queue.Sampler.Sample(at, collection("{item}", gauge(point(value))))
			if n < 500 {
				worker.last.Store(int64(at.Sub(worker.born)))
			}
			m := memory.Moment{Now: at}
			states = append(states, traffic.Assess(m).State, queue.Assess(m).State, beats.Assess(m).State)
		}
		return states
	}
	still := story(func(int) time.Duration { return 0 })
	for _, s := range []State{Pass, Warn, Fail} {
		if !slices.Contains(still, s) {
			t.Errorf("nothing is ever %s: the story proves nothing", s)
		}
	}
	jumpy := story(func(second int) time.Duration { return time.Duration(second/7%3-1) * time.Hour })
	for n := range still {
		if still[n] != jumpy[n] {
			t.Fatalf("second %d, subject %d: %s, and without steps %s", n/3, n%3, jumpy[n], still[n])
		}
	}
}
