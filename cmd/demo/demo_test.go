package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/telemetry"
)

func TestMain(m *testing.M) {
	for _, kv := range os.Environ() { // the developer's shell must not change the tests
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "OTEL_") {
			_ = os.Unsetenv(name)
		}
	}
	goleak.VerifyTestMain(m)
}

// patience ends a wait that would never end. A loaded machine stays below it.
const patience = 3 * time.Minute

// demo is a demo that runs in this process.
type demo struct {
	t          *testing.T
	app, admin string
	stop       context.CancelFunc
	done       chan error
	client     *http.Client
}

func startDemo(t *testing.T, change func(*config)) *demo {
	t.Helper()
	cfg := config{data: t.TempDir(), addr: "127.0.0.1:0", adminAddr: "127.0.0.1:0", queue: 10, drain: 10 * time.Millisecond, stall: time.Minute}
	if change != nil {
		change(&cfg)
	}
	l, err := listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	d := &demo{
		t: t, stop: cancel, done: make(chan error, 1), client: &http.Client{Timeout: patience},
		app: "http://" + l.app.Addr().String(), admin: "http://" + l.admin.Addr().String(),
	}
	go func() { d.done <- serve(ctx, cfg, l, io.Discard) }()
	t.Cleanup(func() { cancel(); d.client.CloseIdleConnections() })
	return d
}

func TestMistakes(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"-nosuch", 2, "-nosuch"},
		{"-load x", 2, "-load"},
		{"-load -1", 2, "-load"},
		{"-queue 0", 2, "-queue"},
		{"-drain -1s", 2, "-drain"},
		{"-stall 0s", 2, "-stall"},
		{"-check-interval -1s", 2, "-check-interval"},
		{"serve", 2, `unknown command "serve"`},
		{"probe", 1, "URL"},
		{"probe http://127.0.0.1:1/ready", 1, "refused"},
		{"probe ::bad", 1, "::bad"},
		{"fault", 2, "name"},
		{"fault paused-workers -off", 2, "one name"},
		{"load", 2, "one URL"},
		{"load -rate 0 http://127.0.0.1:1", 2, "-rate"},
		{"load -for 0s http://127.0.0.1:1", 2, "-for"},
		{"-addr 127.0.0.1:0 -admin-addr " + taken.Addr().String(), 1, "-admin-addr: listen"},
		{"-addr " + taken.Addr().String(), 1, "-addr: listen"},
		{"-addr 127.0.0.1:0 -admin-addr 127.0.0.1:0 -data /dev/null/x", 1, "-data: "},
	} {
		var stdout, stderr bytes.Buffer
		code := command(strings.Fields(c.args), &stdout, &stderr)
		if code != c.code || !strings.Contains(stderr.String(), c.want) || strings.Count(stderr.String(), "\n") != 1 {
			t.Errorf("demo %s: exit %d, %q; want %d and one line with %q", c.args, code, stderr.String(), c.code, c.want)
		}
	}
}

// TestLoad: demo load posts jobs to another process, and ends after its time.
func TestLoad(t *testing.T) {
	var jobs atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.URL.Path == "/jobs" {
			jobs.Add(1)
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	defer srv.Close()
	var stdout, stderr bytes.Buffer
	if code := command([]string{"load", "-rate=100", "-for=500ms", srv.URL + "/"}, &stdout, &stderr); code != 0 || jobs.Load() == 0 {
		t.Errorf("exit %d, %d jobs: %s", code, jobs.Load(), stderr.String())
	}
}

func TestVersionAndHelp(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := command([]string{"-version"}, &stdout, &stderr); code != 0 || len(strings.Fields(stdout.String())) != 2 {
		t.Errorf("-version: exit %d, %q", code, stdout.String())
	}
	if code := command([]string{"-help"}, &stdout, &stderr); code != 0 || !strings.Contains(stderr.String(), "-load") {
		t.Errorf("-help: exit %d, %q", code, stderr.String())
	}
}

// TestBanner: the demo prints at start where the page is and what to try, in ten short lines. It
// shows only commands that work.
func TestBanner(t *testing.T) {
	app, admin := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8000}, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8001}
	names := newFaults(&database{}, &cache{}, &jobs{}, &traffic{}).names()
	var out bytes.Buffer
	banner(&out, app, admin, names)
	text := out.String()
	if n := strings.Count(text, "\n"); n > 10 {
		t.Errorf("%d lines:\n%s", n, text)
	}
	for _, want := range []string{"http://127.0.0.1:8000 ", "http://127.0.0.1:8001 ", "http://127.0.0.1:8001/status\n", "curl -i http://127.0.0.1:8000/ready\n", "go run ./cmd/demo fault database-down ", "go run ./cmd/demo fault -off database-down ", "paused-workers"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	for _, line := range strings.Split(text, "\n") {
		if len(line) > 150 {
			t.Errorf("%d characters: %s", len(line), line)
		}
	}
	out.Reset()
	admin.Port = 9001
	banner(&out, app, admin, names)
	if !strings.Contains(out.String(), "fault -admin-addr 127.0.0.1:9001 database-down") {
		t.Errorf("the command does not reach this demo:\n%s", &out)
	}
	out.Reset()
	banner(&out, app, admin, "")
	if strings.Contains(out.String(), "fault") {
		t.Errorf("the banner offers faults, but their routes are off:\n%s", &out)
	}
}

