package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	. "github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/checks"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

const schemaFile = "../../../docs/response.schema.json"

func loadSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	s, err := c.Compile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func parse(t *testing.T, body []byte) any {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return doc
}

// witness validates bodies and records their fields and values. So the test finds parts of the schema that no body
// has.
type witness struct {
	schema *jsonschema.Schema
	seen   map[string]bool
	bodies int
}

func (w *witness) check(t *testing.T, what string, body []byte) {
	t.Helper()
	w.bodies++
	doc := parse(t, body)
	if err := w.schema.Validate(doc); err != nil {
		t.Errorf("%s: %v\n%s", what, err, body)
	}
	top := doc.(map[string]any)
	for key, v := range top {
		w.seen[key] = true
		if s, ok := v.(string); ok && (key == "status" || key == "lifecycle") {
			w.seen[key+" "+s] = true
		}
	}
	for _, list := range top["checks"].(map[string]any) {
		for key, v := range list.([]any)[0].(map[string]any) {
			w.seen["check."+key] = true
			if s, ok := v.(string); ok && (key == "status" || key == "role" || key == "override") {
				w.seen["check."+key+" "+s] = true
			}
		}
	}
}

// all validates every answer of the process in its present state.
func (w *witness) all(k *kit, what string) {
	k.t.Helper()
	get := func(h http.Handler, path string) []byte {
		r := httptest.NewRecorder()
		h.ServeHTTP(r, httptest.NewRequest("GET", path, nil))
		w.check(k.t, what+" "+path, r.Body.Bytes())
		return r.Body.Bytes()
	}
	for _, path := range []string{"/health", "/ready", "/startup"} {
		for _, query := range []string{"", "?verbose"} {
			if bytes.Contains(get(k.handler, path+query), []byte(`"error":`)) {
				k.t.Errorf("%s: %s%s has the text of an error", what, path, query)
			}
		}
	}
	get(k.DetailsHandler(), "/details")
}

func fine(context.Context) error { return nil }
func down(context.Context) error { return errors.New("password \x01 \xff <hunter2>") }

