package healthcheck

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/metric"
)

// The model: ten pods of 4 workers and a service time of 100 ms, so 40 requests
// a second each. Requests arrive by chance, the balancer picks a ready pod by
// chance (as kube-proxy does) and looks at /ready each second. A request waits in
// the order of arrival; a client gives up after 2 s, and one that still waits then
// leaves the queue. No ready pod: the request fails.
const (
	podCount    = 10
	podWorkers  = 4
	podService  = 100 * time.Millisecond // on average; from half to one and a half
	podPatience = 2 * time.Second
	podCapacity = podCount * podWorkers / .1 // requests a second of all pods
	podStep     = 100 * time.Millisecond     // of the model; queues are exact within a step

	spikeBegins = 30 * time.Second // the window is full
	spikeEnds   = spikeBegins + time.Minute
	calmBegins  = spikeEnds + time.Minute
	slowBegins  = 2 * time.Minute // four windows are full
)

// pod is one instance: a Monitor on its own provider, and the model of a server
// whose request durations it judges.
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

func newPod(t *testing.T, n int, role Role) *pod {
	const name = "http.server.request.duration"
	p := &pod{slow: 1, done: map[int64][]time.Duration{}, ready: true, firstOut: -1}
	p.kit = newInstance(t, fmt.Sprintf("pod-%d", n), nil,
		Check{Name: "latency", Role: role, Limit: Quantile(name, .99, 30*time.Second).AtMost(.5)})
	var err error
	if p.durations, err = p.provider.Meter("test").Float64Histogram(name, metric.WithUnit("s")); err != nil {
		t.Fatal(err)
	}
	p.start()
	return p
}

// serve takes a request at a time and reports whether its client got an answer.
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

// answers200 asks the real handler.
func (p *pod) answers200() bool {
	w := httptest.NewRecorder()
	p.mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/ready", nil))
	return w.Code == http.StatusOK
}

// naive is the policy of many: p99 over the limit, out at once.
func (p *pod) naive() bool { return p.Verdict().Checks[0].State != Fail }

// fleet is what a run of ten pods came to.
type fleet struct {
	pods     []*pod
	minReady int
	none     time.Duration // with no pod ready
	served   float64       // share, from calmBegins on
}

// run loads ten pods for a time, relative to what all can serve.
func run(t *testing.T, role Role, ready func(*pod) bool, span time.Duration, load func(time.Duration) float64,
	at func(*fleet, time.Duration)) *fleet {
	f := &fleet{minReady: podCount}
	for n := range podCount {
		f.pods = append(f.pods, newPod(t, n, role))
	}
	random := rand.New(rand.NewPCG(1, 2))
	time.Sleep(podStep / 3) // never at the same instant as a collection: the run is the same each time
	in := slices.Clone(f.pods)
	good, all := 0, 0
	next := time.Duration(0)
	for step := int64(0); ; step++ {
		now := time.Duration(step) * podStep
		if now >= span {
			break
		}
		if now%time.Second == 0 {
			in = in[:0]
			for _, p := range f.pods {
				p.probe(now, ready(p))
				if p.ready {
					in = append(in, p)
				}
			}
			f.minReady = min(f.minReady, len(in))
			if len(in) == 0 {
				f.none += time.Second
			}
			if at != nil {
				at(f, now)
			}
		}
		for ; next < now+podStep; next += time.Duration(random.ExpFloat64() / (podCapacity * load(now)) * float64(time.Second)) {
			ok := len(in) > 0 && in[random.IntN(len(in))].serve(next, random)
			if now >= calmBegins {
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
	t.Logf("%s: at least %d ready, none for %v, %d flips, at most %d of one pod, %.2f %% served from 60 s after the spike",
		what, f.minReady, f.none, sum, most, 100*f.served)
}

func spike(at time.Duration) float64 {
	if at >= spikeBegins && at < spikeEnds {
		return 1.3
	}
	return .7
}

func steady(time.Duration) float64 { return .7 }

// TestTenPods: evidence that is made by serving requests does not cause the
// outage that it reports.
func TestTenPods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		warned := 0
		f := run(t, Auxiliary, (*pod).answers200, 210*time.Second, spike, func(f *fleet, _ time.Duration) {
			for _, p := range f.pods {
				if p.Verdict().Status(Readiness) == Warn {
					warned++
				}
			}
		})
		f.log(t, "latency auxiliary")
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
			t.Errorf("%.2f %% served, want 99", 100*f.served)
		}
	})
}

// TestTenPodsCore shows what `Core` on latency costs: with every pod slow at once,
// every pod leaves at once, and each that comes back alone is given the load of
// all. No rule that sees one pod can tell that from a slow pod; that is why
// latency only warns by default. What must hold all the same: nothing is restarted.
func TestTenPodsCore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := run(t, Core, (*pod).answers200, 3*time.Minute, spike, func(f *fleet, at time.Duration) {
			for n, p := range f.pods {
				if s := p.Verdict().Status(Liveness); s != Pass {
					t.Fatalf("pod %d: liveness is %s at %v", n, s, at)
				}
			}
		})
		f.log(t, "latency core")
	})
}

// TestTenPodsNaive shows the contrast.
func TestTenPodsNaive(t *testing.T) {
	if !testing.Verbose() {
		t.Skip("it only logs figures; run it with -v")
	}
	synctest.Test(t, func(t *testing.T) {
		f := run(t, Auxiliary, (*pod).naive, 3*time.Minute, spike, nil)
		f.log(t, "out at once")
	})
}

// TestOneSlowPod alone is taken out; the others are not.
func TestOneSlowPod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := run(t, Core, (*pod).answers200, 190*time.Second, steady, func(f *fleet, at time.Duration) {
			if at == slowBegins {
				f.pods[3].slow = 8
			}
		})
		f.log(t, "one slow pod")
		for n, p := range f.pods {
			switch {
			case n != 3 && p.flips > 0:
				t.Errorf("pod %d left, after %v", n, p.firstOut)
			case n == 3 && (p.firstOut < slowBegins || p.firstOut > slowBegins+time.Minute):
				t.Errorf("the slow pod left after %v, want within 60 s of %v", p.firstOut, slowBegins)
			}
		}
	})
}
