package telemetry

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

const sampledParent, unsampledParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"

// kind is a kind of request. No kind panics except with http.ErrAbortHandler: TestPanics has what
// Instrument does with the others.
type kind struct {
	name, method, path string
	body               func() io.Reader
	header             []string
	handler            http.HandlerFunc
}

func kinds() []kind {
	text := func(s string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(s)) }
	}
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	read := func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		fmt.Fprint(w, len(b), err)
	}
	context := func(w http.ResponseWriter, r *http.Request) {
		s := trace.SpanFromContext(r.Context())
		id := s.SpanContext().TraceID().String()
		if !strings.HasPrefix(id, "0af") {
			id = "a new trace"
		}
		fmt.Fprint(w, id, s.IsRecording(), baggage.FromContext(r.Context()))
	}
	large := strings.Repeat("x", 300<<10)
	chunked := func() io.Reader { return io.MultiReader(strings.NewReader("in "), strings.NewReader("chunks")) }
	form := func() io.Reader { form, _ := multipartForm(2 << 20); return form }
	_, formType := multipartForm(0)
	return []kind{
		{name: "write", handler: text("abc")},
		{name: "write string", handler: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "abcdef") }},
		{name: "nothing", handler: func(http.ResponseWriter, *http.Request) {}},
		{name: "large answer", handler: text(large)},
		{name: "no content", handler: status(204)},
		{name: "not modified", handler: status(304)},
		{name: "client's error", handler: status(418)},
		{name: "server's error", handler: func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusServiceUnavailable) }},
		{name: "two statuses", handler: func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(418)
			w.WriteHeader(500)
			_, _ = w.Write([]byte("x"))
		}},
		{name: "status after a flush", handler: func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush()
			w.WriteHeader(500)
			_, _ = w.Write([]byte("late"))
		}},
		{name: "status after a write", handler: func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("late"))
			w.WriteHeader(500)
		}},
		{name: "flushes", handler: func(w http.ResponseWriter, _ *http.Request) {
			for range 3 {
				fmt.Fprint(w, http.NewResponseController(w).Flush())
			}
		}},
		{name: "early hints", handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "</a>")
			w.WriteHeader(103)
			w.WriteHeader(200)
		}},
		{name: "file", handler: func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, "testdata/instruments.txt") }},
		{name: "range of a file", header: []string{"Range", "bytes=1-5"}, handler: func(w http.ResponseWriter, r *http.Request) {
			http.ServeFile(w, r, "testdata/instruments.txt")
		}},
		{name: "copied file", handler: func(w http.ResponseWriter, _ *http.Request) {
			f, err := os.Open("http.go")
			if err != nil {
				return
			}
			defer f.Close()
			_, _ = io.Copy(w, f)
		}},
		{name: "source that fails", handler: func(w http.ResponseWriter, _ *http.Request) {
			if _, err := io.Copy(w, failingReader{}); err != nil {
				http.Error(w, "no source", http.StatusBadGateway)
			}
		}},
		{name: "hijacked", handler: func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				http.Error(w, "not over HTTP/2", http.StatusNotImplemented)
				return
			}
			defer conn.Close()
			fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
		}},
		{name: "pushed", handler: func(w http.ResponseWriter, _ *http.Request) {
			if p, ok := w.(http.Pusher); ok {
				fmt.Fprint(w, p.Push("/other", nil) != nil)
			}
		}},
		{name: "deadlines", handler: func(w http.ResponseWriter, _ *http.Request) {
			c := http.NewResponseController(w)
			fmt.Fprint(w, c.SetReadDeadline(time.Now().Add(time.Hour)), c.SetWriteDeadline(time.Now().Add(time.Hour)), c.EnableFullDuplex())
		}},
		{name: "optional methods", handler: func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, abilities(w)) }},
		{name: "HEAD", method: "HEAD", handler: text("abc")},
		{name: "unknown method", method: "HUNTER2", handler: text("abc")},
		{name: "lower case method", method: "put", handler: text("abc")},
		{name: "read body", method: "POST", body: textOf("hello"), handler: read},
		{name: "chunked body", method: "PUT", body: chunked, handler: read},
		{name: "body that nobody reads", method: "POST", body: textOf("hello"), handler: text("no thanks")},
		{name: "body read in part", method: "PATCH", body: textOf(large), handler: func(w http.ResponseWriter, r *http.Request) {
			n, err := io.ReadFull(r.Body, make([]byte, 100))
			fmt.Fprint(w, n, err)
		}},
		{name: "body below a limit", method: "POST", body: textOf("hello"), handler: func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, 100)
			read(w, r)
		}},
		{name: "multipart form", method: "POST", body: form, header: []string{"Content-Type", formType}, handler: func(w http.ResponseWriter, r *http.Request) {
			err := r.ParseMultipartForm(1)
			fmt.Fprint(w, err, len(r.MultipartForm.File))
		}},
		{name: "trailers", handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "X-Sum")
			fmt.Fprint(w, "body")
			w.Header().Set("X-Sum", "42")
			w.Header().Set(http.TrailerPrefix+"X-Late", "43")
		}},
		{name: "too little", handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10")
			fmt.Fprint(w, "half")
		}},
		{name: "too much", handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "2")
			_, err := fmt.Fprint(w, "more")
			_, _ = fmt.Fprint(w, err)
		}},
		{name: "no route", path: "/none"},
		{name: "redirected to the folder", path: "/folder", handler: nil},
		{name: "another method than the route's", method: "DELETE", path: "/only-get"},
		{name: "parent", header: []string{"Traceparent", sampledParent, "Tracestate", "a=b"}, handler: context},
		{name: "parent that is not sampled", header: []string{"Traceparent", unsampledParent}, handler: context},
		{name: "bad parent", header: []string{"Traceparent", "hunter2"}, handler: context},
		{name: "baggage", header: []string{"Baggage", "a=b"}, handler: context},
		{name: "no headers for the propagators", handler: context},
		{name: "proxied", header: []string{"X-Forwarded-For", "192.0.2.1, 192.0.2.2"}, handler: text("abc")},
		{name: "labelled", handler: func(_ http.ResponseWriter, r *http.Request) {
			l, ok := otelhttp.LabelerFromContext(r.Context())
			if ok {
				l.Add(attribute.String("tenant", "blue"))
			}
		}},
	}
}

