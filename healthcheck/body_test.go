package healthcheck

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/otelhealth/otelhealth/healthcheck/checks"
	"github.com/otelhealth/otelhealth/healthcheck/internal/answer"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, got, "", "  "); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	path := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(path, pretty.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(pretty.Bytes(), want) {
		t.Errorf("%s differs; got\n%s", path, pretty.Bytes())
	}
}

// TestBodies pins the bodies byte for byte. The clock of the bubble starts at
// 2000-01-01.
func TestBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var length atomic.Int64
		k := newKit(t, Config{
			Checks: []Check{
				{Name: "database", Func: ok},
				{Name: "search", OnFail: WarnOnly, FailureThreshold: 1, Func: down},
				{Name: "slow", Func: func(context.Context) error { return checks.Warning(errDown) }},
			},
			Rules: []rule.Rule{
				{Name: "queue", OnFail: NotReady, Value: rule.Last("queue.length"), Per: []string{"queue.name"}, Fail: rule.Above(80), Warn: rule.Above(50)},
				{Name: "latency", Value: rule.Quantile(.99, "http.server.request.duration"), Fail: rule.Above(500 * time.Millisecond)},
				{Name: "typo", OnFail: ShowOnly, Value: rule.Last("queue.lenght"), Fail: rule.Below(1), Warn: rule.Below(2)},
			},
		})
		k.Queue("jobs", 100, func() int { return int(length.Load()) })
		requests, err := k.provider.Meter("test").Float64Histogram("http.server.request.duration", metric.WithUnit("s"))
		if err != nil {
			t.Fatal(err)
		}
		k.Heartbeat("worker", 0)
		k.start()
		requests.Record(t.Context(), .1)
		wait(1100 * time.Millisecond)
		for range 99 {
			requests.Record(t.Context(), .1)
		}
		length.Store(95)
		wait(3400 * time.Millisecond) // away from the events at whole seconds, and between runs
		v := k.current.Load()
		for _, p := range states.Probes {
			golden(t, p.String(), v.page[p].Short.Body)
		}
		details := httptest.NewRecorder()
		k.DetailsHandler().ServeHTTP(details, httptest.NewRequest(http.MethodGet, "/anything", nil))
		if details.Code != http.StatusServiceUnavailable {
			t.Errorf("the details have code %d, not that of readiness", details.Code)
		}
		golden(t, "readiness-verbose", v.page[states.Readiness].Verbose.Body)
		golden(t, "readiness-stale", v.page[states.Readiness].Stale.Body)
		golden(t, "readiness-details", details.Body.Bytes())
		if bytes.Contains(v.page[states.Readiness].Verbose.Body, []byte("hunter2")) {
			t.Error("the text of an error is in a body for everyone")
		}
		if n := bytes.Count(details.Body.Bytes(), []byte("hunter2")); n != 2 {
			t.Errorf("operators see the texts of %d errors, not those of a failure and a warning", n)
		}
	})
	t.Setenv("OTEL_SERVICE_NAME", "orders")
	golden(t, "unjudged", stamped(New(Config{}).current.Load()))
}

// stamped returns the body before the first judgement, without the version of the test binary.
func stamped(v *answered) []byte {
	return answer.Render(v.Verdict, answer.Service{Name: v.service.Name})[states.Readiness].Short.Body
}

