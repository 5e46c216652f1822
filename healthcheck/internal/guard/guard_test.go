package guard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// secret is in foreign values. It must be in no text of the Monitor.
const secret = "hunter2"

// TestAsk: for each way not to answer, Ask returns a Fault of its kind within Limit.
func TestAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Site
		ask := func(f func() string) (string, string) {
			began := time.Now()
			got, err := Ask(&s, f)
			if d := time.Since(began); d > 2*Limit {
				t.Errorf("it took %v", d)
			}
			if err == nil {
				return got, ""
			}
			if got != "" || strings.Contains(err.Error(), secret) {
				t.Errorf("%q, %q", got, err)
			}
			return got, err.(*Fault).Kind
		}
		want := func(what string, f func() string, answer, kind string) {
			t.Helper()
			if a, k := ask(f); a != answer || k != kind {
				t.Errorf("%s: %q %q, want %q %q", what, a, k, answer, kind)
			}
		}
		works := func() string { return "yes" }
		want("an answer", works, "yes", "")
		want("a panic", func() string { panic(errors.New(secret)) }, "", Panic)
		want("a panic of nil", func() string { panic(nil) }, "", Panic)
		want("the end of the goroutine", func() string { runtime.Goexit(); return "" }, "", Exited)
		// Both calls end at the same time, so either error may come first.
		if _, err := Ask(&s, func() string { _, err := Ask(&s, works); return fmt.Sprint(err) }); err != nil && err.(*Fault).Kind != Stale {
			t.Errorf("a call of us: %v", err)
		}
		synctest.Wait()
		open := make(chan struct{})
		want("a block", func() string { <-open; return "late" }, "", Stale)
		for range 3 {
			want("another call", works, "", Stale)
		}
		if n := Left(); n != 1 {
			t.Errorf("%d calls are left behind", n)
		}
		close(open)
		synctest.Wait()
		want("after its return", works, "yes", "")
		if n := Left(); n != 0 {
			t.Errorf("%d calls are left behind", n)
		}
	})
}

// TestTurns: concurrent calls take turns. A slow call does not make another one fail.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Site
		began := time.Now()
		results := make(chan error)
		for range 3 {
			go func() { results <- s.Run(func() { time.Sleep(Limit / 4) }) }()
		}
		for range 3 {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(began); took != 3*Limit/4 {
			t.Errorf("it took %v", took)
		}
	})
}

// TestInline: a panic is a Fault. Goexit ends the goroutine, and its deferred functions run.
func TestInline(t *testing.T) {
	if err := Inline(func() { panic(secret) }); err == nil || err.Error() != "panic of string" {
		t.Error(err)
	}
	done := make(chan error)
	go func() {
		defer close(done)
		done <- Inline(runtime.Goexit)
	}()
	if err, returned := <-done; returned {
		t.Errorf("Inline has returned %v", err)
	}
}

// rude is an error or the value of a panic. Each of its methods calls a function of the test.
type rude struct{ do func() }

func (r rude) Error() string          { r.do(); return secret }
func (r rude) String() string         { r.do(); return secret }
func (r rude) Is(error) bool          { r.do(); return false }
func (r rude) As(any) bool            { r.do(); return false }
func (r rude) Unwrap() error          { r.do(); return r }
func (r rude) Timeout() bool          { r.do(); return false }
func (r rude) Temporary() bool        { r.do(); return false }
func (r rude) ErrorType() string      { r.do(); return "" }
func (r rude) RuntimeError()          {}
func (r rude) GoString() string       { r.do(); return secret }
func (r rude) Format(fmt.State, rune) { r.do() }

// TestPanicValues: a panic's value is named by its type, and none of its methods is called.
func TestPanicValues(t *testing.T) {
	circle := []any{nil}
	circle[0] = circle
	never := rude{func() { t.Error("a method of the value is called") }}
	for want, value := range map[string]any{
		"panic of guard.rude in ":                                          never,
		"panic of *guard.rude in ":                                         &never,
		"panic of []interface {} in ":                                      circle,
		"panic of string in ":                                              secret,
		"panic of *errors.errorString in ":                                 errors.New(secret),
		"panic of runtime error: index out of range [1] with length 0 in ": nil,
	} {
		f := func(context.Context) error {
			if value == nil {
				var none []int
				return fmt.Errorf("%d", none[len(none)+1])
			}
			panic(value)
		}
		err := <-Start(t.Context(), f, f)
		if !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), "TestPanicValues") {
			t.Errorf("%q; want %q", err, want)
		}
	}
	if err := <-Start(t.Context(), func(context.Context) error { runtime.Goexit(); return nil }, nil); (&Errors{}).Describe(err).Class != Exited {
		t.Error(err)
	}
	if err := <-Start(t.Context(), func(context.Context) error { return io.EOF }, nil); err != io.EOF {
		t.Error(err)
	}
}

// within is an error around another one.
type within struct{ error }

func (w within) Unwrap() error { return w.error }

