package healthcheck

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelhealth/otelhealth/healthcheck/cfgerrors"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// unitCases are bounds with a wrong unit, and the correct text.
var unitCases = map[string]struct {
	metric, unit string
	rule         rule.Rule
	field, want  string
}{
	"ms meant, s": {"took", "s", rule.Rule{Value: rule.Quantile(.99, "took"), Fail: rule.Above(500)}, "Fail", `write a time.Duration; 500 would be 500*time.Second`},
	"on ms":       {"took", "ms", rule.Rule{Value: rule.Quantile(.99, "took"), Fail: rule.Above(500)}, "Fail", `write a time.Duration; 500 would be 500*time.Millisecond`},
	"on us":       {"took", "us", rule.Rule{Value: rule.Quantile(.99, "took"), Fail: rule.Above(500)}, "Fail", `500*time.Microsecond`},
	"on µs":       {"took", "µs", rule.Rule{Value: rule.Quantile(.99, "took"), Fail: rule.Above(500)}, "Fail", `500*time.Microsecond`},
	"on ns":       {"took", "ns", rule.Rule{Value: rule.Quantile(.99, "took"), Fail: rule.Above(500)}, "Fail", `500*time.Nanosecond`},
	"on min":      {"took", "min", rule.Rule{Value: rule.Quantile(.99, "took"), Fail: rule.Above(5)}, "Fail", `5*time.Minute`},
	"on h":        {"took", "h", rule.Rule{Value: rule.Quantile(.99, "took"), Fail: rule.Above(.5)}, "Fail", `30*time.Minute`},
	"Prometheus":  {"took_seconds", "", rule.Rule{Value: rule.Quantile(.99, "took_seconds"), Fail: rule.Above(.5)}, "Fail", `500*time.Millisecond`},
	"a warning":   {"took", "s", rule.Rule{Value: rule.Quantile(.99, "took"), Warn: rule.Above(2)}, "Warn", `2*time.Second`},
	"share's":     {"took", "s", rule.Rule{Value: rule.ShareAbove(.5, "took"), Fail: rule.Above(.01)}, "Value", `500*time.Millisecond`},
	"swapped":     {"took", "s", rule.Rule{Value: rule.ShareAbove(.01, "took"), Fail: rule.Above(.5)}, "Value", `10*time.Millisecond`},
	"of items":    {"sizes", "{item}", rule.Rule{Value: rule.Quantile(.99, "sizes"), Fail: rule.Above(30 * time.Second)}, "Fail", `30s is a duration, and sizes is in "{item}": write a number`},
	"of bytes":    {"sizes", "By", rule.Rule{Value: rule.ShareAbove(time.Second, "sizes"), Fail: rule.Above(.1)}, "Value", `1s is a duration, and sizes is in "By": write a number`},
	"without one": {"sizes", "", rule.Rule{Value: rule.Quantile(.99, "sizes"), Fail: rule.Above(time.Second)}, "Fail", `give the instrument the unit s`},
	"a count":     {"sizes", "s", rule.Rule{Value: rule.Increase("sizes"), Fail: rule.Above(time.Second)}, "Fail", `1s is a duration`},
	"a share":     {"sizes", "s", rule.Rule{Value: rule.ShareAbove(time.Second, "sizes"), Fail: rule.Above(100 * time.Millisecond)}, "Fail", `100ms is a duration`},
}

// TestUnits: a bound in the wrong unit is an error of Start and AddRule if the instrument exists,
// even without a recorded value. The error shows the correct text.
func TestUnits(t *testing.T) {
	for name, c := range unitCases {
		t.Run(name, func(t *testing.T) {
			c.rule.Name = "latency"
			check := func(by string, err error) {
				t.Helper()
				if err == nil {
					t.Errorf("%s says nothing", by)
					return
				}
				n := 0
				for e := range cfgerrors.All(err) {
					if n++; e.Item != "latency" || e.Field != c.field || !strings.Contains(e.Problem, c.want) {
						t.Errorf("%s: %+v, want %s: … %s", by, e, c.field, c.want)
					}
				}
				if n != 1 {
					t.Errorf("%s: %d mistakes in %v", by, n, err)
				}
			}
			for _, records := range []bool{false, true} {
				k := newKit(t, ofRules(c.rule))
				h, err := k.provider.Meter("test").Float64Histogram(c.metric, metric.WithUnit(c.unit))
				if err != nil {
					t.Fatal(err)
				}
				if records {
					h.Record(t.Context(), 1)
				}
				check("Start", k.StartWith(t.Context(), k.pipeline))

				k = newKit(t, Config{})
				if _, err := k.provider.Meter("test").Float64Histogram(c.metric, metric.WithUnit(c.unit)); err != nil {
					t.Fatal(err)
				}
				k.start()
				_, err = k.AddRule(c.rule)
				check("AddRule", err)
				if n := len(k.Verdict().Results); n != 0 {
					t.Errorf("AddRule failed, and %d rules are judged", n)
				}
			}
		})
	}
}

