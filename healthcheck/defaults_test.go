package healthcheck

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/trace/noop"

	"github.com/otelhealth/otelhealth/healthcheck/internal/run"
)

// The defaults of a check come from two figures. One is how soon a failed dependency takes the instance out. The
// other is how often random failures take it out, if each run fails with a probability of 1 % or 5 %.

// policy is the schedule and the thresholds of a check.
type policy struct {
	name              string
	interval, timeout time.Duration
	failure, success  int
	retries           bool // sooner after a failure, as run.Runner does
}

var policies = []policy{
	{"the defaults: 5s/2s/3/2", defaultInterval, defaultTimeout, defaultFailureThreshold, defaultSuccessThreshold, true},
	{"without retries: 5s/2s/3/2", defaultInterval, defaultTimeout, defaultFailureThreshold, defaultSuccessThreshold, false},
	{"once: 10s/2s/3/2", 10 * time.Second, 2 * time.Second, 3, 2, false},
	{"the examples once: 2s/1s/2/1", 2 * time.Second, time.Second, 2, 1, false},
	{"the same with retries", 2 * time.Second, time.Second, 2, 1, true},
}

// simulated runs a check from 0 on. run returns how long one run takes and whether it fails.
// changed is called for every change by the thresholds.
func (p policy) simulated(until time.Duration, run func(at time.Duration) (took time.Duration, bad bool), changed func(at time.Duration, failed bool)) (runs int) {
	const first, rest = time.Second, time.Second / 2
	failed, ever := false, false
	bad, good, soon, spread := 0, 0, first, false
	for at := time.Duration(0); at < until; {
		took, isBad := run(at)
		runs++
		end := at + took
		was := failed
		if isBad {
			bad, good = bad+1, 0
			failed = failed || !ever || bad >= p.failure
		} else {
			bad, good, ever = 0, good+1, true
			failed = failed && good < p.success
		}
		if failed != was {
			changed(end, failed)
		}
		earliest, pause := end, p.interval
		switch {
		case p.retries && isBad:
			pause, earliest = min(soon, p.interval), end+min(rest, p.interval)
			soon = min(2*soon, p.interval)
		case p.retries && failed:
			pause, soon = min(first, p.interval), first
		default:
			if soon = first; !spread {
				pause, spread = p.interval*3/4, true
			}
		}
		at = max(at+pause, earliest)
	}
	return runs
}

// detection is the time from the beginning of an outage until the check has failed: the mean and
// the worst. The outage begins at any time between two runs. took is the duration of a run during
// it.
func (p policy) detection(took time.Duration) (mean, worst time.Duration) {
	const steps = 100
	for n := range steps {
		down := time.Minute + p.interval*time.Duration(n)/steps
		found := time.Duration(-1)
		p.simulated(10*time.Minute, func(at time.Duration) (time.Duration, bool) {
			if at >= down {
				return took, true
			}
			return 0, false
		}, func(at time.Duration, failed bool) {
			if failed && found < 0 {
				found = at - down
			}
		})
		mean += found / steps
		worst = max(worst, found)
	}
	return mean, worst
}

// flips returns how often a day chance takes the instance out, as a mean of many days.
func (p policy) flips(share float64) float64 {
	days := 40 * p.interval / time.Second // as many runs for each
	dice := rand.New(rand.NewPCG(1, 2))
	n := 0
	p.simulated(days*24*time.Hour, func(time.Duration) (time.Duration, bool) { return 0, dice.Float64() < share },
		func(_ time.Duration, failed bool) {
			if failed {
				n++
			}
		})
	return float64(n) / float64(days)
}

// TestDefaults prints the table of docs/decisions.md and compares the defaults with it.
func TestDefaults(t *testing.T) {
	var table strings.Builder
	fmt.Fprintf(&table, "| interval/timeout/failures/successes | refused: mean | worst | hangs: mean | worst | out a day at 1 %% | at 5 %% |\n|---|--:|--:|--:|--:|--:|--:|\n")
	refused, hangs, at1, at5 := map[string]time.Duration{}, map[string]time.Duration{}, map[string]float64{}, map[string]float64{}
	for _, p := range policies {
		mean1, worst1 := p.detection(0)
		mean2, worst2 := p.detection(p.timeout)
		refused[p.name], hangs[p.name], at1[p.name], at5[p.name] = worst1, worst2, p.flips(.01), p.flips(.05)
		fmt.Fprintf(&table, "| %s | %.1f s | %.1f s | %.1f s | %.1f s | %.2f | %.1f |\n", p.name,
			mean1.Seconds(), worst1.Seconds(), mean2.Seconds(), worst2.Seconds(), at1[p.name], at5[p.name])
	}
	t.Logf("\n%s", table.String())
	ours, once, examples := policies[0].name, policies[2].name, policies[3].name
	if refused[ours] > 8*time.Second || hangs[ours] > 15*time.Second {
		t.Errorf("by default, a refused connection is found after %v and a hung one after %v; want 8 s and 15 s", refused[ours], hangs[ours])
	}
	if refused[once] < 3*refused[ours] || hangs[once] < 2*hangs[ours] {
		t.Errorf("the old defaults found it after %v and %v: ours are no better", refused[once], hangs[once])
	}
	if at1[examples] < 10*at1[ours] || at5[examples] < 10*at5[ours] || at1[ours] > .1 {
		t.Errorf("random failures take the instance out %v times a day, and %v times with the settings that the examples had; at 5 %% %v and %v", at1[ours], at1[examples], at5[ours], at5[examples])
	}
}

