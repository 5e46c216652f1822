package healthcheck

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
	"github.com/otelhealth/otelhealth/healthcheck/internal/lifecycle"
	"github.com/otelhealth/otelhealth/healthcheck/internal/run"
	"go.opentelemetry.io/otel/attribute"

	"github.com/otelhealth/otelhealth/healthcheck/internal/memory"

	"github.com/otelhealth/otelhealth/healthcheck/internal/judge"
	"github.com/otelhealth/otelhealth/healthcheck/internal/operator"

	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

func TestHandlerMethods(t *testing.T) {
	k := newKit(t, Config{}).start()
	srv := httptest.NewServer(k.handler)
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
	m := New(Config{})
	for probe, c := range map[string]struct {
		handler http.Handler
		code    int
	}{"liveness": {m.LivenessHandler(), 200}, "readiness": {m.ReadinessHandler(), 503}, "startup": {m.StartupHandler(), 503}, "details": {m.DetailsHandler(), 503}} {
		w := httptest.NewRecorder()
		c.handler.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if w.Code != c.code {
			t.Errorf("%s before Start: %d, want %d", probe, w.Code, c.code)
		}
	}
	if v := m.Verdict(); v.Liveness.State != verdict.Pass || v.Readiness.State != verdict.Fail || v.Startup.State != verdict.Fail || v.Phase != "starting" {
		t.Errorf("the verdict before Start is %+v", v)
	}
}

func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, Config{}).start()
		for until, want := range map[time.Duration]string{90 * time.Second: "90", 3 * time.Hour: "300"} {
			lift, err := k.Maintain("upgrade", time.Now().Add(until))
			if err != nil {
				t.Fatal(err)
			}
			k.evaluate()
			w := httptest.NewRecorder()
			k.handler.ServeHTTP(w, httptest.NewRequest("GET", "/ready", nil))
			if got := w.Header().Get("Retry-After"); w.Code != 503 || got != want {
				t.Errorf("%d, Retry-After %q, want %q", w.Code, got, want)
			}
			lift()
		}
	})
}

// TestStaleVerdict: after the judge has stopped, readiness and its metric do not keep passing.
func TestStaleVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, Config{}).start()
		k.want("/ready", 200, verdict.Pass)
		k.halt() // only the goroutines; this is not Stop
		wait(15 * time.Second)
		k.want("/ready", 200, verdict.Pass)
		wait(2 * time.Second)
		k.want("/ready", 503, verdict.Fail)
		k.want("/health", 200, verdict.Pass)
		k.want("/startup", 200, verdict.Pass)

		wait(83 * time.Second) // 100 s in all
		k.judgeNow()           // the judge works again
		for state, want := range map[verdict.State]float64{verdict.Pass: 15, verdict.Fail: 85} {
			got := k.metric("health.probe.state.duration", conventions.ProbeName.String("readiness"), conventions.ProbeState.String(string(state)))
			if math.Abs(got-want) > .1 {
				t.Errorf("%v s of %s, want %v", got, state, want)
			}
		}
	})
}

func TestProbeRequestsAreCounted(t *testing.T) {
	k := newKit(t, Config{}).start()
	for range 3 {
		k.get("/ready")
	}
	k.beginDrain()
	k.evaluate()
	k.get("/ready")
	for code, want := range map[int]float64{200: 3, 503: 1} {
		got := k.metric("health.probe.requests", conventions.ProbeName.String("readiness"), attribute.Int("http.response.status_code", code))
		if got != want {
			t.Errorf("health.probe.requests{%d} is %v, want %v", code, got, want)
		}
	}
}

// BenchmarkProbe answers /ready with n checks, directly and through Wrap. "constant" only writes a body of the same
// length with the same headers.
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
		m := New(Config{})
		var all judge.Judge
		for i := range n {
			all.Subjects = append(all.Subjects, &judge.Subject{Name: fmt.Sprintf("check-%d", i), OnFail: NotReady, Awaited: true, Evaluate: func(memory.Instant) judge.Finding {
				return judge.Finding{State: verdict.Pass, Outcome: &run.Outcome{Ran: time.Now()}}
			}})
		}
		// The verdict must not grow stale during the benchmark.
		v, _ := all.Next(nil, judge.Inputs{Now: time.Now().Add(time.Hour), Life: lifecycle.Phase{Current: states.Running}, Override: operator.Overrides{}.Of})
		m.publish(v)
		last = m.current.Load().page[states.Readiness].Short.Body
		b.Run(fmt.Sprintf("checks=%d", n), func(b *testing.B) { bench(b, m.ReadinessHandler()) })
		b.Run(fmt.Sprintf("checks=%d/wrapped", n), func(b *testing.B) { bench(b, m.Wrap(nil)) })
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

// TestProbeAllocations: a probe allocates nothing, with any number of checks.
func TestProbeAllocations(t *testing.T) {
	var c Config
	for i := range 100 {
		c.Checks = append(c.Checks, Check{Name: fmt.Sprint("check-", i), Func: ok})
	}
	k := newKit(t, c).start()
	service := k.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	gate := func(when string) {
		for name, c := range map[string]struct {
			handler http.Handler
			path    string
		}{
			"LivenessHandler":    {k.LivenessHandler(), "/livez"},
			"ReadinessHandler":   {k.ReadinessHandler(), "/readyz"},
			"StartupHandler":     {k.StartupHandler(), "/startupz"},
			"/health by Wrap":    {service, "/health"},
			"/ready by Wrap":     {service, "/ready"},
			"/startup/ by Wrap":  {service, "/startup/"},
			"the service's path": {service, "/orders"},
		} {
			r := httptest.NewRequest("GET", c.path, nil)
			w := &reused{header: http.Header{}}
			c.handler.ServeHTTP(w, r)
			if n := testing.AllocsPerRun(1000, func() { c.handler.ServeHTTP(w, r) }); n >= 1 {
				t.Errorf("%s, %s: %v allocations", name, when, n)
			}
		}
	}
	k.halt() // because allocations are counted for the whole process; the last verdict is still served
	gate("ready or starting")
	k.Stop()
	gate("stopped")
}

// reused is a ResponseWriter that only copies the body.
type reused struct {
	header http.Header
	body   [16 << 10]byte
}

func (w *reused) Header() http.Header         { return w.header }
func (w *reused) WriteHeader(int)             {}
func (w *reused) Write(b []byte) (int, error) { return copy(w.body[:], b), nil }