// TestUnitsAtFirstSight: if the instrument is created later, the rule is unknown and its reason
// shows the correct text. Some mistakes are known before.
func TestUnitsAtFirstSight(t *testing.T) {
	for name, c := range unitCases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.rule.Name, c.rule.MinEvents = "latency", 0
				k := newKit(t, ofRules(c.rule))
				ctx, cancel := context.WithCancel(t.Context())
				t.Cleanup(func() {
					cancel()
					k.Stop()
				})
				if err := k.StartWith(ctx, k.pipeline); err != nil { // known before the metric is
					if !strings.Contains(err.Error(), c.field+": ") || !strings.Contains(err.Error(), c.want) {
						t.Errorf("%q, want %s: … %s", err, c.field, c.want)
					}
					return
				}
				wait(500 * time.Millisecond)
				h, err := k.provider.Meter("test").Float64Histogram(c.metric, metric.WithUnit(c.unit))
				if err != nil {
					t.Fatal(err)
				}
				h.Record(t.Context(), 1)
				wait(time.Second)
				k.state("latency", verdict.Unknown)
				if r := k.result("latency"); !strings.HasPrefix(r.Reason, c.field+": ") || !strings.Contains(r.Reason, c.want) {
					t.Errorf("%q, want %s: … %s", r.Reason, c.field, c.want)
				}
			})
		})
	}
}

// TestUnitsOfGauges: the limit of a gauge with any unit of time is a duration. TimeSince has
// durations too.
func TestUnitsOfGauges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := float64(time.Now().Unix())
		for unit, second := range map[string]float64{"s": 1, "ms": 1e3, "us": 1e6, "min": 1. / 60} {
			k := newKit(t, ofRules(
				rule.Rule{Name: "lag", Value: rule.Last("lag"), Fail: rule.Above(30 * time.Second)},
				rule.Rule{Name: "within", Value: rule.Last("lag"), Fail: rule.Above(32 * time.Second)},
				rule.Rule{Name: "backup", Value: rule.TimeSince("backup"), Fail: rule.Above(time.Hour)},
				rule.Rule{Name: "longer", Value: rule.TimeSince("backup"), Fail: rule.Above(3 * time.Hour)},
			))
			meter := k.provider.Meter("test")
			lag, err1 := meter.Float64Gauge("lag", metric.WithUnit(unit))
			backup, err2 := meter.Float64Gauge("backup", metric.WithUnit(unit))
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			lag.Record(t.Context(), 31*second)
			backup.Record(t.Context(), (now-2*3600)*second)
			k.start()
			k.state("lag", verdict.Fail)
			k.state("within", verdict.Pass)
			k.state("backup", verdict.Fail)
			k.state("longer", verdict.Pass)
			if r := k.result("backup"); r.Unit != "s" || r.Value == nil || *r.Value < 7199 || *r.Value > 7201 {
				t.Errorf("in %s: %v %s, want two hours in s", unit, r.Value, r.Unit)
			}
			k.Stop()
		}
		k := newKit(t, ofRules(rule.Rule{Name: "backup", Value: rule.TimeSince("backup"), Fail: rule.Above(3600)}))
		if _, err := k.provider.Meter("test").Float64Gauge("backup", metric.WithUnit("s")); err != nil {
			t.Fatal(err)
		}
		if err := k.StartWith(t.Context(), k.pipeline); err == nil || !strings.Contains(err.Error(), "3600 would be 1*time.Hour") {
			t.Errorf("a bare number of TimeSince: %v", err)
		}
	})
}