// TestTerse: a terse Monitor answers any request with the status alone. Operators see everything.
func TestTerse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, Config{Terse: true, Checks: []Check{{Name: "database", Func: down}}})
		ask := func(h http.Handler, path string) (int, string) {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
			return w.Code, w.Body.String()
		}
		terse := func(want map[string]string) {
			t.Helper()
			for path, body := range want {
				code, got := ask(k.handler, path)
				if failed := strings.Contains(body, "fail"); got != body+"\n" || (code == http.StatusServiceUnavailable) != failed {
					t.Errorf("%s: %d %s, want %s", path, code, got, body)
				}
			}
		}
		terse(map[string]string{"/ready": `{"status":"fail"}`, "/health?verbose": `{"status":"pass"}`, "/startup": `{"status":"fail"}`})
		k.start()
		wait(time.Second)
		terse(map[string]string{"/ready?verbose": `{"status":"fail"}`, "/ready": `{"status":"fail"}`, "/health": `{"status":"pass"}`, "/startup?verbose": `{"status":"pass"}`})
		if code, body := ask(k.DetailsHandler(), "/details"); code != http.StatusServiceUnavailable || !strings.Contains(body, "hunter2") {
			t.Errorf("operators see %d %s", code, body)
		}
		k.halt()
		wait(time.Minute)
		terse(map[string]string{"/ready": `{"status":"fail"}`, "/health": `{"status":"pass"}`})
	})
}

// TestBodySize: bodies stay under 1 KiB and 8 KiB with any number of checks and any names. They
// show the failing checks and the rules.
func TestBodySize(t *testing.T) {
	for _, n := range []int{1, 10, 100, 1000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var c Config
				for i := range n {
					c.Checks = append(c.Checks, Check{Name: fmt.Sprintf("a-%04d-%s", i, strings.Repeat("ü", 20)), OnFail: WarnOnly, Func: ok})
				}
				for i := range min(n, 10) {
					c.Checks = append(c.Checks, Check{Name: fmt.Sprintf("bad-%d", i), OnFail: WarnOnly, Func: down})
				}
				c.Checks = append(c.Checks, Check{Name: "zz-failing", Func: down})
				c.Rules = []rule.Rule{
					{Name: "zz-queue", Value: rule.Last("queue.length"), Fail: rule.Above(80)},
					{Name: "zz-latency", Value: rule.Quantile(.99, "http.server.request.duration"), Fail: rule.Above(500 * time.Millisecond)},
				}
				k := newKit(t, c).start()
				all := len(c.Checks) + len(c.Rules)
				long, err := k.Maintain(strings.Repeat("<\x01", 400), time.Now().Add(time.Hour))
				if err != nil {
					t.Fatal(err)
				}
				wait(time.Second)
				page := k.current.Load().page[states.Readiness]
				fits(t, page.Short.Body, 1<<10, all, "zz-latency") // there is room for one
				fits(t, page.Verbose.Body, 8<<10, all, "zz-queue", "zz-latency")
				long()
				wait(time.Second)
				page = k.current.Load().page[states.Readiness]
				fits(t, page.Short.Body, 1<<10, all, "zz-queue", "zz-latency")
				fits(t, page.Verbose.Body, 8<<10, all, "zz-queue", "zz-latency")
			})
		})
	}
}

// fits checks the size of a body, the count of all its checks, and that it shows some of them.
func fits(t *testing.T, body []byte, limit, all int, must ...string) {
	t.Helper()
	var b struct {
		Checks  map[string]any
		Omitted int
	}
	if err := json.Unmarshal(body, &b); err != nil {
		t.Fatal(err)
	}
	if len(body) >= limit || len(b.Checks)+b.Omitted != all {
		t.Errorf("%d bytes of %d; %d checks and %d omitted of %d", len(body), limit, len(b.Checks), b.Omitted, all)
	}
	for _, name := range must {
		if b.Checks[name] == nil {
			t.Errorf("%s is not shown", name)
		}
	}
}

// TestDecidingCheckComesFirst: the deciding check comes first in a short body, although a check
// that only warns is in a worse state.
func TestDecidingCheckComesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, Config{
			Checks: []Check{{Name: "a", OnFail: WarnOnly, Func: down}},
			Rules:  []rule.Rule{{Name: "z", OnFail: NotReady, Value: rule.Last("no.such"), Fail: rule.Above(1)}},
		}).start()
		wait(5 * time.Second)
		body := string(k.current.Load().page[states.Readiness].Short.Body)
		if !strings.Contains(body, `"output":"z: `) || strings.Index(body, `"z":[`) > strings.Index(body, `"a":[`) {
			t.Errorf("z decides and does not come first: %s", body)
		}
	})
}
