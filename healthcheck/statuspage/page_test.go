package statuspage

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/internal/leaktest"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

var errDown = errors.New("connection refused <script>")

// start runs a Monitor with a database that is down, and its page.
func start(t *testing.T) (m *healthcheck.Monitor, page *page, end func()) {
	t.Helper()
	m = healthcheck.New(healthcheck.Config{Checks: []healthcheck.Check{{Name: "database", Func: func(context.Context) error { return errDown }}}})
	ctx, cancel := context.WithCancel(t.Context())
	page = newPage(t.Context(), m, Config{TraceURL: "http://traces/{trace}", MaintenancePath: "/maintenance"})
	if err := m.StartWith(ctx, healthcheck.Pipeline{TracerProvider: sdktrace.NewTracerProvider(), Logger: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); m.Stop() })
	time.Sleep(500 * time.Millisecond)
	return m, page, cancel
}

var quiet = healthcheck.Pipeline{Logger: slog.New(slog.DiscardHandler)}

func get(p http.Handler, method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w
}

// TestPage: the page has everything that a browser needs, and may load or run nothing else.
func TestPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, page, _ := start(t)
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
		if rest := strings.ReplaceAll(body, "http://www.w3.org/2000/svg", ""); strings.Contains(rest, "://") { // the name of a namespace loads nothing
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

// TestSentenceNamesAll: the sentence names each check to blame, and no check without an effect.
func TestSentenceNamesAll(t *testing.T) {
	v := &verdict.Verdict{Time: time.Now(), Phase: "running", Readiness: verdict.Result{State: verdict.Fail, Reason: "queue: 90 of at most 80 (and 2 more)"}}
	for name, effect := range map[string]verdict.Effect{"queue": healthcheck.NotReady, "database": healthcheck.NotReady, "cache": healthcheck.WarnOnly, "shown": healthcheck.ShowOnly} {
		v.Results = append(v.Results, verdict.Result{Name: name, State: verdict.Fail, OnFail: effect})
	}
	v.Results = append(v.Results, verdict.Result{Name: "new", State: verdict.Fail, OnFail: healthcheck.NotReady, Shadow: true},
		verdict.Result{Name: "well", State: verdict.Pass}, verdict.Result{Name: "queue-age", State: verdict.Warn, OnFail: healthcheck.NotReady})
	slices.SortFunc(v.Results, func(a, b verdict.Result) int { return strings.Compare(a.Name, b.Name) })
	if got, want := sentence(v, v.Time), "queue: 90 of at most 80. Failing too: database. Warnings: cache, queue-age"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	v.Readiness, v.Results = verdict.Result{State: verdict.Warn, Reason: "cache: timeout (and 1 more)"}, []verdict.Result{
		{Name: "cache", State: verdict.Fail, OnFail: healthcheck.WarnOnly}, {Name: "latency", State: verdict.Fail, OnFail: healthcheck.WarnOnly}}
	if got, want := sentence(v, v.Time), "cache: timeout. Warnings: latency"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestBefore: the page shows the record of an earlier process, with links to it.
func TestBefore(t *testing.T) {
	of := func(b *Before) string {
		return get(newPage(t.Context(), healthcheck.New(healthcheck.Config{}), Config{Before: b}), "GET", "/status").Body.String()
	}
	before := Before{Probe: "liveness", Time: time.Date(2026, 11, 28, 3, 0, 0, 0, time.FixedZone("", 3600)), Summary: "liveness fail since 01:59:00Z: <jobs>\n  jobs: main.work (chan send)", URL: "/blackbox/x.txt"}
	want := `<h2 id="before-title">Before this start</h2>
<p>The newest record of an earlier process, on its liveness, of 2026-11-28 02:00:00 UTC. It may be older than the last restart:</p>
<pre>liveness fail since 01:59:00Z: &lt;jobs&gt;
  jobs: main.work (chan send)</pre>
<p><a href="/blackbox/x.txt">Read the record</a>, or <a href="/blackbox/x.txt" download>download it</a>.</p>
</section>
`
	if got := of(&before); !strings.Contains(got, want) {
		t.Errorf("the page lacks the record:\n%s", got)
	}
	before.URL = ""
	if got := of(&before); !strings.Contains(got, "main.work") || strings.Contains(got, "Read the record") {
		t.Error("the page has a link without a URL, or no record")
	}
	if strings.Contains(of(nil), "Before this start") {
		t.Error("there is a section without a record")
	}
}

// TestSentence: the sentence about readiness is right, also if a check fails without effect, or if
// the judge has stopped.
func TestSentence(t *testing.T) {
	for _, c := range []struct {
		name, override string
		onFail         verdict.Effect
		fails, stuck   bool
		title, want    string
	}{
		{name: "all is well", title: "Ready", want: "Every check passes."},
		{name: "for information", onFail: healthcheck.ShowOnly, fails: true, title: "Ready", want: "Every check that readiness depends on passes; mirror is fail."},
		{name: "overridden", override: "mirror=show", fails: true, title: "Ready", want: "Every check that readiness depends on passes; mirror is fail."},
		{name: "auxiliary", onFail: healthcheck.WarnOnly, fails: true, title: "Ready, with warnings", want: "mirror: 8 failures in a row, the last: *errors.errorString"},
		{name: "core", fails: true, title: "Not ready", want: "mirror: 8 failures in a row, the last: *errors.errorString"},
		{name: "stuck", stuck: true, title: "Not ready", want: "worker: no beat for 30s with 1 active. Liveness fails too, so Kubernetes restarts the process."},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("HEALTH_OVERRIDES", c.override)
			synctest.Test(t, func(t *testing.T) {
				m := healthcheck.New(healthcheck.Config{Checks: []healthcheck.Check{{Name: "mirror", OnFail: c.onFail, Func: func(context.Context) error {
					if c.fails {
						return errDown
					}
					return nil
				}}}})
				worker := m.Heartbeat("worker", 5*time.Second)
				page := newPage(t.Context(), m, Config{TraceURL: "http://traces/{trace}"}) // the Monitor makes no spans
				if s := page.snapshot(false); s.Sentence != "Nothing has been judged yet." || s.Title != "Not ready" || s.Stale {
					t.Errorf("before Start: %q, %q, stale %v", s.Title, s.Sentence, s.Stale)
				}
				if err := m.StartWith(t.Context(), quiet); err != nil {
					t.Fatal(err)
				}
				defer m.Stop()
				if c.stuck {
					worker.Begin()
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
				m.Stop()
				if s := page.snapshot(false); s.Stale || s.Sentence != "draining" {
					t.Errorf("after Stop: %q, stale %v", s.Sentence, s.Stale)
				}
				time.Sleep(14 * time.Second)
				if s := page.snapshot(false); s.Stale {
					t.Errorf("stale before the Monitor's verdict is: %q", s.Sentence)
				}
				time.Sleep(2 * time.Second) // the Monitor's limit is 15 s, as its test of a stale verdict says
				if s := page.snapshot(false); !s.Stale || !s.Since.IsZero() || !strings.HasPrefix(s.Sentence, "Nothing has been judged for more than 15 s") {
					t.Errorf("long after Stop: %q since %v, stale %v", s.Sentence, s.Since, s.Stale)
				}
			})
		})
	}
}

// TestStaysIn: an instance that stays ready by the votes of its peers warns. Its other core checks fail too.
func TestStaysIn(t *testing.T) {
	v := &verdict.Verdict{Phase: "running", Readiness: verdict.Result{State: verdict.Warn, Reason: "database: connection_refused; stays in, 8 of 9 peers fail too (and 2 more)"}, Results: []verdict.Result{
		{Name: "database", State: verdict.Fail, OnFail: healthcheck.NotReady},
		{Name: "orders", State: verdict.Stale, OnFail: healthcheck.NotReady},
		{Name: "cache", State: verdict.Fail, OnFail: healthcheck.WarnOnly},
		{Name: "latency", State: verdict.Warn, OnFail: healthcheck.NotReady},
		{Name: "mirror", State: verdict.Fail, OnFail: healthcheck.ShowOnly},
	}}
	const want = "database: connection_refused; stays in, 8 of 9 peers fail too. Failing too: orders. Warnings: cache, latency"
	if got := all(v); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestDetails: the details are written once for every verdict, for any number of open pages, and
// belong to the shown verdict.
func TestDetails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, page, _ := start(t)
		var written atomic.Int64
		handler := page.details.handler
		page.details.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			written.Add(1)
			handler.ServeHTTP(w, r)
		})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for range 5 {
			go page.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/status/events", nil))
		}
		synctest.Wait()
		get(page, "GET", "/status/data")
		if n := written.Load(); n != 1 {
			t.Errorf("written %d times for six pages", n)
		}
		get(page, "GET", "/status") // needs none
		for n := range 4 {
			time.Sleep(time.Second)
			synctest.Wait()
			v := page.monitor.Verdict()
			if s := page.snapshot(false); !strings.Contains(string(s.Verdict), `"time":"`+v.Time.UTC().Format(time.RFC3339)) {
				t.Errorf("the body is %s; want that of %v", s.Verdict, v.Time)
			}
			if got := written.Load(); got != int64(n+2) {
				t.Errorf("written %d times for %d verdicts", got, n+2)
			}
		}
	})
}

