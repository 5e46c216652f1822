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
)

// What a user's code does to us, and to itself.

type rude struct{}

func (rude) Error() string { panic("hunter2") }

// TestBrokenErrors: an error is somebody else's code. A nil pointer in an interface
// is the commonest broken one.
func TestBrokenErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t,
			Check{Name: "nil", Func: func(context.Context) error { var e *net.OpError; return e }},
			Check{Name: "rude", Func: func(context.Context) error { return rude{} }},
			Check{Name: "many", Func: func(context.Context) error { return errors.Join(rude{}, errDown) }}).start()
		wait(time.Second)
		for n, c := range k.Verdict().Checks {
			if c.State != Fail || !strings.HasSuffix(c.Output, "the last: panic") {
				t.Errorf("%s is %s (%s), want fail by panic", c.Name, c.State, c.Output)
			}
			if text := k.Verdict().judged.Checks[n].Finding.Outcome.Text; !strings.HasPrefix(text, "panic in the methods of ") {
				t.Errorf("%s: the text is %q", c.Name, text)
			}
		}
		if body := string(k.Verdict().JSON(Readiness)); !strings.Contains(body, "panic in the methods of *net.OpError") {
			t.Errorf("the operators' body: %s", body)
		}
	})
}

// TestCallbacksTellNothing: the text of a callback's error or panic may be a DSN.
func TestCallbacksTellNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turn atomic.Int64
		log := &logged{}
		k := newKit(t)
		k.Logger = slog.New(slog.NewTextHandler(log, nil))
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

// TestEvaluateHeedsContext, whatever hangs.
func TestEvaluateHeedsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t)
		var hangs atomic.Bool
		open := make(chan struct{})
		_, err := k.provider.Meter("test").Int64ObservableGauge("pool", metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error {
			if hangs.Load() {
				<-open
			}
			return nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		k.start()
		hangs.Store(true)
		for range 2 { // in the collection itself, and waiting for its turn
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			began := time.Now()
			if v := k.Evaluate(ctx); v == nil || time.Since(began) != time.Second {
				t.Errorf("it took %v, want 1s", time.Since(began))
			}
			cancel()
		}
		close(open)
	})
}

// TestCallsAroundStart: whatever may be called from any goroutine may be called before
// and while the Monitor starts.
func TestCallsAroundStart(t *testing.T) {
	k := newKit(t)
	release := k.Hold("warm-up")
	done := make(chan struct{})
	go func() {
		defer close(done)
		release()
		k.Hold("more")()
		if lift, err := k.Maintain("upgrade", time.Now().Add(time.Hour)); err == nil {
			lift()
		}
		k.Verdict()
		k.Evaluate(t.Context())
	}()
	k.start()
	<-done
}

// TestReaderOfAnotherProvider: what is judged must be what is exported.
func TestReaderOfAnotherProvider(t *testing.T) {
	k := newKit(t)
	other := sdkmetric.NewManualReader()
	defer sdkmetric.NewMeterProvider(sdkmetric.WithReader(other)).Shutdown(t.Context())
	if err := k.Start(t.Context(), other); err == nil || !strings.Contains(err.Error(), "another provider") {
		t.Errorf("Start: %v", err)
	}
}

// TestOwnViews: a rule goes by the name that a view gives, and an instrument that a
// view drops does not exist.
func TestOwnViews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const w = 30 * time.Second
		k := &kit{t: t, reader: sdkmetric.NewManualReader(), Monitor: &Monitor{Logger: slog.New(slog.DiscardHandler), Checks: []Check{
			{Name: "dropped", Role: Core, Limit: Increase("dropped", w).AtMost(1)},
			{Name: "old", Role: Core, Limit: Increase("old", w).AtMost(1)},
			{Name: "new", Role: Core, Limit: Increase("new", w).AtMost(1)},
			{Name: "slow", Limit: Quantile("took", .5, w).MinCount(1).AtMost(.123)},
		}}}
		k.provider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(k.reader), sdkmetric.WithView(k.View(
			sdkmetric.NewView(sdkmetric.Instrument{Name: "dropped"}, sdkmetric.Stream{Aggregation: sdkmetric.AggregationDrop{}}),
			sdkmetric.NewView(sdkmetric.Instrument{Name: "old"}, sdkmetric.Stream{Name: "new"}),
			sdkmetric.NewView(sdkmetric.Instrument{Name: "long"}, sdkmetric.Stream{Name: "took"}),
		)))
		k.MeterProvider = k.provider
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
		k.start()
		long.Record(t.Context(), .2)
		wait(2 * time.Second)
		k.state("dropped", Unknown)
		k.state("old", Unknown)
		k.state("new", Pass)
		k.state("slow", Fail)
	})
}

// TestRatioOfNothing: a ratio with a side that nobody creates is no zero.
func TestRatioOfNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const w = 30 * time.Second
		k := newKit(t, Check{Name: "typo", Role: Core, Limit: Ratio(Increase("jobs.faild", w), Increase("jobs", w)).MinCount(1).AtMost(.05)})
		jobs, err := k.provider.Meter("test").Int64Counter("jobs")
		if err != nil {
			t.Fatal(err)
		}
		k.start()
		for range 60 {
			jobs.Add(t.Context(), 10)
			wait(time.Second)
			k.state("typo", Unknown)
		}
		if body := k.want("/ready", 503, Fail); !strings.Contains(body["output"].(string), `"jobs.faild"`) {
			t.Errorf("output %q", body["output"])
		}
	})
}

// TestJobThatNeverRan: at least one in ten minutes is none, too, if there never was
// any.
func TestJobThatNeverRan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, Check{Name: "backup", Limit: Increase("backups", 10*time.Minute).AtLeast(1)})
		backups, err := k.provider.Meter("test").Int64Counter("backups")
		if err != nil {
			t.Fatal(err)
		}
		k.start()
		wait(9 * time.Minute)
		k.state("backup", Pass) // it has its ten minutes
		wait(2 * time.Minute)
		k.state("backup", Fail)
		backups.Add(t.Context(), 1)
		wait(2 * time.Second)
		k.state("backup", Pass)
		wait(11 * time.Minute)
		k.state("backup", Fail)
	})
}
