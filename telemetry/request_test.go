package telemetry

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/trace"
)

// TestTemporaryFiles: net/http removes the files of a multipart form after the request, also of a
// handler that has panicked.
func TestTemporaryFiles(t *testing.T) {
	for n, p := range slices.Concat(protocols[:], protocols[:]) {
		dir := t.TempDir()
		t.Setenv("TMPDIR", dir)
		tel, _ := start(t, Config{}, nil)
		made := 0
		srv := serve(t, tel.Instrument(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if err := r.ParseMultipartForm(1); err != nil {
				t.Error(err)
			}
			files, _ := os.ReadDir(dir)
			made += len(files)
			if n >= len(protocols) {
				panic("of a test")
			}
		})), p.two)
		form, contentType := multipartForm(11 << 20)
		res, err := srv.Client().Post(srv.URL, contentType, form)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		srv.Close() // waits for the requests
		if left, _ := os.ReadDir(dir); made == 0 || len(left) != 0 {
			t.Errorf("%s: of %d files %d are left", p.name, made, len(left))
		}
	}
}

func multipartForm(size int) (body io.Reader, contentType string) {
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	_ = w.SetBoundary("boundary")
	f, _ := w.CreateFormFile("file", "name")
	_, _ = f.Write(bytes.Repeat([]byte("x"), size))
	_ = w.Close()
	return &buf, w.FormDataContentType()
}

// TestHijack: a request ends when its connection is hijacked. Its duration is the time until then, it is not the oldest
// request, and a panic is not written into the connection.
func TestHijack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tel, _ := start(t, Config{}, nil)
		goOn := make(chan struct{})
		mux := http.NewServeMux()
		mux.HandleFunc("GET /ws", func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second)
			w.WriteHeader(http.StatusSwitchingProtocols)
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			<-goOn
			if r.URL.RawQuery == "panic" {
				panic("hunter2")
			}
		})
		for n, query := range []string{"", "?panic"} {
			w := &hijackable{lightWriter: lightWriter{h: http.Header{}}}
			done := make(chan any)
			go func() {
				defer func() { done <- recover() }()
				tel.Instrument(mux).ServeHTTP(w, httptest.NewRequest("GET", "/ws"+query, nil))
			}()
			time.Sleep(time.Hour)
			synctest.Wait()
			if age := series(t, tel, "http.server.oldest_request.age")[""]; age != 0 {
				t.Errorf("the oldest request is %v s old", age)
			}
			if got := series(t, tel, "http.server.active_requests")["http.request.method=GET,url.scheme=http"]; got != 0 {
				t.Errorf("%v active requests", got)
			}
			goOn <- struct{}{}
			if p := <-done; (query == "") != (p == nil) || p != nil && p != http.ErrAbortHandler {
				t.Errorf("%q: net/http gets the panic %v", query, p)
			}
			if w.late != 0 {
				t.Errorf("%q: %d bytes were written into the connection", query, w.late)
			}
			points := durations(t, tel)
			if len(points) != 1 || points[0].Count != uint64(n+1) || points[0].Sum != float64(n+1) {
				t.Errorf("durations: %+v", points)
			}
			if got := count(t, tel); got["/ws 101"] != uint64(n+1) {
				t.Errorf("series: %v", got)
			}
		}
	})
}

// hijackable gives a connection away and counts what is written afterwards.
type hijackable struct {
	lightWriter
	late     int
	hijacked bool
}

func (h *hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	h.hijacked = true
	c, _ := net.Pipe()
	return c, nil, nil
}

func (h *hijackable) Write(b []byte) (int, error) {
	if h.hijacked {
		h.late += len(b)
	}
	return len(b), nil
}

// durations are the points of http.server.request.duration. It fails if the scope is not otelhttp's.
func durations(t *testing.T, tel *Telemetry) []metricdata.HistogramDataPoint[float64] {
	t.Helper()
	var rm metricdata.ResourceMetrics
	if err := tel.Reader.(interface {
		Collect(context.Context, *metricdata.ResourceMetrics) error
	}).Collect(t.Context(), &rm); err != nil {
		t.Fatal(err)
	}
	var points []metricdata.HistogramDataPoint[float64]
	for _, sm := range rm.ScopeMetrics {
		for _, m := range sm.Metrics {
			if m.Name == requestDuration {
				points = append(points, m.Data.(metricdata.Histogram[float64]).DataPoints...)
				if sm.Scope.Name != otelhttp.ScopeName || sm.Scope.Version != otelhttp.Version {
					t.Errorf("the scope is %+v", sm.Scope)
				}
			}
		}
	}
	return points
}

