package healthcheck

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelhealth/otelhealth/healthcheck/checks"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
	"net/http"
	"net/http/httptest"
)

// Faults in a user's code: errors, callbacks, readers and views.

type panickingError struct{}

func (panickingError) Error() string { panic("hunter2") }

// TestBrokenErrors: the methods of an error may panic. The most common case is a nil pointer in an
// interface.
func TestBrokenErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, ofChecks(
			Check{Name: "nil", Func: func(context.Context) error { var e *net.OpError; return e }},
			Check{Name: "rude", Func: func(context.Context) error { return panickingError{} }},
			Check{Name: "rude warning", Func: func(context.Context) error { return checks.Warning(panickingError{}) }},
			Check{Name: "many", Func: func(context.Context) error { return errors.Join(panickingError{}, errDown) }})).start()
		wait(time.Second)
		for n, c := range k.Verdict().Results {
			if c.State != verdict.Fail && c.Name != "rude warning" || !strings.HasSuffix(c.Reason, ": panic") {
				t.Errorf("%s is %s (%s), want fail by panic", c.Name, c.State, c.Reason)
			}
			if text := k.current.Load().Checks[n].Finding.Outcome.Text; !strings.HasPrefix(text, "the methods of ") || !strings.Contains(text, ": panic of ") || strings.Contains(text, "hunter2") {
				t.Errorf("%s: the text is %q", c.Name, text)
			}
		}
		w := httptest.NewRecorder()
		k.DetailsHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		if body := w.Body.String(); !strings.Contains(body, "the methods of *net.OpError: panic of runtime error") {
			t.Errorf("the operators' body: %s", body)
		}
	})
}

// TestCallbacksTellNothing: the log has no text of a callback's error or panic, because the text may contain a
// DSN.
func TestCallbacksTellNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turn atomic.Int64
		log := &logged{}
		k := newKit(t, Config{})
		k.pipeline.Logger = slog.New(slog.NewTextHandler(log, nil))
		_, err := k.provider.Meter("test").Int64ObservableGauge("pool", metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error {
			switch turn.Load() {
			case 1:
				return errDown
			case 2:
				panic(errDown)
			case 3:
				var pool []int
				pool[0]++
			}
			return nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		k.start()
		for _, want := range []string{"*errors.errorString", "panic of *errors.errorString", "panic of runtime error: index out of range"} {
			turn.Add(1)
			wait(3 * time.Second)
			out := log.take()
			if strings.Contains(out, "hunter2") || strings.Count(out, "collecting metrics returned an error") != 1 || !strings.Contains(out, want) {
				t.Errorf("want one line with %q: %s", want, out)
			}
		}
	})
}

// TestAddRuleHangsOnNobody: if a collection hangs in a callback or waits for another collection, AddRule
// returns in time, and the rule is judged later.
func TestAddRuleHangsOnNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, Config{})
		var hangs atomic.Bool
		open := make(chan struct{})
		_, err := k.provider.Meter("test").Int64ObservableGauge("pool", metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			if hangs.Load() {
				<-open
			}
			o.Observe(0)
			return nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		k.start()
		hangs.Store(true)
		for _, name := range []string{"in the collection itself", "waiting for its turn"} {
			began := time.Now()
			if _, err := k.AddRule(rule.Rule{Name: name, Value: rule.Last("pool"), Fail: rule.Above(1)}); err != nil || time.Since(began) != setupLimit {
				t.Errorf("%s: %v in %v, want %v", name, err, time.Since(began), setupLimit)
			}
		}
		hangs.Store(false)
		close(open)
		wait(2 * time.Second)
		k.state("in the collection itself", verdict.Pass)
		k.state("waiting for its turn", verdict.Pass)
	})
}

// TestCallsAroundStart: methods for any goroutine may be called before and during Start.
func TestCallsAroundStart(t *testing.T) {
	k := newKit(t, Config{})
	release := k.Hold("warm-up")
	done := make(chan struct{})
	go func() {
		defer close(done)
		release()
		k.Hold("more")()
		if lift, err := k.Maintain("upgrade", time.Now().Add(time.Hour)); err == nil {
			lift()
		}
		if v := k.Verdict(); v == nil || v.Readiness.Name != "readiness" {
			t.Errorf("the verdict is %v", v)
		}
	}()
	k.start()
	<-done
}

