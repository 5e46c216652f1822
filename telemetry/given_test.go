package telemetry

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// TestGivenRequest: otelhttp gets only a part of the request, and the handler gets all of it. Each field is
// net/http's, except the body, because we count it.
func TestGivenRequest(t *testing.T) {
	for _, p := range protocols {
		for _, details := range []bool{false, true} {
			tel, _ := start(t, Config{SpanDetails: details}, nil)
			var outer *http.Request
			inside := tel.Instrument(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				want, got := reflect.ValueOf(*outer), reflect.ValueOf(*r)
				for f := range reflect.TypeFor[http.Request]().Fields() {
					if !f.IsExported() || f.Name == "Body" || f.Type.Kind() == reflect.Func {
						continue
					}
					if w, g := want.FieldByIndex(f.Index).Interface(), got.FieldByIndex(f.Index).Interface(); !reflect.DeepEqual(w, g) {
						t.Errorf("%s: %s is %v, net/http's is %v", p.name, f.Name, g, w)
					}
				}
				if r.PathValue("id") != "7" || r.Context().Value(http.ServerContextKey) == nil || r.UserAgent() == "" || r.Trailer == nil || r.RemoteAddr == "" {
					t.Errorf("%s: the handler got %+v", p.name, r)
				}
				b, err := io.ReadAll(r.Body)
				if string(b) != "hello" || err != nil || r.Trailer.Get("X-Sum") != "42" {
					t.Errorf("%s: body %q, %v, trailer %v", p.name, b, err, r.Trailer)
				}
			}))
			mux := http.NewServeMux()
			mux.HandleFunc("POST /items/{id}", func(w http.ResponseWriter, r *http.Request) {
				body := r.Body
				outer = r
				inside.ServeHTTP(w, r)
				if r.Body != body {
					t.Errorf("%s: net/http's request has another body", p.name)
				}
			})
			srv := serve(t, mux, p.two)
			req, err := http.NewRequestWithContext(t.Context(), "POST", srv.URL+"/items/7?a=b", io.MultiReader(strings.NewReader("hello"))) // of unknown length
			if err != nil {
				t.Fatal(err)
			}
			req.Trailer = http.Header{"X-Sum": {"42"}}
			res, err := srv.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
		}
	}
}

// TestKeptRequest: a request that is kept after its end stays as it was, its context ends, and reads of its body
// fail, as without Instrument.
func TestKeptRequest(t *testing.T) {
	for _, p := range protocols {
		look := func(wrap func(http.Handler) http.Handler) string {
			kept, ended, seen := make(chan *http.Request, 1), make(chan struct{}), make(chan string, 1)
			mux := http.NewServeMux()
			mux.HandleFunc("/items/{id}", func(_ http.ResponseWriter, r *http.Request) {
				context.AfterFunc(r.Context(), func() { close(ended) })
				go func() { // at the same time as the end of the request
					seen <- fmt.Sprint(r.Method, r.Proto, r.Host == "", r.Pattern, r.URL, r.PathValue("id"))
				}()
				kept <- r
			})
			srv := serve(t, wrap(mux), p.two)
			res, err := srv.Client().Post(srv.URL+"/items/7", "text/plain", strings.NewReader("hello"))
			if err != nil {
				t.Fatal(err)
			}
			if res.Body.Close(); res.StatusCode != 200 {
				return res.Status
			}
			r := <-kept
			<-ended
			srv.Close()
			if _, err = r.Body.Read(make([]byte, 1)); p.two {
				err = nil // it depends on what was received before
			}
			return <-seen + fmt.Sprint("; afterwards ", r.Method, r.Proto, r.Host == "", r.Pattern, r.URL, r.PathValue("id"), r.ContentLength, err, context.Cause(r.Context()))
		}
		tel, _ := start(t, Config{}, nil)
		got, want := look(tel.Instrument), look(func(h http.Handler) http.Handler { return h })
		if got != want || !p.two && !strings.Contains(want, http.ErrBodyReadAfterClose.Error()) {
			t.Errorf("%s, behind Instrument: %s\nwithout: %s", p.name, got, want)
		}
	}
}

// TestPatternOutside: a middleware around Instrument sees the pattern, as around a mux, and the span
// has the name of the inner mux's route.
func TestPatternOutside(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	tel, _ := start(t, Config{}, nil)
	tel.TracerProvider = tel.traces // as with an endpoint
	tel.traces.RegisterSpanProcessor(sdktrace.NewSimpleSpanProcessor(spans))
	inner, outer := http.NewServeMux(), http.NewServeMux()
	inner.HandleFunc("GET /api/items/{id}", func(_ http.ResponseWriter, r *http.Request) { r.Method = "PUT" })
	inner.HandleFunc("/api/panics", func(http.ResponseWriter, *http.Request) { panic("of a test") })
	outer.Handle("/api/", tel.Instrument(inner))
	for path, want := range map[string][2]string{
		"/api/items/7": {"GET /api/items/{id}", "PUT /api/items/{id}"}, "/api/panics": {"/api/panics", "GET /api/panics"}, "/api/none": {"", "GET /api/"},
	} {
		spans.Reset()
		r := httptest.NewRequest("GET", path, nil)
		outer.ServeHTTP(httptest.NewRecorder(), r)
		all := spans.GetSpans()
		if len(all) != 1 || all[0].Name != want[1] || r.Pattern != want[0] {
			t.Errorf("%s: pattern %q, spans %+v", path, r.Pattern, all)
		}
	}
}

// TestToldLittle: otelhttp makes no attribute that is not exported, also for the metrics. Each costs
// time in every request.
func TestToldLittle(t *testing.T) {
	started := map[attribute.Key]bool{}
	tel, _ := start(t, Config{}, nil)
	tel.TracerProvider = tel.traces
	tel.traces.RegisterSpanProcessor(starts(func(s sdktrace.ReadWriteSpan) {
		for _, kv := range s.Attributes() {
			started[kv.Key] = true
		}
	}))
	var told *http.Request
	h := tel.Instrument(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).(*instrumented)
	inside := h.otelhttp
	h.otelhttp = func(next http.Handler) http.Handler {
		return inside(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { told = r; next.ServeHTTP(w, r) }))
	}
	h.ServeHTTP(httptest.NewRecorder(), itemRequest())
	for key := range started {
		if isSensitive(key, trace.SpanKindServer) {
			t.Errorf("the span starts with %s", key)
		}
	}
	if !started[semconv.ServerPortKey] || !started[semconv.NetworkProtocolVersionKey] {
		t.Errorf("the span starts with %v", started)
	}
	if told.Proto+told.Host+told.Pattern+told.RemoteAddr != "" || told.Header != nil || told.URL != nil {
		t.Errorf("after the handler otelhttp has %+v", told)
	}
}

// starts is a span processor that sees spans start.
type starts func(sdktrace.ReadWriteSpan)

func (f starts) OnStart(_ context.Context, s sdktrace.ReadWriteSpan) { f(s) }
func (starts) OnEnd(sdktrace.ReadOnlySpan)                           {}
func (starts) Shutdown(context.Context) error                        { return nil }
func (starts) ForceFlush(context.Context) error                      { return nil }