// TestKeptWriter: a handler that uses its writer after it has returned does not write into another request's answer.
func TestKeptWriter(t *testing.T) {
	tel, _ := start(t, Config{}, nil)
	var kept http.ResponseWriter
	h := tel.Instrument(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/keeps" {
			kept = w
			return
		}
		w.WriteHeader(http.StatusTeapot)
	}))
	first := httptest.NewRecorder()
	h.ServeHTTP(first, httptest.NewRequest("GET", "/keeps", nil))
	for range 100 {
		second := httptest.NewRecorder()
		h.ServeHTTP(second, httptest.NewRequest("GET", "/other", nil))
		kept.Header().Set("X-Late", "yes")
		_, _ = io.WriteString(kept, "hunter2")
		if second.Body.Len() != 0 || second.Header().Get("X-Late") != "" {
			t.Fatal("a late write came into another answer")
		}
	}
	if got := count(t, tel); got[" 200"] != 1 || got[" 418"] != 100 {
		t.Errorf("series: %v", got)
	}
	if kept.(interface{ Unwrap() http.ResponseWriter }).Unwrap() != first {
		t.Error("the kept writer is another's")
	}
}

// TestConcurrentWrites: as behind otelhttp, goroutines may use the writer at the same time.
func TestConcurrentWrites(t *testing.T) {
	tel, _ := start(t, Config{}, nil)
	w := httptest.NewRecorder()
	tel.Instrument(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range 100 {
				_, _ = w.Write([]byte("a"))
			}
		}()
		for range 100 {
			_, _ = w.Write([]byte("b"))
		}
		<-done
	})).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Body.Len() != 200 {
		t.Errorf("%d bytes", w.Body.Len())
	}
}

// TestViewsOfUsers: a view of the user sees all attributes that otelhttp records, and those of the
// handler's Labeler. It also brings back the sizes of bodies.
func TestViewsOfUsers(t *testing.T) {
	label := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if l, ok := otelhttp.LabelerFromContext(r.Context()); ok {
			l.Add(attribute.String("tenant", "blue"), attribute.Int("http.response.status_code", 999)) // the latter loses
		}
	})
	mux := http.NewServeMux()
	mux.Handle("/items/{id}", label)
	keep := func(name string) sdkmetric.View {
		return sdkmetric.NewView(sdkmetric.Instrument{Name: name}, sdkmetric.Stream{Name: "mine." + name})
	}
	views := []sdkmetric.View{keep(requestDuration), keep(requestBodySize)}
	tel, _ := start(t, Config{ServiceName: "orders", Views: views}, nil)
	reader := sdkmetric.NewManualReader()
	mp := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithView(views...))
	plain := otelhttp.NewMiddleware("", otelhttp.WithMeterProvider(mp), otelhttp.WithServerName("orders"))(mux)
	for _, h := range []http.Handler{tel.Instrument(mux), plain} {
		for _, host := range []string{"a", "a:80", "a:8080", "[::1]:8080", "[::1]", "a:b", ""} {
			for _, url := range []string{"http://x/items/1", "https://x/none"} {
				r := httptest.NewRequest("POST", url, strings.NewReader("hello"))
				r.Host = host
				h.ServeHTTP(httptest.NewRecorder(), r)
			}
		}
	}
	sets := func(reader any) map[string]int {
		var rm metricdata.ResourceMetrics
		if err := reader.(interface {
			Collect(context.Context, *metricdata.ResourceMetrics) error
		}).Collect(t.Context(), &rm); err != nil {
			t.Fatal(err)
		}
		got := map[string]int{}
		for _, sm := range rm.ScopeMetrics {
			for _, m := range sm.Metrics {
				if !strings.HasPrefix(m.Name, "mine.") {
					continue
				}
				switch data := m.Data.(type) {
				case metricdata.Histogram[float64]:
					for _, p := range data.DataPoints {
						got[m.Name+" "+p.Attributes.Encoded(attribute.DefaultEncoder())] += int(p.Count)
					}
				case metricdata.Histogram[int64]:
					for _, p := range data.DataPoints {
						got[m.Name+" "+p.Attributes.Encoded(attribute.DefaultEncoder())] += int(p.Count)
					}
				}
			}
		}
		return got
	}
	own, want := sets(tel.Reader), sets(reader)
	if !maps.Equal(own, want) {
		t.Errorf("behind Instrument:\n%s\notelhttp:\n%s", lines(own), lines(want))
	}
	if !strings.Contains(lines(own), "tenant=blue") || !strings.Contains(lines(own), requestBodySize) {
		t.Errorf("series:\n%s", lines(own))
	}
}

func lines[V any](m map[string]V) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintf(&b, "%s = %v\n", k, m[k])
	}
	return b.String()
}

