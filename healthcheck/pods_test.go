package healthcheck

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

var podSeed = flag.Uint64("pods", 1, "seed of the requests of the tests of ten pods; 0 takes one by chance")

// The model: ten pods of 4 workers and a service time of 100 ms, so 40 requests a second each.
// Requests arrive at random. The balancer picks a random ready pod, as kube-proxy does, and reads
// /ready every second. Requests wait in the order of arrival. After 2 s the client gives up and its
// request leaves the queue. Without a ready pod the request fails.
const (
	podCount    = 10
	podWorkers  = 4
	podService  = 100 * time.Millisecond // on average; from half to one and a half
	podPatience = 2 * time.Second
	podCapacity = podCount * podWorkers / .1 // requests a second of all pods
	podStep     = 100 * time.Millisecond     // of the model; queues are exact within a step

	before = 150 * time.Second // start of the events, when four windows are full
)

// pod is one instance: a Monitor on its own provider, and the model of a server. The Monitor judges
// the server's request durations.
type pod struct {
	*kit
	durations metric.Float64Histogram
	slow      float64 // service times are multiplied by it
	free      [podWorkers]time.Duration
	done      map[int64][]time.Duration // durations to be recorded, by step
	ready     bool
	flips     int
	firstOut  time.Duration
}

func newPod(t *testing.T, n int, effect verdict.Effect) *pod {
	const name = "http.server.request.duration"
	p := &pod{slow: 1, done: map[int64][]time.Duration{}, ready: true, firstOut: -1}
	p.kit = newInstance(t, fmt.Sprintf("pod-%d", n), nil,
		ofRules(rule.Rule{Name: "latency", OnFail: effect, Value: rule.Quantile(.99, name), Fail: rule.Above(500 * time.Millisecond)}))
	var err error
	if p.durations, err = p.provider.Meter("test").Float64Histogram(name, metric.WithUnit("s")); err != nil {
		t.Fatal(err)
	}
	p.start()
	return p
}

// serve takes a request and reports whether its client got an answer.
func (p *pod) serve(at time.Duration, random *rand.Rand) bool {
	worker := &p.free[0]
	for n := range p.free {
		if p.free[n] < *worker {
			worker = &p.free[n]
		}
	}
	took := max(0, *worker-at)
	if took > podPatience {
		took = podPatience // the client left the queue
	} else {
		took += time.Duration(float64(podService) * p.slow * (.5 + random.Float64()))
		*worker = at + took
	}
	end := int64((at + took) / podStep)
	p.done[end] = append(p.done[end], took)
	return took < podPatience
}

func (p *pod) record(t *testing.T, step int64) {
	for _, d := range p.done[step] {
		p.durations.Record(t.Context(), d.Seconds())
	}
	delete(p.done, step)
}

func (p *pod) probe(at time.Duration, ready bool) {
	if ready != p.ready {
		p.flips++
		p.ready = ready
	}
	if !ready && p.firstOut < 0 {
		p.firstOut = at
	}
}

// answers200 requests the real handler.
func (p *pod) answers200() bool {
	w := httptest.NewRecorder()
	p.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/ready", nil))
	return w.Code == http.StatusOK
}

// naive is a common policy: not ready at once if p99 is over the limit.
func (p *pod) naive() bool { return p.Verdict().Results[0].State != verdict.Fail }

// scenario describes the events for ten pods.
type scenario struct {
	effect verdict.Effect
	ready  func(*pod) bool             // answers200 if nil
	load   func(time.Duration) float64 // as a multiple of the capacity of all pods
	calm   time.Duration               // requests are counted from this time on
	span   time.Duration
	at     func(*fleet, time.Duration) // called every second, if not nil
}

// fleet is the result of a scenario.
type fleet struct {
	pods     []*pod
	minReady int
	none     time.Duration // with no pod ready
	served   float64       // share, from calm on
}

func (sc scenario) run(t *testing.T) *fleet {
	if sc.ready == nil {
		sc.ready = (*pod).answers200
	}
	f := &fleet{minReady: podCount}
	for n := range podCount {
		f.pods = append(f.pods, newPod(t, n, sc.effect))
	}
	seed := *podSeed
	if seed == 0 {
		seed = rand.Uint64() >> 16
	}
	t.Logf("seed %d (replay with -pods %d)", seed, seed)
	random := rand.New(rand.NewPCG(seed, 2))
	time.Sleep(podStep / 3) // away from the instant of a collection, so that every run is the same
	in := slices.Clone(f.pods)
	good, all := 0, 0
	next := time.Duration(0)
	for step := int64(0); ; step++ {
		now := time.Duration(step) * podStep
		if now >= sc.span {
			break
		}
		if now%time.Second == 0 {
			in = in[:0]
			for _, p := range f.pods {
				p.probe(now, sc.ready(p))
				if p.ready {
					in = append(in, p)
				}
			}
			f.minReady = min(f.minReady, len(in))
			if len(in) == 0 {
				f.none += time.Second
			}
			if sc.at != nil {
				sc.at(f, now)
			}
		}
		for ; next < now+podStep; next += time.Duration(random.ExpFloat64() / (podCapacity * sc.load(now)) * float64(time.Second)) {
			ok := len(in) > 0 && in[random.IntN(len(in))].serve(next, random)
			if now >= sc.calm {
				all++
				if ok {
					good++
				}
			}
		}
		for _, p := range f.pods {
			p.record(t, step)
		}
		time.Sleep(podStep)
	}
	f.served = float64(good) / float64(all)
	return f
}