// get returns the code and the JSON body.
func (d *demo) get(url string) (int, map[string]any) {
	d.t.Helper()
	res, err := d.client.Get(url)
	if err != nil {
		d.t.Fatal(err)
	}
	defer res.Body.Close()
	var body map[string]any
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
		d.t.Fatalf("%s: %v", url, err)
	}
	return res.StatusCode, body
}

func (d *demo) do(method, url, body, token string) *http.Response {
	d.t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := d.client.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	res.Body.Close()
	return res
}

// await polls until is returns true.
func (d *demo) await(what string, is func() bool) {
	d.t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			_, body := d.get(d.app + "/ready")
			d.t.Fatalf("timeout while waiting for %s; /ready: %v", what, body)
		}
	}
}

func (d *demo) ready() (int, string) {
	code, body := d.get(d.app + "/ready")
	return code, fmt.Sprint(body["output"])
}

// end stops the demo, and fails if the demo reports an error.
func (d *demo) end() {
	d.t.Helper()
	d.stop()
	select {
	case err := <-d.done:
		if err != nil {
			d.t.Errorf("the demo ended with %v", err)
		}
	case <-time.After(patience):
		d.t.Fatal("the demo does not stop")
	}
}

func TestJobs(t *testing.T) {
	d := startDemo(t, nil)
	d.await("ready", func() bool { code, _ := d.ready(); return code == 200 })
	for _, c := range []struct {
		body string
		want int
	}{
		{`{"input":"x"}`, 202}, {`{"input":`, 400}, {`[]`, 400}, {`{}`, 400}, {`{"input":"x"} }}}`, 400}, {`{"input":"x"}` + strings.Repeat(" ", 200<<10), 413}, {``, 400},
		{`{"input":"` + strings.Repeat("x", 65<<10) + `"}`, 413},
	} {
		if res := d.do("POST", d.app+"/jobs", c.body, ""); res.StatusCode != c.want {
			t.Errorf("POST %.20s: %d, want %d", c.body, res.StatusCode, c.want)
		}
	}
	res := d.do("POST", d.app+"/jobs", `{"input":"hello"}`, "")
	job := d.app + res.Header.Get("Location")
	d.await("the job", func() bool { _, body := d.get(job); return body["state"] == "done" })
	if _, body := d.get(job); body["result"] != "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" {
		t.Errorf("the result is %v", body["result"])
	}
	if code, _ := d.get(d.app + "/jobs/none"); code != 404 {
		t.Errorf("an unknown job: %d", code)
	}
	if res := d.do("GET", d.app+"/panic", "", ""); res.StatusCode != 500 {
		t.Errorf("/panic: %d", res.StatusCode)
	}

	// A full queue answers 503 with Retry-After, and readiness fails.
	d.do("PUT", d.admin+"/faults/paused-workers", "", "")
	d.await("a full queue", func() bool {
		res := d.do("POST", d.app+"/jobs", `{"input":"x"}`, "")
		return res.StatusCode == 503 && res.Header.Get("Retry-After") == "1"
	})
	d.await("readiness to fail because of the queue", func() bool { code, out := d.ready(); return code == 503 && strings.HasPrefix(out, "queue: 10 of") })
	if code, _ := d.get(d.app + "/health"); code != 200 {
		t.Errorf("/health: %d", code)
	}
	d.do("DELETE", d.admin+"/faults/paused-workers", "", "")
	d.await("ready again", func() bool { code, _ := d.ready(); return code == 200 })

	d.do("PUT", d.admin+"/faults/database-down", "", "")
	d.await("readiness to fail because of the database", func() bool { code, out := d.ready(); return code == 503 && strings.HasPrefix(out, "database: ") })
	res = d.do("POST", d.app+"/jobs", `{"input":"x"}`, "")
	failed := d.app + res.Header.Get("Location")
	d.await("the job to fail", func() bool { _, body := d.get(failed); return body["state"] == "failed" })
	if code, _ := d.get(job); code != 200 {
		t.Errorf("a cached result without the database: %d", code)
	}
	d.do("PUT", d.admin+"/faults/cache-down", "", "")
	if code, _ := d.get(job); code != 500 {
		t.Errorf("a result without cache and database: %d", code)
	}
	d.do("DELETE", d.admin+"/faults/cache-down", "", "")
	d.do("DELETE", d.admin+"/faults/database-down", "", "")
	d.await("ready after both faults", func() bool { code, _ := d.ready(); return code == 200 })
	d.end()
}