// TestData: the data has the verdict with the texts of errors, the trace and the history.
func TestData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, page, _ := start(t)
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

// TestEvents: the first event has the history, then every verdict is an event, until the Monitor
// has drained.
func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, page, end := start(t)
		w := &stream{ResponseRecorder: httptest.NewRecorder(), lines: make(chan string, 100)}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		go func() {
			page.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "/status/events", nil))
			close(w.lines)
		}()
		read := func(line string) (s snapshot) {
			t.Helper()
			if err := json.Unmarshal([]byte(strings.TrimPrefix(line, "data: ")), &s); err != nil {
				t.Fatal(err)
			}
			return s
		}
		if s := read(<-w.lines); len(s.Past) != 1 {
			t.Errorf("the first has the history of %d checks", len(s.Past))
		}
		before := time.Now()
		end()
		for s := read(<-w.lines); !strings.Contains(string(s.Verdict), "draining"); s = read(<-w.lines) {
			if len(s.Past) > 0 {
				t.Error("the history comes again")
			}
		}
		if took := time.Since(before); took > time.Second {
			t.Errorf("draining is seen after %v", took)
		}
		for range w.lines {
		}
		if took := time.Since(before); took != 5*time.Second {
			t.Errorf("the stream ends %v after the drain has begun; want the delay of 5 s", took)
		}
		again := get(page, "GET", "/status/events").Body.String()
		if s := read(strings.TrimSpace(again)); strings.Count(again, "data: ") != 1 || s.Sentence != "draining" || len(s.Past) != 1 {
			t.Errorf("a client after the drain gets %.300q", again)
		}
		if w := get(page, "HEAD", "/status/events"); w.Body.Len() > 0 {
			t.Errorf("HEAD: %q", w.Body)
		}
	})
}