func (f *fleet) flips() (most, sum int) {
	for _, p := range f.pods {
		most, sum = max(most, p.flips), sum+p.flips
	}
	return most, sum
}

func (f *fleet) log(t *testing.T, what string) {
	most, sum := f.flips()
	t.Logf("%s: at least %d ready, none for %v, %d flips, at most %d of one pod, %.2f %% served",
		what, f.minReady, f.none, sum, most, 100*f.served)
}

// spike is 70 % load, and 130 % for a time.
func spike(length time.Duration) func(time.Duration) float64 {
	return func(at time.Duration) float64 {
		if at >= before && at < before+length {
			return 1.3
		}
		return .7
	}
}

func steady(time.Duration) float64 { return .7 }

// TestTenPods: a rule on traffic does not cause an outage by itself, whether it ejects or only
// warns, for short and long spikes.
func TestTenPods(t *testing.T) {
	for _, tt := range []struct {
		name   string
		effect verdict.Effect
		spike  time.Duration
	}{
		{"latency warns", WarnOnly, time.Minute},
		{"latency ejects", NotReady, time.Minute},
		{"latency ejects, a long spike", NotReady, 6 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				warned := 0
				calm := before + tt.spike + time.Minute
				f := scenario{effect: tt.effect, load: spike(tt.spike), calm: calm, span: calm + 2*time.Minute,
					at: func(f *fleet, at time.Duration) {
						for n, p := range f.pods {
							v := p.Verdict()
							if v.Readiness.State == verdict.Warn {
								warned++
							}
							if s := v.Liveness.State; s != verdict.Pass {
								t.Fatalf("pod %d: liveness is %s at %v", n, s, at)
							}
						}
					}}.run(t)
				f.log(t, tt.name)
				if warned == 0 {
					t.Error("the spike crossed no limit: the run proves nothing")
				}
				if f.minReady < 9 {
					t.Errorf("%d ready, want never fewer than 9", f.minReady)
				}
				if most, _ := f.flips(); most > 4 {
					t.Errorf("%d flips of one pod, want at most 4", most)
				}
				if f.served < .99 {
					t.Errorf("%.2f %% served from 60 s after the spike, want 99", 100*f.served)
				}
			})
		})
	}
}

// TestTenPodsSlowDependency: a dependency makes every pod slow at its usual traffic. Some are
// ejected. Then the others have more than their usual traffic and stay.
func TestTenPodsSlowDependency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const lasts = 5 * time.Minute
		calm := before + lasts + 3*time.Minute
		f := scenario{effect: NotReady, load: steady, calm: calm, span: calm + time.Minute, at: func(f *fleet, at time.Duration) {
			for _, p := range f.pods {
				p.slow = 1
				if at >= before && at < before+lasts {
					p.slow = 8
				}
			}
		}}.run(t)
		f.log(t, "slow dependency")
		if f.minReady == podCount || f.minReady < podCount/2 {
			t.Errorf("at least %d ready, want some to leave and half to stay", f.minReady)
		}
		if f.served < .99 {
			t.Errorf("%.2f %% served from 3 min after it, want 99", 100*f.served)
		}
	})
}

// TestTenPodsNaive shows the naive policy for comparison.
func TestTenPodsNaive(t *testing.T) {
	if !testing.Verbose() {
		t.Skip("it only logs figures; run it with -v")
	}
	synctest.Test(t, func(t *testing.T) {
		f := scenario{ready: (*pod).naive, load: spike(time.Minute), calm: before + 2*time.Minute, span: before + 4*time.Minute}.run(t)
		f.log(t, "out at once")
	})
}

// TestOneSlowPod: one slow pod is ejected again and again. The other pods get its work and are not ejected.
func TestOneSlowPod(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := scenario{effect: NotReady, load: steady, calm: before + time.Minute, span: before + 6*time.Minute,
			at: func(f *fleet, at time.Duration) {
				if at == before {
					f.pods[3].slow = 8
				}
			}}.run(t)
		f.log(t, "one slow pod")
		t.Logf("out after %v", f.pods[3].firstOut-before)
		for n, p := range f.pods {
			switch {
			case n != 3 && p.flips > 0:
				t.Errorf("pod %d left, after %v", n, p.firstOut)
			case n == 3 && (p.firstOut < before || p.firstOut > before+time.Minute):
				t.Errorf("the slow pod left after %v, want within 60 s of %v", p.firstOut, before)
			}
		}
	})
}