// TestMaintenanceOfFile: a listener can't end maintenance that a file has begun, and the answer says so. If a request
// can't begin maintenance, the answer names the wrong field.
func TestMaintenanceOfFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "maintenance")
	if err := os.WriteFile(file, fmt.Appendf(nil, `{"reason":"upgrade","until":%q}`, time.Now().Add(time.Hour).Format(time.RFC3339)), 0o600); err != nil {
		t.Fatal(err)
	}
	d := startDemo(t, func(c *config) { c.maintenance = file })
	d.await("maintenance", func() bool { code, out := d.ready(); return code == 503 && out == "maintenance: upgrade" })
	for _, c := range []struct {
		method, body string
		code         int
		want         string
	}{
		{"DELETE", "", 409, "did not begin here: empty the maintenance file"},
		{"PUT", `{"reason":"x"}`, 400, "until: is missing"},
		{"PUT", `{"reason":"x","until":"20m"}`, 400, `until: \"20m\" is no time like`},
		{"PUT", `{"reason":"x","until":"2020-01-01T00:00:00Z"}`, 400, "is not in the future"},
		{"PUT", `{"until":"2020-01-01T00:00:00Z"}`, 400, "reason: is empty"},
		{"PUT", `{`, 400, "not JSON"},
	} {
		req, err := http.NewRequest(c.method, d.admin+"/maintenance", strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := d.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != c.code || !strings.Contains(string(text), c.want) {
			t.Errorf("%s %s: %d %s; want %d and %q", c.method, c.body, res.StatusCode, text, c.code, c.want)
		}
	}
}

