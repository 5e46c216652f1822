package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

// witness validates bodies and remembers what they had, so that the schema can't
// allow what is never sent.
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

// all validates every answer that the process can give now.
func (w *witness) all(k *kit, what string) {
	k.t.Helper()
	for path, p := range map[string]Probe{"/health": Liveness, "/ready": Readiness, "/startup": Startup} {
		for _, query := range []string{"", "?verbose"} {
			r := httptest.NewRecorder()
			k.mux.ServeHTTP(r, httptest.NewRequest("GET", path+query, nil))
			w.check(k.t, what+" "+path+query, r.Body.Bytes())
			if strings.Contains(r.Body.String(), `"error":`) {
				k.t.Errorf("%s: %s%s has the text of an error", what, path, query)
			}
		}
		if v := k.Verdict(); v != nil {
			w.check(k.t, what+" "+path+" for operators", v.JSON(p))
		}
	}
}

func fine(context.Context) error { return nil }
func down(context.Context) error { return errors.New("password \x01 \xff <hunter2>") }

// TestEveryBody validates each answer in each state that the process can be
// brought into from outside, and that the schema allows nothing else.
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
	rule := func(name string, l Limit) Check { return Check{Name: name, Limit: l} }
	core := func(c Check) Check { c.Role = Core; return c }

	cases := map[string]func(t *testing.T){
		"starting and holds": func(t *testing.T) {
			k := newKit(t)
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
		"active checks": func(t *testing.T) {
			var failing atomic.Bool
			hang := make(chan struct{})
			k := newKit(t,
				Check{Name: "fine", Role: Core, ComponentType: "datastore", Func: fine},
				Check{Name: "down", Role: Informational, Func: down},
				Check{Name: "flaky", Interval: time.Second, Func: func(context.Context) error {
					if failing.Load() {
						return context.Canceled
					}
					return nil
				}},
				Check{Name: "panicking", Func: func(context.Context) error { panic("hunter2") }},
				Check{Name: "hanging", Interval: time.Second, Func: func(context.Context) error { <-hang; return nil }},
				Check{Name: `"<&>'` + strings.Repeat("ü", 20), Func: fine},
			).start()
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
			k := newKit(t,
				core(rule("last", Last("the.gauge").Where("of", "last").AtMost(80).WarnAbove(50))),
				core(rule("least", Last("the.gauge").Where("of", "last").AtLeast(-1).WarnBelow(0))),
				rule("age", Age("the.gauge").Where("of", "age").AtMost(60)),
				rule("increase", Increase("the.bad.counter", window).AtMost(3).WarnAbove(.5)),
				rule("too few", Increase("the.counter", window).AtLeast(1).WarnBelow(2)),
				rule("over", Over("the.latency", .25, window).AtMost(.1)),
				rule("quantile", Quantile("the.latency", .99, window).AtMost(.25).WarnAbove(.123456789)),
				rule("ratio", Ratio(Increase("the.bad.counter", window), Increase("the.counter", window)).AtMost(.05)),
				rule("quotient", Ratio(Last("the.gauge").Where("of", "last"), Last("the.gauge").Where("of", "whole")).AtMost(.8)),
				core(rule("held", Quantile("the.latency", .5, 1500*time.Millisecond).AtMost(.25))),
				Check{Name: "patient", Limit: Last("the.gauge").Where("of", "last").AtMost(80), For: 3 * time.Second, KeepFor: 5 * time.Second},
				rule("typo", Quantile("the.latencey", .99, window).AtMost(1)),
				rule("ambiguous", Last("the.gauge").AtMost(1)),
				rule("wrong kind", Last("the.latency").AtMost(1)),
			)
			i := create(k)
			of := func(what string) metric.RecordOption { return metric.WithAttributes(attribute.String("of", what)) }
			k.start()
			wait(2 * time.Second)
			w.all(k, "no measurements")
			last := func(v float64) { i.gauge.Record(t.Context(), v, of("last")) }
			last(10)
			i.gauge.Record(t.Context(), 100, of("whole"))
			i.gauge.Record(t.Context(), float64(time.Now().Unix()), of("age"))
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
			w.all(k, "on trial")
			if err := k.provider.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			wait(time.Minute)
			w.all(k, "the reader has ended")
		},
		"groups": func(t *testing.T) {
			k := newKit(t,
				core(rule("queues", Last("queue.length").Per("queue.name").AtMost(80))),
				rule("plain", Last("the.gauge").Per("status", "of", "a.b").AtMost(80)),
			)
			i := create(k)
			for name, n := range map[string]int{"jobs": 95, "mail": 3, strings.Repeat("ü<", 100): 0} {
				if _, err := NewQueue(k.provider, name, 100, func() int { return n }); err != nil {
					t.Fatal(err)
				}
			}
			i.gauge.Record(t.Context(), 90, metric.WithAttributes(
				attribute.String("status", "neither"), attribute.Int("of", 7), attribute.BoolSlice("a.b", []bool{true})))
			k.start()
			wait(2 * time.Second)
			w.all(k, "groups")
		},
		"heartbeat": func(t *testing.T) {
			k := newKit(t)
			h := k.Heartbeat("worker", 10*time.Second)
			k.start()
			w.all(k, "idle")
			h.Busy()
			wait(5 * time.Second)
			w.all(k, "busy")
			wait(10 * time.Second)
			w.all(k, "stuck")
			if s := k.Verdict().Status(Liveness); s != Fail {
				t.Errorf("liveness is %s", s)
			}
		},
		"maintenance and draining": func(t *testing.T) {
			k := newKit(t, Check{Name: "down", Role: Core, Func: down}).start()
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
			t.Setenv("HEALTH_EFFECTS", "a=fail,b=warn,c=off,worker=warn")
			k := newKit(t, Check{Name: "a", Func: down}, Check{Name: "b", Role: Core, Func: down},
				Check{Name: "c", Role: Core, Func: down}, Check{Name: "d", Role: Core, Func: fine})
			k.Heartbeat("worker", time.Second).Busy()
			k.start()
			wait(3 * time.Second)
			w.all(k, "overrides")
		},
		"200 checks": func(t *testing.T) {
			var checks []Check
			for n := range 200 {
				checks = append(checks, Check{Name: fmt.Sprintf("check-%03d-%s", n, strings.Repeat("x", 40)), Func: fine})
			}
			k := newKit(t, append(checks, core(Check{Name: "down", Func: down}))...).start()
			wait(time.Second)
			w.all(k, "200 checks")
		},
		"a callback that hangs": func(t *testing.T) {
			k := newKit(t, rule("last", Last("queue.length").AtMost(1)))
			hang, hung := make(chan struct{}), atomic.Bool{}
			if _, err := NewQueue(k.provider, "jobs", 0, func() int {
				if hung.Load() {
					<-hang
				}
				return 0
			}); err != nil {
				t.Fatal(err)
			}
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

// allowed lists the fields of the schema, and the values of the fields that take
// only some.
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

// TestSchemaRefuses: a schema that takes everything proves nothing.
func TestSchemaRefuses(t *testing.T) {
	schema := loadSchema(t)
	text, err := os.ReadFile("../../testdata/readiness-admin.json")
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
		"no time":                       func(b object) { delete(b, "time") },
		"no checks":                     func(b object) { delete(b, "checks") },
		"checks that are a list":        func(b object) { b["checks"] = []any{} },
		"fail without output":           func(b object) { delete(b, "output") },
		"pass with output":              func(b object) { b["status"] = "pass" },
		"a time that is none":           func(b object) { b["time"] = "2000-13-01T00:00:03Z" },
		"a local time":                  func(b object) { b["time"] = "2000-01-01T01:00:03+01:00" },
		"judged, but at no time":        func(b object) { b["time"] = "" },
		"until without maintenance":     func(b object) { b["until"] = b["time"] },
		"maintenance without until":     func(b object) { b["lifecycle"] = "maintenance" },
		"omitted: 0":                    func(b object) { b["omitted"] = json.Number("0") },
		"a check without status":        func(b object) { delete(check(b, "queue"), "status") },
		"a check of unknown status":     func(b object) { check(b, "queue")["status"] = "down" },
		"an unknown field of a check":   func(b object) { check(b, "queue")["affected"] = "x" },
		"the default role":              func(b object) { check(b, "queue")["role"] = "auxiliary" },
		"a value in quotes":             func(b object) { check(b, "queue")["observedValue"] = "95" },
		"a limit of null":               func(b object) { check(b, "queue")["limit"] = nil },
		"a unit without a value":        func(b object) { delete(check(b, "queue"), "observedValue") },
		"an attribute that is a number": func(b object) { check(b, "queue")["queue.name"] = json.Number("1") },
		"a failing check without since": func(b object) { delete(check(b, "queue"), "since") },
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