// TestReaderOfAnotherProvider: Start refuses a reader that does not see the exported metrics.
func TestReaderOfAnotherProvider(t *testing.T) {
	k := newKit(t, Config{})
	other := sdkmetric.NewManualReader()
	defer sdkmetric.NewMeterProvider(sdkmetric.WithReader(other)).Shutdown(t.Context())
	k.pipeline.Reader = other
	if err := k.StartWith(t.Context(), k.pipeline); err == nil || !strings.Contains(err.Error(), "another provider") {
		t.Errorf("Start: %v", err)
	}
}

// TestOwnViews: rules use the names that a view gives, and a dropped instrument does not exist.
func TestOwnViews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &kit{t: t, reader: sdkmetric.NewManualReader(), Monitor: New(ofRules(
			rule.Rule{Name: "dropped", OnFail: NotReady, Value: rule.Increase("dropped"), Fail: rule.Above(1)},
			rule.Rule{Name: "old", OnFail: NotReady, Value: rule.Increase("old"), Fail: rule.Above(1)},
			rule.Rule{Name: "new", OnFail: NotReady, Value: rule.Increase("new"), Fail: rule.Above(1)},
			rule.Rule{Name: "slow", Value: rule.Quantile(.5, "took"), MinEvents: 1, Fail: rule.Above(123 * time.Millisecond)},
			rule.Rule{Name: "in minutes", Value: rule.Quantile(.5, "lasted"), MinEvents: 1, Fail: rule.Above(90 * time.Second)},
		))}
		k.provider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(k.reader), sdkmetric.WithView(k.View(
			sdkmetric.NewView(sdkmetric.Instrument{Name: "dropped"}, sdkmetric.Stream{Aggregation: sdkmetric.AggregationDrop{}}),
			sdkmetric.NewView(sdkmetric.Instrument{Name: "old"}, sdkmetric.Stream{Name: "new"}),
			sdkmetric.NewView(sdkmetric.Instrument{Name: "long"}, sdkmetric.Stream{Name: "took"}),
			sdkmetric.NewView(sdkmetric.Instrument{Name: "longer"}, sdkmetric.Stream{Name: "lasted", Unit: "min"}),
		)))
		k.pipeline = quiet(k.reader, k.provider)
		meter := k.provider.Meter("test")
		for _, name := range []string{"dropped", "old"} {
			c, err := meter.Int64Counter(name)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Add(t.Context(), 1)
		}
		long, err := meter.Float64Histogram("long", metric.WithUnit("s"))
		if err != nil {
			t.Fatal(err)
		}
		longer, err := meter.Float64Histogram("longer", metric.WithUnit("s")) // the library has the wrong unit, and the view corrects it
		if err != nil {
			t.Fatal(err)
		}
		k.start()
		long.Record(t.Context(), .2)
		longer.Record(t.Context(), 1.4)
		longer.Record(t.Context(), 1.6)
		longer.Record(t.Context(), 1.6)
		wait(2 * time.Second)
		k.state("dropped", verdict.Unknown)
		k.state("old", verdict.Unknown)
		k.state("new", verdict.Pass)
		k.state("slow", verdict.Fail)
		k.state("in minutes", verdict.Fail)
	})
}

// TestRatioOfNothing: if one side of a ratio is never created, the ratio is unknown and not zero.
func TestRatioOfNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, ofRules(rule.Rule{Name: "typo", OnFail: NotReady,
			Value: rule.Ratio(rule.Increase("jobs.faild"), rule.Increase("jobs")), MinEvents: 1, Fail: rule.Above(.05)}))
		jobs, err := k.provider.Meter("test").Int64Counter("jobs")
		if err != nil {
			t.Fatal(err)
		}
		k.start()
		for range 60 {
			jobs.Add(t.Context(), 10)
			wait(time.Second)
			k.state("typo", verdict.Unknown)
		}
		if body := k.want("/ready", 503, verdict.Fail); !strings.Contains(body["output"].(string), `"jobs.faild"`) {
			t.Errorf("output %q", body["output"])
		}
	})
}

// TestJobThatNeverRan: a rule "at least one in ten minutes" also fails if there has never been one.
func TestJobThatNeverRan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, ofRules(rule.Rule{Name: "backup", Value: rule.Increase("backups"), Window: 10 * time.Minute, Fail: rule.Below(1)}))
		backups, err := k.provider.Meter("test").Int64Counter("backups")
		if err != nil {
			t.Fatal(err)
		}
		k.start()
		wait(9 * time.Minute)
		k.state("backup", verdict.Pass) // it has its ten minutes
		wait(2 * time.Minute)
		k.state("backup", verdict.Fail)
		backups.Add(t.Context(), 1)
		wait(2 * time.Second)
		k.state("backup", verdict.Pass)
		wait(11 * time.Minute)
		k.state("backup", verdict.Fail)
	})
}