func TestAdmin(t *testing.T) {
	d := startDemo(t, func(c *config) { c.token = "s3cret" })
	d.await("ready", func() bool { code, _ := d.ready(); return code == 200 })
	for _, c := range []struct {
		method, path, body, token string
		want                      int
	}{
		{"PUT", "/faults/database-down", "", "", 401},
		{"PUT", "/faults/database-down", "", "wrong", 401},
		{"PUT", "/faults/nosuch", "", "s3cret", 404},
		{"POST", "/faults/database-down", "", "s3cret", 405},
		{"PUT", "/maintenance", `{"reason":"x"}`, "", 401},
		{"PUT", "/maintenance", `{"reason":"x"}`, "s3cret", 400},
		{"PUT", "/maintenance", `{"reason":"x","until":"tomorrow"}`, "s3cret", 400},
		{"PUT", "/maintenance", `{"reason":"x","until":"` + time.Now().Add(time.Hour).Format(time.RFC3339) + `"}`, "s3cret", 204},
		{"GET", "/status", "", "", 200},
		{"GET", "/metrics", "", "", 200},
		{"GET", "/ready", "", "", 503},
	} {
		if c.path == "/ready" {
			d.await("maintenance", func() bool { code, out := d.ready(); return code == 503 && out == "maintenance: x" })
		}
		if res := d.do(c.method, d.admin+c.path, c.body, c.token); res.StatusCode != c.want {
			t.Errorf("%s %s with token %q: %d, want %d", c.method, c.path, c.token, res.StatusCode, c.want)
		}
	}
	for _, header := range []string{"s3cret", "Basic s3cret", "Bearer", "Bearers3cret"} {
		r, err := http.NewRequest("DELETE", d.admin+"/maintenance", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", header)
		res, err := d.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if res.Body.Close(); res.StatusCode != 401 {
			t.Errorf("Authorization: %s gets %d, want 401", header, res.StatusCode)
		}
	}
	if code, body := d.get(d.admin + "/status.json"); code != 503 || body["lifecycle"] != "maintenance" {
		t.Errorf("/status.json: %d %v", code, body)
	}
	d.do("DELETE", d.admin+"/maintenance", "", "s3cret")
	d.await("the end of maintenance", func() bool { code, _ := d.ready(); return code == 200 })

	t.Setenv("ADMIN_TOKEN", "s3cret")
	admin := strings.TrimPrefix(d.admin, "http://")
	for args, want := range map[string]int{
		"fault -admin-addr " + admin + " database-down":      0,
		"fault -admin-addr " + admin + " -off database-down": 0,
		"fault -admin-addr " + admin + " nosuch":             1,
		"probe " + d.app + "/health":                         0,
		"probe " + d.app + "/jobs/none":                      1,
	} {
		if code := command(strings.Fields(args), io.Discard, io.Discard); code != want {
			t.Errorf("demo %s: exit %d, want %d", args, code, want)
		}
	}
	d.end()
}

// TestFaults turns on one fault at a time, and checks /ready and /health.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		fault        string
		ready        int
		status, why  string
		health, load int
	}{
		{"cache-down", 200, "warn", "cache: ", 200, 0},
		{"wedged-worker", 503, "fail", "worker: no beat", 503, 50},
		{"slow-requests", 200, "warn", "latency: p99", 200, 50},
		{"failing-requests", 200, "warn", "errors: ", 200, 50},
		{"hung-requests", 200, "warn", "request-age: ", 200, 5},
		{"panicking-check", 503, "fail", "database: 3 failures in a row, the last: panic", 200, 0},
		{"hung-check", 503, "fail", "database: no run has finished for", 200, 0},
	} {
		t.Run(c.fault, func(t *testing.T) {
			t.Parallel()
			d := startDemo(t, func(cfg *config) { cfg.load, cfg.queue, cfg.stall = c.load, 10_000, 2*time.Second })
			d.await("ready", func() bool { code, _ := d.ready(); return code == 200 })
			if res := d.do("PUT", d.admin+"/faults/"+c.fault, "", ""); res.StatusCode != 204 {
				t.Fatalf("PUT: %d", res.StatusCode)
			}
			d.await(c.why, func() bool {
				code, body := d.get(d.app + "/ready")
				return code == c.ready && body["status"] == c.status && strings.HasPrefix(fmt.Sprint(body["output"]), c.why)
			})
			if code, body := d.get(d.app + "/health"); code != c.health {
				t.Errorf("/health: %d %v", code, body)
			}
			if c.fault == "slow-requests" || c.fault == "failing-requests" {
				d.end() // don't wait for recovery: the rule's window is 30 s long
				return
			}
			d.do("DELETE", d.admin+"/faults/"+c.fault, "", "")
			d.await("readiness to pass again", func() bool { _, body := d.get(d.app + "/ready"); return body["status"] == "pass" })
			d.end()
		})
	}
}