// TestPointlessBounds: a bound that is always or never crossed is an error, even without a metric.
func TestPointlessBounds(t *testing.T) {
	all := rule.Increase("requests")
	failed := all.Where("code", "500")
	other := rule.Increase("errors")
	for name, c := range map[string]struct {
		rule rule.Rule
		want string // empty if the rule is valid
	}{
		"5 for 5 %":               {rule.Rule{Value: rule.Ratio(failed, all), Fail: rule.Above(5)}, "is never crossed: a share is from 0 to 1"},
		"all of them":             {rule.Rule{Value: rule.Ratio(failed, all), Fail: rule.Above(1)}, "is never crossed: a share is from 0 to 1"},
		"a share of 5":            {rule.Rule{Value: rule.ShareAbove(time.Second, "took"), Fail: rule.Above(5)}, "is never crossed: a share is from 0 to 1"},
		"a warning at 1":          {rule.Rule{Value: rule.ShareAbove(time.Second, "took"), Warn: rule.Above(1.)}, "is never crossed: a share is from 0 to 1"},
		"a share below 0":         {rule.Rule{Value: rule.ShareAbove(time.Second, "took"), Fail: rule.Below(0)}, "is never crossed: a share is from 0 to 1"},
		"a share below 2":         {rule.Rule{Value: rule.ShareAbove(time.Second, "took"), Fail: rule.Below(2)}, "is always crossed: a share is from 0 to 1"},
		"a share above -1":        {rule.Rule{Value: rule.ShareAbove(time.Second, "took"), Fail: rule.Above(-1)}, "is always crossed: a share is from 0 to 1"},
		"a count below 0":         {rule.Rule{Value: all, Fail: rule.Below(0)}, "is never crossed"},
		"a count above -1":        {rule.Rule{Value: all, Fail: rule.Above(-1)}, "is always crossed"},
		"a duration above -1s":    {rule.Rule{Value: rule.Quantile(.9, "took"), Fail: rule.Above(-time.Second)}, "is always crossed"},
		"a share above -1s":       {rule.Rule{Value: rule.ShareAbove(-time.Second, "took"), Fail: rule.Above(.1)}, "is below every duration"},
		"a window of 30 ns":       {rule.Rule{Value: all, Window: 30, Fail: rule.Above(1)}, "30ns is shorter than 1s"},
		"p99 as 99":               {rule.Rule{Value: rule.Quantile(99, "took"), Fail: rule.Above(time.Second)}, "the quantile 99 is not between 0 and 1: .99 is p99"},
		"5 %":                     {rule.Rule{Value: rule.Ratio(failed, all), Fail: rule.Above(.05)}, ""},
		"any at all":              {rule.Rule{Value: rule.Ratio(failed, all), Fail: rule.Above(0)}, ""},
		"errors of two metrics":   {rule.Rule{Value: rule.Ratio(other, all), Fail: rule.Above(5)}, ""},
		"no part of the other":    {rule.Rule{Value: rule.Ratio(all, failed), Fail: rule.Above(5)}, ""},
		"a ratio of two gauges":   {rule.Rule{Value: rule.Ratio(rule.Last("m"), rule.Last("n")), Fail: rule.Above(5)}, ""},
		"a gauge below -1":        {rule.Rule{Value: rule.Last("m"), Fail: rule.Below(-1)}, ""},
		"a quantile of -1":        {rule.Rule{Value: rule.Quantile(.9, "sizes"), Fail: rule.Above(-1)}, ""},
		"a narrower part of some": {rule.Rule{Value: rule.Ratio(failed.Where("route", "/"), failed), Fail: rule.Above(2)}, "is never crossed: a share is from 0 to 1"},
	} {
		t.Run(name, func(t *testing.T) {
			c.rule.Name = "r"
			_, err := New(Config{}).AddRule(c.rule)
			switch {
			case c.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// TestNanoseconds: a bare number for a duration counts nanoseconds. That is an error, because nobody means it.
func TestNanoseconds(t *testing.T) {
	m := New(Config{
		Checks:     []Check{{Name: "database", Func: ok, Timeout: 2}},
		Rules:      []rule.Rule{{Name: "queue", Value: rule.Last("queue.length"), Fail: rule.Above(80), For: 30, KeepFor: 30}},
		DrainDelay: 10, ShutdownTimeout: 10, Defaults: Check{Timeout: 3},
	})
	m.Heartbeat("worker", 60)
	err := m.StartWith(t.Context(), Pipeline{Reader: sdkmetric.NewManualReader()})
	fields := map[string]bool{}
	for e := range cfgerrors.All(err) {
		fields[e.Item+"."+e.Field] = true
	}
	for _, want := range []string{"database.Timeout", "queue.For", "queue.KeepFor", ".DrainDelay", ".ShutdownTimeout", "Defaults.Timeout", "worker.Heartbeat"} {
		if !fields[want] {
			t.Errorf("no mistake of %s in %v", want, err)
		}
	}
}

// TestTypesKnownAtStart: a bound whose type does not fit the indicator or the name is an error before the
// metric exists.
func TestTypesKnownAtStart(t *testing.T) {
	all := rule.Increase("requests")
	for name, r := range map[string]rule.Rule{
		"a number of TimeSince":     {Value: rule.TimeSince("backup"), Fail: rule.Above(3600)},
		"a number of _seconds":      {Value: rule.Last("lag_seconds"), Fail: rule.Above(5)},
		"a bound of _seconds":       {Value: rule.ShareAbove(.5, "request_duration_seconds"), Fail: rule.Above(.01)},
		"a duration of a share":     {Value: rule.ShareAbove(time.Second, "latency"), Fail: rule.Above(50 * time.Millisecond)},
		"a duration of a ratio":     {Value: rule.Ratio(all.Where("code", "500"), all), Fail: rule.Above(time.Second)},
		"a part above 1, reordered": {Value: rule.Ratio(all.Where("code", "502", "500"), all.Where("code", "500", "502")), Fail: rule.Above(5)},
		"a part of a subset":        {Value: rule.Ratio(all.Where("code", "500"), all.Where("code", "500", "200")), Fail: rule.Above(5)},
	} {
		r.Name = "rule"
		err := New(ofRules(r)).StartWith(t.Context(), Pipeline{Reader: sdkmetric.NewManualReader()})
		found := false
		for e := range cfgerrors.All(err) {
			found = found || e.Item == "rule"
		}
		if !found {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestMillisecondsAsSeconds: a gauge of Unix milliseconds without a unit is unknown. Read as seconds, its age
// would be minus 50,000 years, and the rule would pass for ever.
func TestMillisecondsAsSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, ofRules(rule.Rule{Name: "backup", Value: rule.TimeSince("backup.time"), Fail: rule.Above(time.Hour)}))
		gauge, err := k.provider.Meter("test").Int64Gauge("backup.time")
		if err != nil {
			t.Fatal(err)
		}
		gauge.Record(t.Context(), time.Now().UnixMilli())
		k.start()
		wait(2 * time.Second)
		k.state("backup", verdict.Unknown)
	})
}

// TestUnitBeforeTheFirstRecord: a wrong unit is found when the instrument is created, and not only with the
// first recorded value.
func TestUnitBeforeTheFirstRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, ofRules(rule.Rule{Name: "latency", OnFail: NotReady, Value: rule.Quantile(.99, "latency"), Fail: rule.Above(500)})).start()
		if _, err := k.provider.Meter("test").Float64Histogram("latency", metric.WithUnit("s")); err != nil {
			t.Fatal(err)
		}
		wait(2 * time.Second)
		k.state("latency", verdict.Unknown)
		if r := k.Verdict().Readiness.Reason; !strings.Contains(r, "write a time.Duration") {
			t.Errorf("the reason is %q", r)
		}
	})
}

// TestLateLimit: a limit that comes after the histogram is refused, though nothing was recorded.
func TestLateLimit(t *testing.T) {
	k := newKit(t, Config{}).start()
	if _, err := k.provider.Meter("test").Float64Histogram("latency", metric.WithUnit("s")); err != nil {
		t.Fatal(err)
	}
	late := rule.Rule{Name: "latency", Value: rule.Quantile(.99, "latency"), Fail: rule.Above(333 * time.Millisecond)}
	if _, err := k.AddRule(late); err == nil || !strings.Contains(err.Error(), "Config.Rules") {
		t.Errorf("AddRule of 333 ms: %v", err)
	}
	late.Fail = rule.Above(500 * time.Millisecond) // a boundary that it has
	if _, err := k.AddRule(late); err != nil {
		t.Errorf("AddRule of 500 ms: %v", err)
	}
}