// TestLikeOtelhttp: spans, series and answers are those of plain otelhttp with our views, with two differences.
// otelhttp's spans don't have http.route, and otelhttp has no error.type for an answer that did not arrive. Without
// SpanDetails a span never gets attributes that are not exported.
func TestLikeOtelhttp(t *testing.T) {
	for _, p := range protocols {
		for _, k := range kinds() {
			if p.two && k.name == "lower case method" {
				k.method = "PUT"
			}
			t.Run(k.name+" over "+p.name, func(t *testing.T) {
				for _, details := range []bool{false, true} {
					want, got := recordPlain(t, k, p.two, details), recordOurs(t, k, p.two, details)
					if got != want {
						t.Errorf("details %v, behind Instrument:\n%s\nplain otelhttp:\n%s", details, got, want)
					}
					if !strings.Contains(got, "series ") || !strings.Contains(got, "answer") || strings.Contains(got, "user_agent.original") != (details && strings.Contains(got, "span ")) {
						t.Errorf("details %v, recorded:\n%s", details, got)
					}
				}
			})
		}
	}
}

func muxOf(k kind) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /only-get", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/folder/", func(http.ResponseWriter, *http.Request) {})
	if k.handler != nil {
		mux.HandleFunc("/items/{id}", k.handler)
	}
	return mux
}

func recordOurs(t *testing.T, k kind, two, details bool) string {
	spans := tracetest.NewInMemoryExporter()
	tel, _ := start(t, Config{ServiceName: "orders", SpanDetails: details}, nil)
	tel.TracerProvider = tel.traces // as with an endpoint
	tel.traces.RegisterSpanProcessor(sdktrace.NewSimpleSpanProcessor(spans))
	srv := serve(t, tel.Instrument(muxOf(k)), two)
	return ask(t, srv, k) + recorded(t, tel.Reader, spans, true)
}