// TestErrorsOfOthers: if the methods of an error misbehave, its class says how, and the next error is described as
// usual.
func TestErrorsOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := make(chan struct{})
		for class, do := range map[string]func(){
			Panic: func() { panic(secret) }, Exited: runtime.Goexit, Stale: func() { <-open }, "github.com/otelhealth/otelhealth/healthcheck/internal/guard.rude": func() {},
		} {
			var e Errors
			for _, err := range []error{rude{do}, within{rude{do}}, errors.Join(io.EOF, rude{do}), Warning{rude{do}}} {
				d := e.Describe(err)
				if ok := d.Class == class || class[0] == 'g' && d.Class != ""; !ok {
					t.Errorf("%T is %q, want %q", err, d.Class, class)
				}
				if class[0] != 'g' && strings.Contains(d.Text, secret) {
					t.Errorf("the text is %q", d.Text)
				}
			}
			if class == Stale {
				close(open)
				synctest.Wait()
			}
			if d := e.Describe(io.ErrUnexpectedEOF); d.Text != io.ErrUnexpectedEOF.Error() {
				t.Errorf("after %s: %+v", class, d)
			}
		}
	})
}

// TestLongErrors: texts are cut at a rune, with a mark.
func TestLongErrors(t *testing.T) {
	long := errors.New(strings.Repeat("ä", 5<<20))
	for _, text := range []string{(&Errors{}).Describe(long).Text, Text(long), Cut("x" + long.Error())} {
		if len(text) > MaxText || len(text) < MaxText-4 || !strings.HasSuffix(text, "ä…") {
			t.Errorf("%d bytes, ending with %q", len(text), text[len(text)-5:])
		}
	}
	if d := (&Errors{}).Describe(classed(strings.Repeat("x", 10<<20))); len(d.Class) > maxClass {
		t.Errorf("a class has %d bytes", len(d.Class))
	}
}

// TestCircles: the walk through an error ends, even if the error contains itself or one error is joined into many.
func TestCircles(t *testing.T) {
	many := errors.Join(io.EOF)
	for range 100 {
		many = errors.Join(many, many)
	}
	if got := Kinds(many); got != "*errors.errorString" {
		t.Error(got)
	}
	if n := len(chainOf(rude{func() {}})); n != maxChain {
		t.Errorf("%d errors", n)
	}
}

func BenchmarkInline(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_ = Inline(func() {})
	}
}

func BenchmarkRun(b *testing.B) {
	b.ReportAllocs()
	var s Site
	for b.Loop() {
		_ = s.Run(func() {})
	}
}

// TestDo: end is called once, with the error or the fault, even if the goroutine ends.
func TestDo(t *testing.T) {
	down := errors.New("down")
	for want, f := range map[error]func() error{
		nil: func() error { return nil }, down: func() error { return down },
		&Fault{Kind: Panic, Value: "string"}: func() error { panic(secret) },
		&Fault{Kind: Exited}:                 func() error { runtime.Goexit(); return nil },
	} {
		ended := make(chan error, 2)
		go Do(f, func(err error) { ended <- err })
		if got := <-ended; fmt.Sprint(got) != fmt.Sprint(want) || len(ended) > 0 {
			t.Errorf("%v, want %v", got, want)
		}
	}
}

// TestReservoirs: if a reservoir of exemplars panics in any method, only the exemplars are missing.
func TestReservoirs(t *testing.T) {
	for _, place := range []string{"selector", "no provider", "provider", "Offer", "Collect", ""} {
		at := func(here string) {
			if here == place {
				panic(secret)
			}
		}
		reader := metric.NewManualReader()
		provider := metric.NewMeterProvider(metric.WithReader(reader), metric.WithExemplarFilter(exemplar.AlwaysOnFilter), metric.WithView(func(i metric.Instrument) (metric.Stream, bool) {
			return View(func(metric.Instrument) (metric.Stream, bool) {
				return metric.Stream{ExemplarReservoirProviderSelector: func(agg metric.Aggregation) exemplar.ReservoirProvider {
					at("selector")
					if place == "no provider" {
						return nil
					}
					return func(set attribute.Set) exemplar.Reservoir {
						at("provider")
						return rudeReservoir{metric.DefaultExemplarReservoirProviderSelector(agg)(set), at}
					}
				}}, true
			}, i)
		}))
		counter, err := provider.Meter("test").Int64Counter("n")
		if err != nil {
			t.Fatal(err)
		}
		counter.Add(t.Context(), 7)
		var rm metricdata.ResourceMetrics
		if err := reader.Collect(t.Context(), &rm); err != nil {
			t.Fatal(err)
		}
		p := rm.ScopeMetrics[0].Metrics[0].Data.(metricdata.Sum[int64]).DataPoints[0]
		if p.Value != 7 || len(p.Exemplars) > 0 != (place == "") {
			t.Errorf("%q: %d with %d exemplars", place, p.Value, len(p.Exemplars))
		}
	}
}

type rudeReservoir struct {
	exemplar.Reservoir
	at func(string)
}

func (r rudeReservoir) Offer(ctx context.Context, t time.Time, v exemplar.Value, dropped []attribute.KeyValue) {
	r.at("Offer")
	r.Reservoir.Offer(ctx, t, v, dropped)
}

func (r rudeReservoir) Collect(to *[]exemplar.Exemplar) {
	r.Reservoir.Collect(to)
	r.at("Collect")
}
