//go:build unix

package telemetry

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// BenchmarkInstrument compares no instrumentation, otelhttp alone and Instrument. They take turns in rounds, so that
// other load on the machine affects all three. One iteration is a round of 10,000 requests to each. A round of 1500
// would end before garbage is collected, so garbage would cost nothing. Times are the process's CPU time, with garbage
// collection and with the export up to the network. The result is the 20th percentile of the rounds, because other load
// only adds time:
//
//	go test ./telemetry -run '^$' -bench Instrument -benchtime 15x
func BenchmarkInstrument(b *testing.B) {
	for _, over := range []string{"serve", "loopback", "loopback_http2"} {
		for _, s := range samplings {
			b.Run(fmt.Sprintf("%s/%s", over, s.name), func(b *testing.B) {
				all := []*contender{
					{name: "bare", handler: itemsMux()},
					{name: "otelhttp", handler: otelhttpAlone(b, s.name, serialized(b), itemsMux())},
					{name: "ours", handler: instrument(b, s.name, serialized(b), itemsMux())},
				}
				takeTurns(b, all, over)
				b.ReportMetric(low(all[2].cpu)/low(all[1].cpu), "ours/otelhttp")
				b.ReportMetric(low(all[0].cpu)/low(all[1].cpu), "bare/otelhttp")
			})
		}
	}
}

// BenchmarkPromhttp compares Instrument, without an endpoint, with the usual instrumentation by client_golang: a
// histogram by route, method and code. That has no spans, does not count requests in flight, and misses panics.
func BenchmarkPromhttp(b *testing.B) {
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "http_request_duration_seconds", Help: "Of requests."}, []string{"route", "method", "code"})
	mux := http.NewServeMux()
	mux.Handle("/items/{id}", promhttp.InstrumentHandlerDuration(duration.MustCurryWith(prometheus.Labels{"route": "/items/{id}"}), itemsMux()))
	all := []*contender{{name: "promhttp", handler: mux}, {name: "ours", handler: instrument(b, "no_endpoint", serialized(b), itemsMux())}}
	takeTurns(b, all, "serve")
	b.ReportMetric(low(all[1].cpu)/low(all[0].cpu), "ours/promhttp")
}

// takeTurns lets the contenders take turns.
func takeTurns(b *testing.B, all []*contender, over string) {
	for _, c := range all {
		c.prepare(b, over)
	}
	for n := range b.N {
		for m := range all {
			all[(n+m)%len(all)].round()
		}
	}
	b.ReportMetric(0, "ns/op")
	for _, c := range all {
		b.ReportMetric(low(c.cpu), c.name+"-ns")
		b.ReportMetric(low(c.allocs), c.name+"-allocs")
		b.ReportMetric(low(c.gcs), c.name+"-gcs")
	}
}

const requestsPerRound = 10_000

type contender struct {
	name        string
	handler     http.Handler
	request     func()
	cpu, allocs []float64 // for a request, by round
	gcs         []float64 // in a round
}

func (c *contender) prepare(b *testing.B, over string) {
	switch over {
	case "serve":
		w, r := &lightWriter{h: http.Header{}}, itemRequest()
		c.request = func() {
			r.Pattern = "" // net/http's request is new each time
			c.handler.ServeHTTP(w, r)
		}
	case "loopback_http2": // the client of net/http is the greater part
		srv := httptest.NewUnstartedServer(c.handler)
		srv.EnableHTTP2 = true
		srv.StartTLS()
		b.Cleanup(srv.Close)
		client := srv.Client()
		c.request = func() {
			res, err := client.Get(srv.URL + "/items/1")
			if err != nil {
				b.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
	case "loopback":
		srv := httptest.NewServer(c.handler)
		b.Cleanup(srv.Close)
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { conn.Close() })
		text, answer := []byte("GET /items/1 HTTP/1.1\r\nHost: orders.example:8080\r\nUser-Agent: curl/8.5.0\r\n\r\n"), make([]byte, 4096)
		c.request = func() {
			if _, err := conn.Write(text); err != nil {
				b.Fatal(err)
			}
			if _, err := conn.Read(answer); err != nil {
				b.Fatal(err)
			}
		}
	}
	for range 500 { // fills caches and pools
		c.request()
	}
}

func (c *contender) round() {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := cpuTime()
	for range requestsPerRound {
		c.request()
	}
	c.cpu = append(c.cpu, float64(cpuTime()-start)/requestsPerRound)
	runtime.ReadMemStats(&after)
	c.allocs = append(c.allocs, float64(after.Mallocs-before.Mallocs)/requestsPerRound)
	c.gcs = append(c.gcs, float64(after.NumGC-before.NumGC))
}

// cpuTime is the process's, in nanoseconds.
func cpuTime() int64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return u.Utime.Nano() + u.Stime.Nano()
}

// low is the 20th percentile.
func low(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/5]
}

// serialized is the real exporter of spans. Its requests end at the network.
func serialized(b *testing.B) sdktrace.SpanExporter {
	e, err := otlptracehttp.New(b.Context(), otlptracehttp.WithHTTPClient(&http.Client{Transport: noNetwork{}}))
	if err != nil {
		b.Fatal(err)
	}
	return e
}

type noNetwork struct{}

func (noNetwork) RoundTrip(r *http.Request) (*http.Response, error) {
	_, err := io.Copy(io.Discard, r.Body)
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: r}, err
}