func recordPlain(t *testing.T, k kind, two, details bool) string {
	spans, reader := tracetest.NewInMemoryExporter(), sdkmetric.NewManualReader()
	tp := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	mp := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithView(ownViews...))
	srv := serve(t, otelhttp.NewMiddleware("", otelhttp.WithMeterProvider(mp), otelhttp.WithTracerProvider(tp), otelhttp.WithServerName("orders"),
		otelhttp.WithPropagators(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})))(muxOf(k)), two)
	return ask(t, srv, k) + recorded(t, reader, spans, details)
}

// ask returns what the client saw, after the server has finished.
func ask(t *testing.T, srv *served, k kind) string {
	t.Helper()
	var seen strings.Builder
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(status int, h textproto.MIMEHeader) error {
		fmt.Fprintln(&seen, "informational", status, h)
		return nil
	}})
	var body io.Reader
	if k.body != nil {
		body = k.body()
	}
	method, path := k.method, k.path
	if method == "" {
		method = "GET"
	}
	if path == "" {
		path = "/items/7"
	}
	req, err := http.NewRequestWithContext(ctx, method, srv.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(k.header); n += 2 {
		req.Header.Set(k.header[n], k.header[n+1])
	}
	client := srv.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Do(req)
	if err != nil {
		fmt.Fprintln(&seen, "no answer")
	} else {
		b, err := io.ReadAll(res.Body)
		res.Body.Close()
		res.Header.Del("Date")
		if len(b) > 100 {
			b = fmt.Appendf(nil, "%d bytes", len(b))
		}
		fmt.Fprintf(&seen, "answer %s, header %v, close %v, body %q, broken %v, trailer %v\n", res.Status, res.Header, res.Close, b, err != nil, res.Trailer)
	}
	srv.running.Wait()
	srv.Close()
	return seen.String()
}

// recorded returns the spans and the series, without what differs from run to run. details keeps all
// attributes of the spans.
func recorded(t *testing.T, reader any, spans *tracetest.InMemoryExporter, details bool) string {
	t.Helper()
	var all []string
	for _, s := range spans.GetSpans() {
		var attrs []string
		for _, kv := range s.Attributes {
			if !details && isSensitive(kv.Key, s.SpanKind) {
				continue
			}
			switch kv.Key {
			case semconv.HTTPRouteKey, semconv.ErrorTypeKey: // ours only
				continue
			case semconv.NetworkPeerPortKey, semconv.ServerPortKey:
				kv.Value = attribute.StringValue("some")
			}
			attrs = append(attrs, fmt.Sprintf("%s=%s", kv.Key, kv.Value.String()))
		}
		slices.Sort(attrs)
		all = append(all, fmt.Sprintf("span %q, %s, status %v, parent %v, scope %v, events %d, links %d, %s\n",
			s.Name, s.SpanKind, s.Status, s.Parent.SpanID(), s.InstrumentationScope, len(s.Events), len(s.Links), strings.Join(attrs, " ")))
	}
	var rm metricdata.ResourceMetrics
	if err := reader.(interface {
		Collect(context.Context, *metricdata.ResourceMetrics) error
	}).Collect(t.Context(), &rm); err != nil {
		t.Fatal(err)
	}
	for _, sm := range rm.ScopeMetrics {
		if sm.Scope.Name != otelhttp.ScopeName {
			continue
		}
		for _, m := range sm.Metrics {
			h := m.Data.(metricdata.Histogram[float64])
			for _, p := range h.DataPoints {
				p.Attributes, _ = p.Attributes.Filter(func(kv attribute.KeyValue) bool { return kv.Key != semconv.ErrorTypeKey })
				all = append(all, fmt.Sprintf("series %s %s %q, scope %v, %v, bounds %v, %s = %d, exemplars %d\n",
					m.Name, m.Unit, m.Description, sm.Scope, h.Temporality, p.Bounds, p.Attributes.Encoded(attribute.DefaultEncoder()), p.Count, len(p.Exemplars)))
			}
		}
	}
	return strings.Join(all, "")
}