// stream passes written text on, line by line.
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

// TestServe: a server shuts down in order while a page is open, on its own listener and behind the
// Monitor's handler.
func TestServe(t *testing.T) {
	m := healthcheck.New(healthcheck.Config{DrainDelay: -1, ShutdownTimeout: time.Minute})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := m.StartWith(ctx, quiet); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	page := newPage(t.Context(), m, Config{})
	served := make(chan error, 1)
	go func() { served <- m.Serve(&http.Server{Handler: m.Wrap(page)}, l) }()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Get("http://" + l.Addr().String() + "/status/events")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewReader(res.Body)
	if _, err := lines.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.Copy(io.Discard, lines); err != nil {
		t.Errorf("the stream ends with %v", err)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve returns %v", err)
	}
}

// TestStreams: a stream lives longer than the server's write timeout, ends with the context of the
// page, and makes room for the next one.
func TestStreams(t *testing.T) {
	m := healthcheck.New(healthcheck.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	page := newPage(ctx, m, Config{})
	if err := m.StartWith(t.Context(), quiet); err != nil {
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

// TestHeaders: the page is not cached, framed, sniffed or sent as a referrer.
func TestHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, page, _ := start(t)
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

// TestComeAndGo: checks that are added and removed keep their own history.
func TestComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, page, _ := start(t)
		add := func(name string, err error) (remove func()) {
			t.Helper()
			remove, failed := m.Add(healthcheck.Check{Name: name, Func: func(context.Context) error { return err }, OnFail: healthcheck.ShowOnly})
			if failed != nil {
				t.Fatal(failed)
			}
			return remove
		}
		seen := func(name string) string {
			return strings.TrimLeft(page.snapshot(true).Past[name].States, " ")
		}
		want := func(name, pattern string) {
			t.Helper()
			if got := seen(name); !regexp.MustCompile("^" + pattern + "$").MatchString(got) {
				t.Errorf("the history of %s is %q; want %s", name, got, pattern)
			}
		}
		time.Sleep(5 * time.Second) // into a step
		first, second := add("a", nil), add("b", errDown)
		time.Sleep(20 * time.Second)
		first()
		time.Sleep(30 * time.Second)
		want("database", "f{6}")
		want("a", "u?p{2,3} {3}") // unknown until its first run has ended
		want("b", "f{6}")
		third := add("a", errDown)
		second()
		time.Sleep(10 * time.Second)
		want("a", "u?p{2,3} {2,3}f{1,2}")
		want("b", "f{6} {1}")
		want("database", "f{7}")
		third()
		time.Sleep(time.Hour + time.Minute)
		if p := page.snapshot(true).Past; len(p) != 1 {
			t.Errorf("an hour later there is a history of %d checks", len(p))
		}
		want("database", "f{360}")
	})
}