// TestDefaultsAreSimulated: the simulation of TestDefaults agrees with the real runner for a day.
func TestDefaultsAreSimulated(t *testing.T) {
	for _, p := range policies {
		if !p.retries {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			const day, share = 6 * time.Hour, .3
			dice := rand.New(rand.NewPCG(3, 4))
			draw := func() (time.Duration, bool) { // works, refuses or hangs
				switch f := dice.Float64(); {
				case f > share:
					return 0, false
				case f > share/3:
					return 0, true
				}
				return p.timeout, true
			}
			var want []string
			runs := p.simulated(day, func(time.Duration) (time.Duration, bool) { return draw() },
				func(at time.Duration, failed bool) { want = append(want, fmt.Sprint(at, failed)) })
			dice = rand.New(rand.NewPCG(3, 4))
			synctest.Test(t, func(t *testing.T) {
				began, was, n := time.Now(), false, 0
				var got []string
				f := Check{Interval: p.interval, Timeout: p.timeout, FailureThreshold: p.failure, SuccessThreshold: p.success}.runFunc()
				f.Run = func(ctx context.Context) error {
					n++
					took, bad := draw()
					if took > 0 {
						<-ctx.Done()
					}
					if bad {
						return errDown
					}
					return nil
				}
				r := run.New(f, .5, noop.NewTracerProvider().Tracer(""), func(_ context.Context, _ string, o *run.Outcome) {
					if o.Failed != was {
						was = o.Failed
						got = append(got, fmt.Sprint(time.Since(began), was))
					}
				}, func() {})
				ctx, cancel := context.WithTimeout(t.Context(), day)
				defer cancel()
				r.Loop(ctx)
				if n != runs || len(got) < 100 {
					t.Errorf("%d runs and %d changes, simulated %d and %d", n, len(got), runs, len(want))
				}
				for i := range min(len(got), len(want)) {
					if got[i] != want[i] {
						t.Fatalf("change %d: %s, simulated %s", i, got[i], want[i])
					}
				}
			})
		})
	}
}

// TestTimeToDetect measures the time from an outage to /ready, on the whole Monitor with a check
// that sets nothing.
func TestTimeToDetect(t *testing.T) {
	for _, c := range []struct {
		name      string
		fails     func(context.Context) error
		min, most time.Duration
	}{
		{"refused", down, 3 * time.Second, 8 * time.Second},
		{"hangs, obeys its context", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, 7 * time.Second, 15 * time.Second},
		{"hangs, ignores its context", func(context.Context) error { wait(time.Minute); return nil }, 2 * time.Second, 15 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			var least, worst, recovered time.Duration
			for n := range 10 {
				synctest.Test(t, func(t *testing.T) {
					var outage atomic.Bool
					k := newKit(t, ofChecks(Check{Name: "database", Func: func(ctx context.Context) error {
						if outage.Load() {
							return c.fails(ctx)
						}
						return nil
					}})).start()
					until := func(code int) time.Duration {
						for began := time.Now(); ; wait(10 * time.Millisecond) {
							if got, _ := k.get("/ready"); got == code {
								return time.Since(began)
							}
							if time.Since(began) > 2*time.Hour {
								t.Fatalf("/ready never answers %d", code)
							}
						}
					}
					until(200)
					wait(10*time.Second + time.Duration(n)*500*time.Millisecond)
					outage.Store(true)
					took := until(503)
					if n == 0 {
						least = took
					}
					least, worst = min(least, took), max(worst, took)
					outage.Store(false)
					if c.name == "refused" {
						recovered = max(recovered, until(200))
					}
					k.Stop()
					wait(2 * time.Minute) // until the runs that ignore their context have returned
				})
			}
			t.Logf("%s: after %v to %v; ready again after %v at most", c.name, least, worst, recovered)
			if least < c.min || worst > c.most {
				t.Errorf("found after %v to %v, want %v to %v", least, worst, c.min, c.most)
			}
		})
	}
}