// TestNoViewsOfUsers: without a view nobody sees a Labeler's attributes, because they have no limit.
func TestNoViewsOfUsers(t *testing.T) {
	tel, _ := start(t, Config{Views: []sdkmetric.View{
		sdkmetric.NewView(sdkmetric.Instrument{Name: "other"}, sdkmetric.Stream{}),
	}}, nil)
	var outside otelhttp.Labeler
	h := tel.Instrument(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		l, ok := otelhttp.LabelerFromContext(r.Context())
		if !ok || l != &outside {
			t.Error("the handler gets another Labeler than the one of the context")
		}
		l.Add(attribute.String("tenant", "blue"))
	}))
	r := httptest.NewRequest("GET", "/", nil)
	h.ServeHTTP(httptest.NewRecorder(), r.WithContext(otelhttp.ContextWithLabeler(r.Context(), &outside)))
	points := durations(t, tel)
	if len(points) != 1 || points[0].Attributes.Len() != 3 {
		t.Errorf("series: %+v", points)
	}
	if len(outside.Get()) != 1 {
		t.Errorf("the Labeler of a middleware has %v", outside.Get())
	}
}

// TestStartTime: a start time in the context, as otelhttp has it, is the start of the duration.
func TestStartTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tel, _ := start(t, Config{}, nil)
		r := httptest.NewRequest("GET", "/", nil)
		r = r.WithContext(otelhttp.ContextWithStartTime(r.Context(), time.Now().Add(-time.Minute)))
		tel.Instrument(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r)
		if points := durations(t, tel); len(points) != 1 || points[0].Sum != 60 {
			t.Errorf("durations: %+v", points)
		}
	})
}

// TestRoutesAreBounded: a router that sets paths as patterns does not fill the memory, and neither does a handler that
// sends every status. The routes are still right.
func TestRoutesAreBounded(t *testing.T) {
	var c routes
	for n := range 3 * routesKept {
		pattern := fmt.Sprintf("GET /items/%d", n)
		r := &http.Request{Method: "PUT", Pattern: pattern}
		for range 2 {
			if got, want := c.spanName("", r), fmt.Sprintf("PUT /items/%d", n); got != want {
				t.Fatalf("the span is %q, want %q", got, want)
			}
		}
		if got := c.of(pattern).path; got != pattern[4:] {
			t.Fatalf("the route is %q, want %q", got, pattern[4:])
		}
	}
	if n := len(*c.all.Load()); n != routesKept {
		t.Errorf("%d routes are kept, want %d", n, routesKept)
	}
	rt := c.of("GET /items/1")
	for status := range 1000 {
		rt.attributes(seriesKey{method: 0, status: status})
	}
	if n := len(*rt.sets.Load()); n != seriesKept {
		t.Errorf("%d series are kept, want %d", n, seriesKept)
	}
	tel, _ := start(t, Config{}, nil)
	h := tel.Instrument(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Pattern = r.URL.Path
		w.WriteHeader(200 + len(r.URL.Path))
	}))
	for n := range routesKept + 10 {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", fmt.Sprintf("/%d", n), nil))
	}
	if got := count(t, tel); got[fmt.Sprintf("/%d 205", routesKept+5)] != 1 || got["/7 202"] != 1 {
		t.Errorf("%d series", len(got))
	}
}

// TestPatterns: the route of a pattern is its path, as in otelhttp.
func TestPatterns(t *testing.T) {
	for pattern, want := range map[string]string{
		"": "", "/": "/", "GET /items/{id}": "/items/{id}", "example.com/a/": "/a/", "POST example.com/{$}": "/{$}", "noslash": "",
	} {
		if got := newRoute(pattern).path; got != want {
			t.Errorf("%q: %q, want %q", pattern, got, want)
		}
	}
	for name, want := range map[string]string{"GET": "GET", "get": "GET", "TRACE": "TRACE", "HUNTER2": "_OTHER", "": "_OTHER"} {
		if got := methods[methodOf(name)]; got != want {
			t.Errorf("method %q: %q, want %q", name, got, want)
		}
	}
}

// silent names fewer headers than it reads, as the propagators of b3 do.
type silent struct {
	propagation.TextMapPropagator
	fields []string
}

type unnamedKey struct{}

func (s silent) Fields() []string { return s.fields }
func (s silent) Extract(ctx context.Context, c propagation.TextMapCarrier) context.Context {
	return context.WithValue(ctx, unnamedKey{}, c.Get("X-Unnamed"))
}

