package statuspage

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/internal/leaktest"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

var errDown = errors.New("connection refused <script>")

// start runs a Monitor with a database that is down, and its page.
func start(t *testing.T) (*healthcheck.Monitor, *Page) {
	t.Helper()
	reader := sdkmetric.NewManualReader()
	m := &healthcheck.Monitor{
		MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)), TracerProvider: sdktrace.NewTracerProvider(),
		Logger: slog.New(slog.DiscardHandler),
		Checks: []healthcheck.Check{{Name: "database", Role: healthcheck.Core, Func: func(context.Context) error { return errDown }}},
	}
	ctx, cancel := context.WithCancel(t.Context())
	page := New(ctx, m, Options{TraceURL: "http://traces/{trace}", MaintenancePath: "/maintenance"})
	if err := m.Start(ctx, reader); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); m.Stop() })
	time.Sleep(3 * time.Second)
	return m, page
}

func get(p http.Handler, method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w
}

// TestPage: what a browser needs is there, and nothing else may be loaded or run.
func TestPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, page := start(t)
		w := get(page, "GET", "/status")
		csp := w.Header().Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'sha256-" + digest(js), "style-src 'sha256-" + digest(css)} {
			if !strings.Contains(csp, want) {
				t.Errorf("the policy %q lacks %q", csp, want)
			}
		}
		body := w.Body.String()
		for _, want := range []string{"<script>" + js + "</script>", "<style>" + css + "</style>", "database: 1 failure in a row", `data-maintenance="/maintenance"`} {
			if !strings.Contains(body, want) {
				t.Errorf("the page lacks %.60q", want)
			}
		}
		if rest := strings.ReplaceAll(body, "http://www.w3.org/2000/svg", ""); strings.Contains(rest, "://") { // that is a name, and loads nothing
			t.Error("the page refers to another host")
		}
		for path, code := range map[string]int{"/status/": 200, "/status/data": 200, "/status/nosuch": 404} {
			if got := get(page, "GET", path).Code; got != code {
				t.Errorf("%s: %d, want %d", path, got, code)
			}
		}
		if w := get(page, "POST", "/status"); w.Code != 405 || w.Header().Get("Allow") == "" {
			t.Errorf("POST: %d", w.Code)
		}
	})
}

// TestSentence: what the page says of readiness is so, also where something fails that
// does not count, or nobody judges any more.
func TestSentence(t *testing.T) {
	if got := sentence(nil); got != "Nothing has been judged yet." {
		t.Errorf("before Start: %q", got)
	}
	if got := sentence(&healthcheck.Verdict{Time: time.Now().Add(-20 * time.Second)}); !strings.HasPrefix(got, "Nothing has been judged for more than 15 s") {
		t.Errorf("stale: %q", got)
	}
	for _, c := range []struct {
		name, override string
		role           healthcheck.Role
		fails, stuck   bool
		title, want    string
	}{
		{name: "all is well", title: "Ready", want: "Every check passes."},
		{name: "for information", role: healthcheck.Informational, fails: true, title: "Ready", want: "Every check that readiness depends on passes; mirror is fail."},
		{name: "overridden", override: "mirror=off", role: healthcheck.Core, fails: true, title: "Ready", want: "Every check that readiness depends on passes; mirror is fail."},
		{name: "auxiliary", fails: true, title: "Ready, with warnings", want: "mirror: 4 failures in a row, the last: *errors.errorString"},
		{name: "stuck", stuck: true, title: "Not ready", want: "worker: no beat for 30s with 1 active. Liveness fails too: a restart is due."},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				t.Setenv("HEALTH_EFFECTS", c.override)
				reader := sdkmetric.NewManualReader()
				m := &healthcheck.Monitor{MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)), Logger: slog.New(slog.DiscardHandler),
					Checks: []healthcheck.Check{{Name: "mirror", Role: c.role, Func: func(context.Context) error {
						if c.fails {
							return errDown
						}
						return nil
					}}}}
				worker := m.Heartbeat("worker", 5*time.Second)
				ctx, cancel := context.WithCancel(t.Context())
				page := New(ctx, m, Options{TraceURL: "http://traces/{trace}"}) // and no spans
				if err := m.Start(ctx, reader); err != nil {
					t.Fatal(err)
				}
				defer func() { cancel(); m.Stop() }()
				if c.stuck {
					worker.Busy()
				}
				time.Sleep(30500 * time.Millisecond) // between two judgements
				s := page.snapshot(false)
				if s.Title != c.title || s.Sentence != c.want || s.Stale || s.Since.IsZero() || len(s.Traces) > 0 {
					t.Errorf("%q, %q since %v, stale %v, traces %v", s.Title, s.Sentence, s.Since, s.Stale, s.Traces)
				}
				body := get(page, "GET", "/status").Body.String()
				if !strings.Contains(body, c.title) || strings.Contains(body, "<form") {
					t.Errorf("without JavaScript:\n%s", body)
				}
			})
		})
	}
}

