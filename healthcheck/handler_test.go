package healthcheck

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/attr"
	"github.com/otelhealth/otelhealth/healthcheck/internal/lifecycle"
	"github.com/otelhealth/otelhealth/healthcheck/internal/run"
	"go.opentelemetry.io/otel/attribute"

	"github.com/otelhealth/otelhealth/healthcheck/internal/memory"

	"github.com/otelhealth/otelhealth/healthcheck/internal/answer"
	"github.com/otelhealth/otelhealth/healthcheck/internal/judge"
	"github.com/otelhealth/otelhealth/healthcheck/internal/operator"
)

func TestHandlerMethods(t *testing.T) {
	k := newKit(t).start()
	srv := httptest.NewServer(k.mux)
	defer srv.Close()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	for _, path := range []string{"/health", "/health/", "/ready", "/ready/?verbose", "/startup", "/startup/"} {
		for method, want := range map[string]int{"GET": 200, "HEAD": 200, "POST": 405, "OPTIONS": 405, "DELETE": 405} {
			req, err := http.NewRequest(method, srv.URL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("If-None-Match", "*")
			req.Header.Set("Range", "bytes=0-1")
			res, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || res.StatusCode != want {
				t.Errorf("%s %s: %d, %v; want %d", method, path, res.StatusCode, err, want)
			}
			if want == 405 {
				if res.Header.Get("Allow") != "GET, HEAD" {
					t.Errorf("%s %s: Allow is %q", method, path, res.Header.Get("Allow"))
				}
				continue
			}
			for header, value := range map[string]string{"Content-Type": "application/health+json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"} {
				if res.Header.Get(header) != value {
					t.Errorf("%s %s: %s is %q", method, path, header, res.Header.Get(header))
				}
			}
			length, err := strconv.Atoi(res.Header.Get("Content-Length"))
			if err != nil || length == 0 || (method == "GET" && length != len(body)) || (method == "HEAD" && len(body) != 0) {
				t.Errorf("%s %s: Content-Length %q, body of %d", method, path, res.Header.Get("Content-Length"), len(body))
			}
		}
	}
}

func TestBeforeStart(t *testing.T) {
	m := &Monitor{}
	for p, want := range map[Probe]int{Liveness: 200, Readiness: 503, Startup: 503} {
		w := httptest.NewRecorder()
		m.Handler(p).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if w.Code != want {
			t.Errorf("%s before Start: %d, want %d", p, w.Code, want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t).start()
		for until, want := range map[time.Duration]string{90 * time.Second: "90", 3 * time.Hour: "300"} {
			lift, err := k.Maintain("upgrade", time.Now().Add(until))
			if err != nil {
				t.Fatal(err)
			}
			k.Evaluate(t.Context())
			w := httptest.NewRecorder()
			k.mux.ServeHTTP(w, httptest.NewRequest("GET", "/ready", nil))
			if got := w.Header().Get("Retry-After"); w.Code != 503 || got != want {
				t.Errorf("%d, Retry-After %q, want %q", w.Code, got, want)
			}
			lift()
		}
	})
}

// TestStaleVerdict: a judge that has stopped does not leave readiness green, nor
// the metric.
func TestStaleVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t).start()
		k.want("/ready", 200, Pass)
		k.stop() // the goroutines only: not an orderly end
		wait(15 * time.Second)
		k.want("/ready", 200, Pass)
		wait(2 * time.Second)
		k.want("/ready", 503, Fail)
		k.want("/health", 200, Pass)
		k.want("/startup", 200, Pass)

		wait(83 * time.Second) // 100 s in all
		k.judge()              // it woke up again
		for state, want := range map[State]float64{Pass: 15, Fail: 85} {
			got := k.metric("health.probe.state.duration", attr.ProbeName.String("readiness"), attr.ProbeState.String(string(state)))
			if math.Abs(got-want) > .1 {
				t.Errorf("%v s of %s, want %v", got, state, want)
			}
		}
	})
}

func TestProbeRequestsAreCounted(t *testing.T) {
	k := newKit(t).start()
	for range 3 {
		k.get("/ready")
	}
	k.Drain()
	k.Evaluate(context.Background())
	k.get("/ready")
	for code, want := range map[int]float64{200: 3, 503: 1} {
		got := k.metric("health.probe.requests", attr.ProbeName.String("readiness"), attribute.Int("http.response.status_code", code))
		if got != want {
			t.Errorf("health.probe.requests{%d} is %v, want %v", code, got, want)
		}
	}
}

// BenchmarkProbe answers /ready with n checks; "constant" writes a body of the
// same length with the same headers and judges nothing.
func BenchmarkProbe(b *testing.B) {
	bench := func(b *testing.B, h http.Handler) {
		r := httptest.NewRequest("GET", "/ready", nil)
		w := &reused{header: http.Header{}}
		b.ReportAllocs()
		for b.Loop() {
			clear(w.header)
			h.ServeHTTP(w, r)
		}
	}
	var last []byte
	for _, n := range []int{1, 10, 100, 1000} {
		m := &Monitor{}
		var all judge.Judge
		for i := range n {
			all.Subjects = append(all.Subjects, &judge.Subject{Name: fmt.Sprintf("check-%d", i), Awaited: true, Assess: func(memory.Moment) judge.Finding {
				return judge.Finding{State: Pass, Outcome: &run.Outcome{Ran: time.Now()}}
			}})
		}
		// Fresh for the whole benchmark.
		j, _ := all.Next(nil, judge.Inputs{Now: time.Now().Add(time.Hour), Life: lifecycle.Phase{Current: Running}, Override: operator.Overrides{}.Of})
		v := newVerdict(j, answer.Who{})
		m.verdict.Store(v)
		last = v.page[Readiness].Short.Body
		b.Run(fmt.Sprintf("checks=%d", n), func(b *testing.B) { bench(b, m.Handler(Readiness)) })
	}
	length := []string{strconv.Itoa(len(last))}
	b.Run("constant", func(b *testing.B) {
		bench(b, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			h := w.Header()
			h["Cache-Control"] = noStore
			h["Content-Length"] = length
			h["Content-Type"] = contentType
			h["X-Content-Type-Options"] = nosniff
			w.WriteHeader(http.StatusOK)
			_, _ = w.Write(last)
		}))
	})
}

// TestProbeAllocations gates what the benchmark shows: nothing is allocated,
// however many checks there are.
func TestProbeAllocations(t *testing.T) {
	var checks []Check
	for i := range 100 {
		checks = append(checks, Check{Name: fmt.Sprint("check-", i), Func: func(context.Context) error { return nil }})
	}
	k := newKit(t, checks...).start()
	k.cancel()
	k.Stop() // allocations are counted of the whole process; the last verdict stays served
	h := k.Handler(Readiness)
	r := httptest.NewRequest("GET", "/ready", nil)
	w := &reused{header: http.Header{}}
	h.ServeHTTP(w, r)
	if n := testing.AllocsPerRun(1000, func() { h.ServeHTTP(w, r) }); n >= 1 {
		t.Errorf("%v allocations per probe", n)
	}
}

// reused is a ResponseWriter that costs what copying the body does.
type reused struct {
	header http.Header
	body   [16 << 10]byte
}

func (w *reused) Header() http.Header         { return w.header }
func (w *reused) WriteHeader(int)             {}
func (w *reused) Write(b []byte) (int, error) { return copy(w.body[:], b), nil }