// TestEveryBody validates each answer in each state that a test can reach from outside. It also
// checks that the schema allows nothing else.
func TestEveryBody(t *testing.T) {
	w := &witness{schema: loadSchema(t), seen: map[string]bool{}}

	type instruments struct {
		gauge   metric.Float64Gauge
		counter metric.Int64Counter
		bad     metric.Int64Counter
		latency metric.Float64Histogram
	}
	create := func(k *kit) (i instruments) {
		m := k.provider.Meter("test")
		var errs [4]error
		i.gauge, errs[0] = m.Float64Gauge("the.gauge", metric.WithUnit("s"))
		i.counter, errs[1] = m.Int64Counter("the.counter", metric.WithUnit("{call}"))
		i.bad, errs[2] = m.Int64Counter("the.bad.counter", metric.WithUnit("{call}"))
		i.latency, errs[3] = m.Float64Histogram("the.latency", metric.WithUnit("s"))
		if err := errors.Join(errs[:]...); err != nil {
			k.t.Fatal(err)
		}
		return i
	}
	wait := time.Sleep
	ofChecks := func(c ...Check) Config { return Config{Checks: c} }
	ofRules := func(r ...rule.Rule) Config { return Config{Rules: r} }

	cases := map[string]func(t *testing.T){
		"peers": func(t *testing.T) {
			k := newKit(t, Config{Peers: "127.0.0.1:1", Checks: []Check{{Name: "down", Func: func(context.Context) error { return context.Canceled }}}}).start()
			for n := range 3 {
				wait(time.Second)
				w.all(k, fmt.Sprintf("%d s without a peer", n))
			}
		},
		"shadow": func(t *testing.T) {
			t.Setenv("HEALTH_OVERRIDES", "worse=shadow,fine=enforce")
			k := newKit(t, ofChecks(
				Check{Name: "down", Func: down, FailureThreshold: 1, OnFail: NotReady.InShadow()},
				Check{Name: "worse", Func: down, FailureThreshold: 1, OnFail: Restart},
				Check{Name: "fine", Func: func(context.Context) error { return nil }, OnFail: WarnOnly.InShadow()})).start()
			wait(2 * time.Second)
			w.all(k, "checks in shadow")
		},
		"starting and holds": func(t *testing.T) {
			k := newKit(t, Config{})
			w.all(k, "before Start")
			one, two := k.Hold("migrations"), k.Hold("cache")
			k.start()
			w.all(k, "two holds")
			one()
			wait(time.Second)
			w.all(k, "one hold")
			two()
			wait(time.Second)
			w.all(k, "no checks")
			k.Hold("late")
			wait(time.Second)
			w.all(k, "a hold after startup")
		},
		"never started": func(t *testing.T) {
			k := newKit(t, Config{
				Checks: []Check{{Name: "down", Func: down}}, Rules: []rule.Rule{{Name: "last", Value: rule.Last("the.gauge"), Fail: rule.Above(80)}}})
			k.Heartbeat("worker", time.Second)
			k.Hold("migrations")
			w.all(k, "before Start with checks")
			if _, err := k.Maintain("upgrade", time.Now().Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
			w.all(k, "maintenance before Start")
			k.Stop()
			w.all(k, "stopped before Start")
			wait(time.Hour)
			w.all(k, "stopped before Start, an hour later")
		},
		"active checks": func(t *testing.T) {
			var failing atomic.Bool
			hang := make(chan struct{})
			k := newKit(t, ofChecks(
				Check{Name: "fine", Func: fine},
				Check{Name: "down", OnFail: ShowOnly, Func: down},
				Check{Name: "flaky", OnFail: WarnOnly, Interval: time.Second, Timeout: time.Second, Func: func(context.Context) error {
					if failing.Load() {
						return context.Canceled
					}
					return nil
				}},
				Check{Name: "observing", Func: func(ctx context.Context) error { checks.Observe(ctx, 12.5, "s"); return nil }},
				Check{Name: "warning", Func: func(context.Context) error { return checks.Warning(errors.New("hunter2")) }},
				Check{Name: "panicking", OnFail: WarnOnly, Func: func(context.Context) error { panic("hunter2") }},
				Check{Name: "hanging", OnFail: WarnOnly, Interval: time.Second, Timeout: time.Second, Func: func(context.Context) error { <-hang; return nil }},
				Check{Name: `"<&>'` + strings.Repeat("ü", 20), OnFail: WarnOnly, Func: fine},
			)).start()
			w.all(k, "nothing has run")
			wait(1500 * time.Millisecond)
			w.all(k, "the first runs")
			failing.Store(true)
			for n := range 8 {
				wait(time.Second)
				w.all(k, fmt.Sprintf("%d s of failing", n))
			}
			failing.Store(false)
			wait(1100 * time.Millisecond)
			w.all(k, "recovering")
			wait(time.Second)
			close(hang)
			wait(5 * time.Second)
			w.all(k, "recovered")
		},
		"every kind of rule": func(t *testing.T) {
			const window = 10 * time.Second
			of := func(what string) rule.Indicator { return rule.Last("the.gauge").Where("of", what) }
			k := newKit(t, ofRules(
				rule.Rule{Name: "last", OnFail: NotReady, Value: of("last"), Fail: rule.Above(80 * time.Second), Warn: rule.Above(50 * time.Second)},
				rule.Rule{Name: "least", OnFail: NotReady, Value: of("last"), Fail: rule.Below(-time.Second), Warn: rule.Below(0 * time.Second)},
				rule.Rule{Name: "age", Value: rule.TimeSince("the.gauge").Where("of", "age"), Fail: rule.Above(time.Minute)},
				rule.Rule{Name: "increase", Value: rule.Increase("the.bad.counter"), Window: window, Fail: rule.Above(3), Warn: rule.Above(.5)},
				rule.Rule{Name: "too few", Value: rule.Increase("the.counter"), Window: window, Fail: rule.Below(1), Warn: rule.Below(2)},
				rule.Rule{Name: "over", Value: rule.ShareAbove(250*time.Millisecond, "the.latency"), Window: window, Fail: rule.Above(.1)},
				rule.Rule{Name: "quantile", Value: rule.Quantile(.99, "the.latency"), Window: window,
					Fail: rule.Above(250 * time.Millisecond), Warn: rule.Above(123456789 * time.Nanosecond)},
				rule.Rule{Name: "ratio", Value: rule.Ratio(rule.Increase("the.bad.counter"), rule.Increase("the.counter")), Window: window, Fail: rule.Above(.05)},
				rule.Rule{Name: "quotient", Value: rule.Ratio(of("last"), of("whole")), Fail: rule.Above(.8)},
				rule.Rule{Name: "ejecting", OnFail: NotReady, Value: rule.Quantile(.5, "the.latency"), Window: 1500 * time.Millisecond, Fail: rule.Above(250 * time.Millisecond)},
				rule.Rule{Name: "patient", Value: of("last"), Fail: rule.Above(80 * time.Second), For: 3 * time.Second, KeepFor: 5 * time.Second},
				rule.Rule{Name: "typo", Value: rule.Quantile(.99, "the.latencey"), Window: window, Fail: rule.Above(time.Second)},
				rule.Rule{Name: "ambiguous", Value: rule.Last("the.gauge"), Fail: rule.Above(time.Second)},
				rule.Rule{Name: "wrong kind", Value: rule.Last("the.latency"), Fail: rule.Above(time.Second)},
			))
			i := create(k)
			series := func(what string) metric.RecordOption { return metric.WithAttributes(attribute.String("of", what)) }
			k.start()
			wait(2 * time.Second)
			w.all(k, "no measurements")
			last := func(v float64) { i.gauge.Record(t.Context(), v, series("last")) }
			last(10)
			i.gauge.Record(t.Context(), 100, series("whole"))
			i.gauge.Record(t.Context(), float64(time.Now().Unix()), series("age"))
			traffic := func(n int, latency float64) {
				for range n {
					i.latency.Record(t.Context(), latency)
					i.counter.Add(t.Context(), 1)
				}
			}
			for range 12 {
				traffic(20, .1)
				wait(time.Second)
			}
			w.all(k, "all well")
			last(60)
			i.bad.Add(t.Context(), 1)
			traffic(20, .2)
			wait(1100 * time.Millisecond)
			w.all(k, "warning")
			last(95.1234567)
			i.bad.Add(t.Context(), 1000)
			for range 8 {
				traffic(100, 99)
				wait(time.Second)
				w.all(k, "failing")
			}
			last(-1e-9)
			wait(4 * time.Second)
			w.all(k, "too little")
			last(-1e21)
			wait(time.Minute)
			w.all(k, "much too little")
			if err := k.provider.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			wait(time.Minute)
			w.all(k, "the reader has ended")
		},
		"an ejection": func(t *testing.T) {
			k := newKit(t, ofRules(rule.Rule{Name: "latency", OnFail: NotReady, Value: rule.Quantile(.5, "the.latency"),
				Window: 3 * time.Second, Fail: rule.Above(250 * time.Millisecond)}))
			i := create(k)
			k.start()
			wait(500 * time.Millisecond) // so that values are recorded between two collections
			traffic := func(what string, seconds int, latency float64) {
				for range seconds {
					for range 20 {
						i.latency.Record(t.Context(), latency)
					}
					wait(time.Second)
					w.all(k, what)
				}
			}
			traffic("its usual traffic", 12, .1)
			traffic("slow, then ejected", 40, 99)
			k.want("latency", verdict.Fail)
			wait(40 * time.Second)
			k.want("latency", verdict.Warn)
			w.all(k, "on probation")
		},
		"groups": func(t *testing.T) {
			k := newKit(t, ofRules(
				rule.Rule{Name: "queues", OnFail: NotReady, Value: rule.Last("queue.length"), Per: []string{"queue.name"}, Fail: rule.Above(80)},
				rule.Rule{Name: "plain", Value: rule.Last("the.gauge"), Per: []string{"status", "of", "a.b"}, Fail: rule.Above(80 * time.Second)},
			))
			i := create(k)
			for name, n := range map[string]int{"jobs": 95, "mail": 3, strings.Repeat("ü<", 21): 0} {
				k.Queue(name, 100, func() int { return n })
			}
			i.gauge.Record(t.Context(), 90, metric.WithAttributes(
				attribute.String("status", strings.Repeat("ü<", 100)), attribute.Int("of", 7), attribute.BoolSlice("a.b", []bool{true})))
			k.start()
			wait(2 * time.Second)
			w.all(k, "groups")
		},
		"heartbeat": func(t *testing.T) {
			k := newKit(t, Config{})
			h := k.Heartbeat("worker", 10*time.Second)
			k.start()
			w.all(k, "idle")
			h.Begin()
			wait(5 * time.Second)
			w.all(k, "busy")
			wait(10 * time.Second)
			w.all(k, "stuck")
			if s := k.Verdict().Liveness.State; s != verdict.Fail {
				t.Errorf("liveness is %s", s)
			}
		},
		"maintenance and draining": func(t *testing.T) {
			k := newKit(t, ofChecks(Check{Name: "down", Func: down})).start()
			if _, err := k.Maintain(strings.Repeat("<\x01", 400), time.Now().Add(5*time.Minute+time.Nanosecond)); err != nil {
				t.Fatal(err)
			}
			if _, err := k.Maintain("upgrade", time.Now().Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
			wait(time.Second)
			w.all(k, "maintenance")
			k.drain()
			wait(time.Second)
			w.all(k, "draining during maintenance")
			wait(6 * time.Minute)
			w.all(k, "draining after it")
			k.Stop()
			wait(time.Hour)
			w.all(k, "stopped")
		},
		"overrides": func(t *testing.T) {
			t.Setenv("HEALTH_OVERRIDES", "a=not-ready,b=warn,c=show,worker=warn")
			k := newKit(t, ofChecks(Check{Name: "a", OnFail: WarnOnly, Func: down}, Check{Name: "b", Func: down},
				Check{Name: "c", Func: down}, Check{Name: "d", Func: fine}))
			k.Heartbeat("worker", time.Second).Begin()
			k.start()
			wait(3 * time.Second)
			w.all(k, "overrides")
		},
		"200 checks": func(t *testing.T) {
			var checks []Check
			for n := range 200 {
				checks = append(checks, Check{Name: fmt.Sprintf("check-%03d-%s", n, strings.Repeat("x", 40)), OnFail: WarnOnly, Func: fine})
			}
			k := newKit(t, ofChecks(append(checks, Check{Name: "down", Func: down})...)).start()
			wait(time.Second)
			w.all(k, "200 checks")
		},
		"a callback that hangs": func(t *testing.T) {
			k := newKit(t, ofRules(rule.Rule{Name: "last", Value: rule.Last("queue.length"), Fail: rule.Above(1)}))
			hang, hung := make(chan struct{}), atomic.Bool{}
			k.Queue("jobs", 0, func() int {
				if hung.Load() {
					<-hang
				}
				return 0
			})
			k.start()
			wait(time.Second)
			hung.Store(true)
			wait(12 * time.Second)
			w.all(k, "collecting takes 12 s")
			wait(30 * time.Second)
			w.all(k, "collecting takes 42 s")
			close(hang)
		},
	}
	for name, run := range cases {
		t.Run(name, func(t *testing.T) { synctest.Test(t, run) })
	}

	files, err := filepath.Glob("../../testdata/*.json")
	if err != nil || len(files) < 7 {
		t.Fatalf("golden files: %q, %v", files, err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		w.check(t, file, body)
	}

	t.Logf("%d bodies", w.bodies)
	for _, want := range allowed(t) {
		if !w.seen[want] {
			t.Errorf("the schema allows %q, which no body had", want)
		}
	}
}

// allowed lists the fields of the schema, and the values of the fields with an enum.
func allowed(t *testing.T) (list []string) {
	t.Helper()
	text, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	type object struct {
		Properties map[string]struct{ Enum []string }
	}
	var s struct {
		object
		Defs map[string]object `json:"$defs"`
	}
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	add := func(prefix string, o object) {
		for name, p := range o.Properties {
			list = append(list, prefix+name)
			for _, v := range p.Enum {
				list = append(list, prefix+name+" "+v)
			}
		}
	}
	add("", s.object)
	add("check.", s.Defs["check"])
	if len(list) < 40 {
		t.Fatalf("the schema has only %q", list)
	}
	slices.Sort(list)
	return list
}

// TestSchemaRefuses: the schema refuses invalid bodies, because a schema that accepts everything
// proves nothing.
func TestSchemaRefuses(t *testing.T) {
	schema := loadSchema(t)
	text, err := os.ReadFile("../../testdata/readiness-details.json")
	if err != nil {
		t.Fatal(err)
	}
	type object = map[string]any
	check := func(body object, name string) object {
		return body["checks"].(object)[name].([]any)[0].(object)
	}
	for what, spoil := range map[string]func(body object){
		"an unknown field":              func(b object) { b["notes"] = "x" },
		"an unknown field with a dot":   func(b object) { b["a.b"] = "x" },
		"a wrong status":                func(b object) { b["status"] = "ok" },
		"a check's status of a probe":   func(b object) { b["status"] = "stale" },
		"no status":                     func(b object) { delete(b, "status") },
		"no lifecycle":                  func(b object) { delete(b, "lifecycle") },
		"a wrong lifecycle":             func(b object) { b["lifecycle"] = "stopped" },
		"no serviceId":                  func(b object) { delete(b, "serviceId") },
		"no releaseId":                  func(b object) { delete(b, "releaseId") },
		"judged, but at no time":        func(b object) { delete(b, "time") },
		"no checks":                     func(b object) { delete(b, "checks") },
		"checks that are a list":        func(b object) { b["checks"] = []any{} },
		"fail without output":           func(b object) { delete(b, "output") },
		"pass with output":              func(b object) { b["status"] = "pass" },
		"a time that is none":           func(b object) { b["time"] = "2000-13-01T00:00:03Z" },
		"a local time":                  func(b object) { b["time"] = "2000-01-01T01:00:03+01:00" },
		"an empty time":                 func(b object) { b["time"] = "" },
		"until without maintenance":     func(b object) { b["until"] = b["time"] },
		"maintenance without until":     func(b object) { b["lifecycle"] = "maintenance" },
		"omitted: 0":                    func(b object) { b["omitted"] = json.Number("0") },
		"a check without status":        func(b object) { delete(check(b, "queue"), "status") },
		"a check of unknown status":     func(b object) { check(b, "queue")["status"] = "down" },
		"an unknown field of a check":   func(b object) { check(b, "queue")["affected"] = "x" },
		"a check without role":          func(b object) { delete(check(b, "queue"), "role") },
		"a role that is an effect":      func(b object) { check(b, "queue")["role"] = "warn" },
		"a component type":              func(b object) { check(b, "queue")["componentType"] = "datastore" },
		"a value in quotes":             func(b object) { check(b, "queue")["observedValue"] = "95" },
		"a limit of null":               func(b object) { check(b, "queue")["limit"] = nil },
		"a unit without a value":        func(b object) { delete(check(b, "queue"), "observedValue") },
		"an attribute that is a number": func(b object) { check(b, "queue")["queue.name"] = json.Number("1") },
		"a failing check without since": func(b object) { delete(check(b, "queue"), "since") },
		"an override that means show":   func(b object) { check(b, "queue")["override"] = "off" },
		"an override that is none":      func(b object) { check(b, "queue")["override"] = "none" },
		"a quantile of 99":              func(b object) { check(b, "latency")["quantile"] = json.Number("99") },
		"a quantile without a window":   func(b object) { delete(check(b, "latency"), "window") },
		"a window in seconds":           func(b object) { check(b, "latency")["window"] = "30" },
		"a check with two results": func(b object) {
			c := b["checks"].(object)
			c["queue"] = slices.Concat(c["queue"].([]any), c["queue"].([]any))
		},
		"a check with none":      func(b object) { b["checks"].(object)["queue"] = []any{} },
		"a check without a name": func(b object) { b["checks"].(object)[""] = b["checks"].(object)["queue"] },
	} {
		body := parse(t, text).(object)
		if err := schema.Validate(body); err != nil {
			t.Fatal(err)
		}
		spoil(body)
		if err := schema.Validate(body); err == nil {
			t.Errorf("the schema takes %s", what)
		}
	}
}