// TestData: the verdict with the text of errors, the trace, the history.
func TestData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, page := start(t)
		time.Sleep(30 * time.Second)
		var s struct {
			Probes  map[string]string
			Traces  map[string]string
			Past    map[string]past
			Verdict struct {
				Checks map[string][]struct{ Status, Error string }
			}
		}
		if err := json.Unmarshal(get(page, "GET", "/status/data").Body.Bytes(), &s); err != nil {
			t.Fatal(err)
		}
		c := s.Verdict.Checks["database"]
		if s.Probes["readiness"] != "fail" || len(c) != 1 || c[0].Status != "fail" || c[0].Error != errDown.Error() {
			t.Errorf("%+v", s)
		}
		if u := s.Traces["database"]; !strings.HasPrefix(u, "http://traces/") || len(u) != len("http://traces/")+32 {
			t.Errorf("the trace is %q", u)
		}
		if p := s.Past["database"]; len(p.States) != steps || strings.TrimLeft(p.States, " ") != "ffff" {
			t.Errorf("the history is %q", p.States)
		}
	})
}

// TestEvents: the history first, then each verdict.
func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, page := start(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		w := &stream{ResponseRecorder: httptest.NewRecorder(), lines: make(chan string, 100)}
		go page.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "/status/events", nil))
		next := func() (s snapshot) {
			t.Helper()
			if err := json.Unmarshal([]byte(strings.TrimPrefix(<-w.lines, "data: ")), &s); err != nil {
				t.Fatal(err)
			}
			return s
		}
		if s := next(); len(s.Past) != 1 {
			t.Errorf("the first has the history of %d checks", len(s.Past))
		}
		before := time.Now()
		m.Drain()
		for s := next(); !strings.Contains(string(s.Verdict), "draining"); s = next() {
			if len(s.Past) > 0 {
				t.Error("the history comes again")
			}
		}
		if took := time.Since(before); took > time.Second {
			t.Errorf("draining is seen after %v", took)
		}
	})
}

// stream hands on what is written, line by line.
type stream struct {
	*httptest.ResponseRecorder
	lines chan string
}

func (s *stream) Write(b []byte) (int, error) {
	lines := bufio.NewScanner(strings.NewReader(string(b)))
	for lines.Scan() {
		if lines.Text() != "" {
			s.lines <- lines.Text()
		}
	}
	return len(b), nil
}

// TestStreams: a stream outlives the server's time limit for an answer, ends with the
// context of the page, and leaves its place to the next one.
func TestStreams(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	m := &healthcheck.Monitor{MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)), Logger: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	page := New(ctx, m, Options{})
	if err := m.Start(t.Context(), reader); err != nil {
		t.Fatal(err)
	}
	defer m.Stop()
	server := httptest.NewUnstartedServer(page)
	server.Config.WriteTimeout = 100 * time.Millisecond
	server.Start()
	defer server.Close()
	defer server.Client().CloseIdleConnections()
	open := func() (*http.Response, *bufio.Reader) {
		t.Helper()
		res, err := server.Client().Get(server.URL + "/status/events")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		return res, bufio.NewReader(res.Body)
	}
	left := func(want int64) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); page.streams.Load() != want; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%d streams are counted, want %d", page.streams.Load(), want)
			}
		}
	}
	res, lines := open()
	for began := time.Now(); time.Since(began) < time.Second; {
		if _, err := lines.ReadString('\n'); err != nil {
			t.Fatalf("the stream ends with %v", err)
		}
	}
	left(1)
	res.Body.Close()
	left(0)
	page.streams.Store(maxStreams)
	if res, _ := open(); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("one stream too many: %s", res.Status)
	}
	left(maxStreams)
	page.streams.Store(0)
	_, lines = open()
	cancel()
	if _, err := io.Copy(io.Discard, lines); err != nil {
		t.Errorf("at the end of the page: %v", err)
	}
	left(0)
}