// TestPropagatorShortcut: the shortcut is only for propagators that name all headers that they read. It finds each of
// these headers.
func TestPropagatorShortcut(t *testing.T) {
	for _, fields := range [][]string{nil, {"b3"}, {"traceparent", "b3"}} {
		h := propagation.HeaderCarrier{"X-Unnamed": {"found"}}
		if got := shortcut(silent{fields: fields}).Extract(t.Context(), h).Value(unnamedKey{}); fmt.Sprint(got) != "found" {
			t.Errorf("fields %v: extracted %v", fields, got)
		}
	}
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	both := propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
	for _, p := range []propagation.TextMapPropagator{both, propagation.TraceContext{}, propagation.Baggage{}, propagation.NewCompositeTextMapPropagator()} {
		if got := slices.Sorted(slices.Values(shortcut(p).Fields())); !slices.Equal(got, slices.Sorted(slices.Values(p.Fields()))) {
			t.Errorf("fields %v of %v", got, p.Fields())
		}
		for _, header := range []propagation.HeaderCarrier{
			nil, {}, {"Accept": {"*/*"}}, {"Traceparent": {parent}}, {"Baggage": {"a=b"}}, {"Baggage": nil}, {"Tracestate": {"a=b"}},
			{"Traceparent": {parent}, "Tracestate": {"a=b"}, "Baggage": {"a=b", "c=d"}},
		} {
			type remote struct {
				span trace.SpanContext
				bag  string
			}
			read := func(p propagation.TextMapPropagator) string {
				ctx, out := p.Extract(t.Context(), header), propagation.MapCarrier{}
				propagation.Baggage{}.Inject(ctx, out)
				return fmt.Sprint(remote{trace.SpanContextFromContext(ctx), strings.Join(slices.Sorted(maps.Keys(out)), "")}, len(out["baggage"]))
			}
			if got, want := read(shortcut(p)), read(p); got != want {
				t.Errorf("%v, %v: %s, want %s", p.Fields(), header, got, want)
			}
		}
		m := propagation.MapCarrier{"traceparent": parent} // no header
		if got, want := trace.SpanContextFromContext(shortcut(p).Extract(t.Context(), m)), trace.SpanContextFromContext(p.Extract(t.Context(), m)); !got.Equal(want) {
			t.Errorf("%v, no header: %v, want %v", p.Fields(), got, want)
		}
	}
}

// TestGoexit: a handler that ends its goroutine ends its request.
func TestGoexit(t *testing.T) {
	tel, _ := start(t, Config{}, nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tel.Instrument(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { runtime.Goexit() })).
			ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	}()
	<-done
	if got := series(t, tel, "http.server.active_requests"); lines(got) != "http.request.method=GET,url.scheme=http = 0\n" {
		t.Errorf("series: %v", got)
	}
}

// TestExemplarTrace: the histogram's exemplar leads to the trace of the request.
func TestExemplarTrace(t *testing.T) {
	tel, _ := start(t, Config{}, nil)
	var id string
	tel.Instrument(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		id = trace.SpanContextFromContext(r.Context()).TraceID().String()
	})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	if points := durations(t, tel); len(points) != 1 || len(points[0].Exemplars) != 1 || fmt.Sprintf("%x", points[0].Exemplars[0].TraceID) != id {
		t.Errorf("trace %s, durations: %+v", id, points)
	}
}

// TestInvalidStatus: a status that net/http refuses is a panic before anything was sent.
func TestInvalidStatus(t *testing.T) {
	for _, status := range []int{0, 99, 1000} {
		tel, _ := start(t, Config{}, nil)
		w := httptest.NewRecorder()
		tel.Instrument(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })).
			ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if got := count(t, tel); w.Code != 500 || got[" 500"] != 1 {
			t.Errorf("%d: answered %d, series: %v", status, w.Code, got)
		}
	}
}

// TestPanickingSource: if a source panics while ReadFrom copies it, the client sees that the answer
// is incomplete.
func TestPanickingSource(t *testing.T) {
	tel, _ := start(t, Config{}, nil)
	srv := serve(t, tel.Instrument(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.(io.ReaderFrom).ReadFrom(io.MultiReader(strings.NewReader(r.URL.RawQuery), panickingReader{}))
	})), false)
	for _, size := range []int{0, 3000} {
		res, err := srv.Client().Get(srv.URL + "?" + strings.Repeat("x", size))
		complete := false
		if err == nil {
			_, err = io.ReadAll(res.Body)
			res.Body.Close()
			complete = err == nil && res.StatusCode == 200
		}
		if complete {
			t.Errorf("%d bytes: the answer looks complete", size)
		}
	}
}

type panickingReader struct{}

func (panickingReader) Read([]byte) (int, error) { panic("hunter2") }