// TestBlackbox: a wedged worker leaves a record that names its function, and the page of the next process
// shows it with a link.
func TestBlackbox(t *testing.T) {
	dir := t.TempDir()
	start := func(load int) *demo {
		d := startDemo(t, func(cfg *config) { cfg.blackbox, cfg.load, cfg.queue, cfg.stall = dir, load, 10_000, 2*time.Second })
		d.await("ready", func() bool { code, _ := d.ready(); return code == 200 })
		return d
	}
	text := func(d *demo, path string) string {
		t.Helper()
		res, err := d.client.Get(d.admin + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != 200 {
			t.Errorf("GET %s: %d, %v", path, res.StatusCode, err)
		}
		return string(body)
	}
	none := startDemo(t, nil)
	if res := none.do("GET", none.admin+"/blackbox/now", "", ""); res.StatusCode != 404 {
		t.Errorf("without a black box: %d", res.StatusCode)
	}
	if _, body := none.get(none.admin + "/blackbox/now"); !strings.Contains(fmt.Sprint(body["error"]), "start the demo with -blackbox") {
		t.Errorf("without a black box: %v", body)
	}
	none.end()
	d := start(50)
	if list := text(d, "/blackbox/"); list != "no probe has failed\n" {
		t.Error(list)
	}
	d.do("PUT", d.admin+"/faults/wedged-worker", "", "")
	var name string
	d.await("a record", func() bool {
		name, _, _ = strings.Cut(text(d, "/blackbox/"), " ")
		return strings.Contains(name, "liveness")
	})
	const where = "worker: demo.(*pause).wait (select), called by demo.(*jobs).hash, 4 goroutines"
	if record := text(d, "/blackbox/"+name); !strings.Contains(record, where) {
		t.Errorf("the record begins with\n%.500s", record)
	}
	d.end()

	d = start(0)
	if page := text(d, "/status"); !strings.Contains(page, where) || !strings.Contains(page, `<a href="/blackbox/`+name+`">`) {
		t.Error("the page has no record")
	}
	if record := text(d, "/blackbox/"+name); !strings.HasPrefix(record, "liveness fail since ") {
		t.Errorf("%.200s", record)
	}
	d.end()
}

// TestDrainDelay: -drain 0 means no drain, but the Monitor's zero value means its default.
func TestDrainDelay(t *testing.T) {
	if d := monitored(config{}).DrainDelay; d >= 0 {
		t.Errorf("-drain 0 becomes %v", d)
	}
	if d := monitored(config{drain: 3 * time.Second}).DrainDelay; d != 3*time.Second {
		t.Errorf("-drain 3s becomes %v", d)
	}
}

// TestHost: without a token, a web page whose name points at this computer can't change anything.
func TestHost(t *testing.T) {
	done := 0
	for _, c := range []struct {
		host, token string
		want        int
	}{
		{"localhost:8001", "", 200}, {"localhost", "", 200}, {"127.0.0.1:8001", "", 200}, {"[::1]:8001", "", 200}, {"[::1]", "", 200},
		{"evil.example:8001", "", 403}, {"localhost.evil.example", "", 403}, {"10.0.0.1:8001", "", 403}, {"", "", 403},
		{"ops.example", "s3cret", 200},
	} {
		r := httptest.NewRequest("PUT", "/maintenance", nil)
		r.Host = c.host
		r.Header.Set("Authorization", "Bearer "+c.token)
		w := httptest.NewRecorder()
		authorized(c.token, func(http.ResponseWriter, *http.Request) { done++ }).ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("host %q with token %q: %d, want %d", c.host, c.token, w.Code, c.want)
		}
	}
	if done != 6 {
		t.Errorf("%d requests changed something, want 6", done)
	}
}

// TestNoTokenNoLoopback: without a token and off loopback, the routes that change something don't
// exist.
func TestNoTokenNoLoopback(t *testing.T) {
	for addr, want := range map[string]bool{"127.0.0.1:8001": true, "[::1]:8001": true, "0.0.0.0:8001": false, "10.0.0.1:8001": false} {
		a, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if isLoopback(a) != want {
			t.Errorf("isLoopback(%s) = %v", addr, !want)
		}
	}
	mux := adminRoutes(healthcheck.New(healthcheck.Config{}), &telemetry.Telemetry{}, nil, http.NotFoundHandler(), http.NotFoundHandler(), nil, "", false)
	r, err := http.NewRequest("PUT", "/faults/database-down", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, pattern := mux.Handler(r); pattern != "" {
		t.Errorf("the route %q serves the fault", pattern)
	}
}