// TestValues: a missing value is null.
func TestValues(t *testing.T) {
	h := &history{}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, v := range []*float64{new(.000025), nil, new(math.Inf(1)), new(84.)} {
		h.add(&verdict.Verdict{Time: now, Results: []verdict.Result{{Name: "a", State: verdict.Pass, Value: v}}})
		now = now.Add(10 * time.Second)
	}
	b, err := json.Marshal(h.since(now.Add(-time.Second))["a"])
	if err != nil || !strings.HasSuffix(string(b), "null,2.5e-05,null,null,84]}") {
		t.Errorf("%s %v", b, err)
	}
}

// TestValueOfWorst: the value beside a failure is that of the failure.
func TestValueOfWorst(t *testing.T) {
	h := &history{}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, r := range []verdict.Result{{State: verdict.Pass, Value: new(1.)}, {State: verdict.Fail, Value: new(84.)}, {State: verdict.Fail, Value: new(90.)}, {State: verdict.Pass, Value: new(2.)}} {
		r.Name = "a"
		h.add(&verdict.Verdict{Time: now, Results: []verdict.Result{r}})
		now = now.Add(time.Second)
	}
	if p := h.since(now)["a"]; p.Values[steps-1] != 90 || p.States[steps-1] != 'f' {
		t.Errorf("%v in state %c, want 90 in f", p.Values[steps-1], p.States[steps-1])
	}
}

// TestHistory: the history has the worst state of every step, gaps, and exactly one hour.
func TestHistory(t *testing.T) {
	h := &history{}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	note := func(s verdict.State) {
		h.add(&verdict.Verdict{Time: now, Results: []verdict.Result{{Name: "a", State: s}}})
	}
	seen := func() string { return h.since(now)["a"].States }
	note(verdict.Pass)
	note(verdict.Fail)
	note(verdict.Warn)
	now = now.Add(10 * time.Second)
	note(verdict.Pass)
	if got := strings.TrimLeft(seen(), " "); got != "fp" {
		t.Errorf("%q, want the worst of each step", got)
	}
	now = now.Add(time.Minute)
	note(verdict.Stale)
	if got := strings.TrimLeft(seen(), " "); got != "fp     s" {
		t.Errorf("%q, want a gap of five steps", got)
	}
	now = now.Add(30 * time.Second)
	if got := strings.TrimLeft(seen(), " "); got != "fp     s   " {
		t.Errorf("%q, want a gap for the time without a verdict", got)
	}
	now = now.Add(time.Hour)
	if got := strings.TrimSpace(seen()); got != "" {
		t.Errorf("%q after an hour", got)
	}
	note(verdict.Pass)
	if got := strings.TrimSpace(seen()); got != "p" {
		t.Errorf("%q, want nothing of the hour before", got)
	}
	now = now.Add(-30 * time.Minute) // the wall clock is set back
	note(verdict.Warn)
	if got := strings.TrimSpace(seen()); got != "w" {
		t.Errorf("%q after a step back", got)
	}
}
