package telemetry

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// TestInstrumentAllocates: Instrument costs at most what otelhttp costs alone. Allocations don't
// depend on the load of the machine, so they are a test and time is only a benchmark.
func TestInstrumentAllocates(t *testing.T) {
	for _, sampler := range samplings {
		plain := allocations(otelhttpAlone(t, sampler.name, nowhere{}, itemsMux()))
		own := allocations(instrument(t, sampler.name, nowhere{}, itemsMux()))
		t.Logf("%s: otelhttp alone %v allocations, Instrument %v", sampler.name, plain, own)
		if own > plain {
			t.Errorf("%s: Instrument makes %v allocations for a request, otelhttp alone makes %v", sampler.name, own, plain)
		}
	}
}

func allocations(h http.Handler) float64 {
	w, r := &lightWriter{h: http.Header{}}, itemRequest()
	return testing.AllocsPerRun(2000, func() {
		r.Pattern = "" // net/http's request is new each time
		h.ServeHTTP(w, r)
	})
}

// samplings are what matters for the cost: is a span recorded, and how often.
var samplings = []struct {
	name    string
	sampler sdktrace.Sampler
}{
	{"always_on", sdktrace.AlwaysSample()},
	{"ratio_0.1", sdktrace.TraceIDRatioBased(.1)},
	{"always_off", sdktrace.NeverSample()},
	{"no_endpoint", sdktrace.AlwaysSample()}, // sampled, and exported nowhere
}

// instrument has everything around next that a user of Start gets. Spans go to an exporter, as with an
// endpoint.
func instrument(tb testing.TB, sampler string, spans sdktrace.SpanExporter, next http.Handler) http.Handler {
	name, arg := sampler, ""
	switch sampler {
	case "ratio_0.1":
		name, arg = "traceidratio", "0.1"
	case "no_endpoint":
		name = "always_on"
	}
	tb.Setenv("OTEL_TRACES_SAMPLER", name)
	tb.Setenv("OTEL_TRACES_SAMPLER_ARG", arg)
	tel, err := Start(tb.Context(), Config{ServiceName: "orders", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = tel.Shutdown(context.Background()) })
	if sampler == "no_endpoint" {
		return tel.Instrument(next)
	}
	g := newGate(&newOutcomes(tel.errorLogger).traces, 2560)
	tel.TracerProvider = tel.traces // as with an endpoint
	tel.traces.RegisterSpanProcessor(gatedSpans{
		sdktrace.NewBatchSpanProcessor(gatedSpanExporter{spans, g}), g, spanRules{bounds{value: spanValueLimit, item: itemLimit}, false, tel.service},
	})
	return tel.Instrument(next)
}

// otelhttpAlone has what a user of otelhttp writes: no views and no redaction.
func otelhttpAlone(tb testing.TB, sampler string, spans sdktrace.SpanExporter, next http.Handler) http.Handler {
	reader, err := otelprom.New(otelprom.WithRegisterer(prometheus.NewRegistry()))
	if err != nil {
		tb.Fatal(err)
	}
	mp := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	var root sdktrace.Sampler
	for _, s := range samplings {
		if s.name == sampler {
			root = s.sampler
		}
	}
	options := []sdktrace.TracerProviderOption{sdktrace.WithSampler(root)}
	if sampler != "no_endpoint" {
		options = append(options, sdktrace.WithBatcher(spans))
	}
	tp := sdktrace.NewTracerProvider(options...)
	tb.Cleanup(func() {
		_ = tp.Shutdown(context.Background())
		_ = mp.Shutdown(context.Background())
	})
	return otelhttp.NewMiddleware("", otelhttp.WithMeterProvider(mp), otelhttp.WithTracerProvider(tp),
		otelhttp.WithPropagators(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})),
		otelhttp.WithServerName("orders"))(next)
}

func itemsMux() http.Handler {
	mux, answer := http.NewServeMux(), []byte("ok")
	mux.HandleFunc("GET /items/{id}", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(answer) })
	return mux
}

func itemRequest() *http.Request {
	r := httptest.NewRequest("GET", "/items/1", nil)
	r.Header.Set("User-Agent", "curl/8.5.0")
	r.Host = "orders.example:8080"
	return r
}

// lightWriter has the methods of net/http's writer for HTTP/1, and does nothing.
type lightWriter struct{ h http.Header }

func (w *lightWriter) Header() http.Header                          { return w.h }
func (w *lightWriter) WriteHeader(int)                              {}
func (w *lightWriter) Write(b []byte) (int, error)                  { return len(b), nil }
func (w *lightWriter) WriteString(s string) (int, error)            { return len(s), nil }
func (w *lightWriter) ReadFrom(r io.Reader) (int64, error)          { return io.Copy(io.Discard, r) }
func (w *lightWriter) Flush()                                       {}
func (w *lightWriter) FlushError() error                            { return nil }
func (w *lightWriter) CloseNotify() <-chan bool                     { return nil }
func (w *lightWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, nil }
func (w *lightWriter) SetReadDeadline(time.Time) error              { return nil }
func (w *lightWriter) SetWriteDeadline(time.Time) error             { return nil }
func (w *lightWriter) EnableFullDuplex() error                      { return nil }

type nowhere struct{}

// ExportSpans reads the spans, as every exporter does.
func (nowhere) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	for _, s := range spans {
		if len(s.Attributes())+len(s.Events()) > 1000 {
			panic("too many")
		}
	}
	return nil
}
func (nowhere) Shutdown(context.Context) error { return nil }