// TestHeaders: nobody keeps the page, frames it, takes it for something else or is told
// where it is.
func TestHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, page := start(t)
		for _, path := range []string{"/status", "/status/data"} {
			h := get(page, "GET", path).Header()
			for name, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"} {
				if got := h.Get(name); got != want {
					t.Errorf("%s: %s is %q, want %q", path, name, got, want)
				}
			}
		}
		csp := get(page, "GET", "/status").Header().Get("Content-Security-Policy")
		for _, want := range []string{"connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"} {
			if !strings.Contains(csp, want) {
				t.Errorf("the policy %q lacks %q", csp, want)
			}
		}
		if strings.Contains(csp, "unsafe") {
			t.Errorf("the policy is %q", csp)
		}
	})
}

// TestValues: where there was no number, none is sent.
func TestValues(t *testing.T) {
	h := &history{}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, r := range []healthcheck.Result{{HasValue: true, Value: .000025}, {Value: 3}, {HasValue: true, Value: math.Inf(1)}, {HasValue: true, Value: 84}} {
		r.Name, r.State = "a", healthcheck.Pass
		h.add(&healthcheck.Verdict{Time: now, Checks: []healthcheck.Result{r}})
		now = now.Add(10 * time.Second)
	}
	b, err := json.Marshal(h.since(now.Add(-time.Second))["a"])
	if err != nil || !strings.HasSuffix(string(b), "null,2.5e-05,null,null,84]}") {
		t.Errorf("%s %v", b, err)
	}
}

// TestValueOfWorst: the value beside a failure is the one that failed.
func TestValueOfWorst(t *testing.T) {
	h := &history{}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, r := range []healthcheck.Result{{State: healthcheck.Pass, Value: 1}, {State: healthcheck.Fail, Value: 84}, {State: healthcheck.Fail, Value: 90}, {State: healthcheck.Pass, Value: 2}} {
		r.Name, r.HasValue = "a", true
		h.add(&healthcheck.Verdict{Time: now, Checks: []healthcheck.Result{r}})
		now = now.Add(time.Second)
	}
	if p := h.since(now)["a"]; p.Values[steps-1] != 90 || p.States[steps-1] != 'f' {
		t.Errorf("%v in state %c, want 90 in f", p.Values[steps-1], p.States[steps-1])
	}
}

// TestHistory: the worst of a step, gaps as gaps, an hour and no more.
func TestHistory(t *testing.T) {
	h := &history{}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	note := func(s healthcheck.State) {
		h.add(&healthcheck.Verdict{Time: now, Checks: []healthcheck.Result{{Name: "a", State: s, Value: 7}}})
	}
	seen := func() string { return h.since(now)["a"].States }
	note(healthcheck.Pass)
	note(healthcheck.Fail)
	note(healthcheck.Warn)
	now = now.Add(10 * time.Second)
	note(healthcheck.Pass)
	if got := strings.TrimLeft(seen(), " "); got != "fp" {
		t.Errorf("%q, want the worst of each step", got)
	}
	now = now.Add(time.Minute)
	note(healthcheck.Stale)
	if got := strings.TrimLeft(seen(), " "); got != "fp     s" {
		t.Errorf("%q, want a gap of five steps", got)
	}
	now = now.Add(30 * time.Second)
	if got := strings.TrimLeft(seen(), " "); got != "fp     s   " {
		t.Errorf("%q, want what has passed without a verdict as a gap", got)
	}
	now = now.Add(time.Hour)
	if got := strings.TrimSpace(seen()); got != "" {
		t.Errorf("%q after an hour", got)
	}
	note(healthcheck.Pass)
	if got := strings.TrimSpace(seen()); got != "p" {
		t.Errorf("%q, want nothing of the hour before", got)
	}
	now = now.Add(-30 * time.Minute) // the wall clock is set back
	note(healthcheck.Warn)
	if got := strings.TrimSpace(seen()); got != "w" {
		t.Errorf("%q after a step back", got)
	}
}
