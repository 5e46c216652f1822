package telemetry

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/trace"
)

// memoryLimit is how much memory an endpoint may need.
const memoryLimit = 64 << 20

// worstRequests have 900 KB each, in different parts that are read. Some parts are read as a short text that is a slice
// of a long one.
func worstRequests() [][]byte {
	long := strings.Repeat("x", 900<<10)
	traceparent := "Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
	request := func(method, target, host, headers string) []byte {
		return []byte(method + " " + target + " HTTP/1.1\r\nHost: " + host + "\r\n" + headers + "\r\n")
	}
	// Its key and value are parts of a query. Each of these holds 900 KB, so there are many.
	parts := request("GET", "/?tenant=blue&"+long, "orders", "")
	return append(slices.Repeat([][]byte{parts}, 8), [][]byte{
		request("GET", "/"+long, "orders", ""),
		request("GET", "/?"+long, "orders", ""),
		request("GET", "/", long, ""),
		request("GET", "/", "a:"+strings.Repeat("0", 900<<10)+"80", ""),
		request(long, "/", "orders", ""),
		request("GET", "/", "orders", "User-Agent: "+long+"\r\n"),
		request("GET", "/", "orders", "X-Forwarded-For: "+long+"\r\n"),
		request("GET", "/", "orders", "X-Forwarded-For: 10.0.0.1,"+long+"\r\n"),
		request("GET", "/", "orders", traceparent+"Tracestate: a="+long+"\r\n"),
		request("GET", "/", "orders", traceparent+"Tracestate: a=1"+strings.Repeat(",", 900<<10)+"\r\n"),
		request("GET", "/", "orders", traceparent+"Baggage: k="+long+"\r\n"),
		request("GET", "/", "orders", "Traceparent: "+long+"\r\n"),
	}...)
}

// footprint is what a service needs after its requests, in bytes, and the items that wait or are lost.
type footprint struct {
	Heap, Resident, Waiting int
	Lost                    map[string]int64
}

var long = flag.Bool("long", false, "all that the memory test can send: 1000 requests and 2500 records")

// repeated returns a number of repetitions.
func repeated(few, many int) int {
	if *long {
		return many
	}
	return few
}

// TestMemory: a collector that is dead or slow costs at most 64 MB with any request of a client and
// however long the log lines are. Each service is a process of its own.
func TestMemory(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // nobody listens there
	dead, slow := "http://"+l.Addr().String(), (&counter{fate: slowly}).serve(t)
	for _, c := range []struct {
		kind      string
		endpoints []string
		limit     int
	}{
		{"requests", []string{dead, slow}, 14 << 20}, // one of twelve parts would take more
		{"details", []string{dead}, 14 << 20},
		{"records", []string{dead, slow}, memoryLimit},
	} {
		without := measure(t, c.kind, "")
		t.Logf("%s, no endpoint: heap %.1f MB, resident %.1f MB", c.kind, float64(without.Heap)/1e6, float64(without.Resident)/1e6)
		for _, endpoint := range c.endpoints {
			f, name := measure(t, c.kind, endpoint), "slow"
			if endpoint == dead {
				name = "dead"
			}
			t.Logf("%s, %s: heap %.1f MB, resident %.1f MB, %d wait, lost %v", c.kind, name, float64(f.Heap)/1e6, float64(f.Resident)/1e6, f.Waiting, f.Lost)
			if more := f.Heap - without.Heap; more > c.limit {
				t.Errorf("%s, %s: %d MB of heap more than without an endpoint", c.kind, name, more>>20)
			}
			if more := f.Resident - without.Resident; more > memoryLimit && !raceDetector {
				t.Errorf("%s, %s: %d MB more than without an endpoint", c.kind, name, more>>20)
			}
			if name == "dead" && f.Waiting < 240 {
				t.Errorf("%s: %d items wait, and %v are lost", c.kind, f.Waiting, f.Lost)
			}
		}
	}
}

func measure(t *testing.T, kind, endpoint string) (f footprint) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMemoryService$", "-test.v", fmt.Sprintf("-long=%v", *long))
	cmd.Env = append(os.Environ(), "OTELHEALTH_MEMORY="+kind, "OTELHEALTH_ENDPOINT="+endpoint)
	out, err := cmd.CombinedOutput()
	_, line, found := strings.Cut(string(out), "FOOTPRINT ")
	if err != nil || !found || json.NewDecoder(strings.NewReader(line)).Decode(&f) != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return f
}

// TestMemoryService is the process of TestMemory.
func TestMemoryService(t *testing.T) {
	kind := os.Getenv("OTELHEALTH_MEMORY")
	if kind == "" {
		return
	}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", os.Getenv("OTELHEALTH_ENDPOINT"))
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "600000") // so nothing is given up before it is measured
	tel, err := Start(t.Context(), Config{ServiceName: "orders", SpanDetails: kind == "details", Logger: slog.New(noHandler{})})
	if err != nil {
		t.Fatal(err)
	}
	if kind == "records" {
		text := strings.Repeat("m", 1<<20)
		for range repeated(300, 2500) {
			tel.Logger.Info(strings.Clone(text), "a", strings.Clone(text))
		}
	} else {
		sendWorst(t, tel)
	}
	runtime.GC()
	runtime.GC() // pools keep garbage for one more
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	_, lost := tel.outcomes.logs.losses()
	_, spans := tel.outcomes.traces.losses()
	for reason, n := range spans {
		lost[reason] += n
	}
	f := footprint{Heap: int(m.HeapAlloc), Resident: resident(), Lost: lost}
	for _, g := range []*gate{tel.outcomes.traces.gate, tel.outcomes.logs.gate} {
		if g != nil {
			f.Waiting += g.items
		}
	}
	text, _ := json.Marshal(f)
	fmt.Printf("FOOTPRINT %s\n", text)
	os.Exit(0) // with everything that waits
}

// noHandler is a handler that writes nothing.
type noHandler struct{}

func (noHandler) Enabled(context.Context, slog.Level) bool  { return true }
func (noHandler) Handle(context.Context, slog.Record) error { return nil }
func (s noHandler) WithAttrs([]slog.Attr) slog.Handler      { return s }
func (s noHandler) WithGroup(string) slog.Handler           { return s }

// sendWorst sends requests to a service that logs each.
func sendWorst(t *testing.T, tel *Telemetry) {
	srv := httptest.NewServer(tel.Instrument(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		tel.Logger.InfoContext(r.Context(), "request", "method", r.Method, "path", r.URL.Path, "query", r.URL.RawQuery, "proto", r.Proto, "host", r.Host, "agent", r.UserAgent())
		for key, values := range r.URL.Query() {
			if len(key) < 100 { // a part of the query, and so of the request's first line
				tel.Logger.WithGroup(key).ErrorContext(r.Context(), "refused", key, values[0], slog.Group(key, key, 1), "error", errors.New(values[0]), "cause", errors.New(values[0]))
				trace.SpanFromContext(r.Context()).SetAttributes(attribute.Int(key, 1))
				_, span := tel.TracerProvider.Tracer("test").Start(r.Context(), values[0], trace.WithAttributes(attribute.Int(key, 1)))
				span.AddEvent(key, trace.WithAttributes(attribute.Int(key, 1)))
				span.End()
				if tel.logs == nil {
					continue
				}
				var foreign log.Record
				foreign.SetBody(attribute.StringValue(values[0]))
				foreign.AddAttributes(attribute.Int(key, 1))
				tel.logs.Logger("another bridge").Emit(r.Context(), foreign)
			}
		}
	})))
	defer srv.Close()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	requests, answers := worstRequests(), bufio.NewReader(conn)
	for n := range repeated(240, 1000) {
		if _, err := conn.Write(requests[n%len(requests)]); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Fatalf("request %d: %s", n%len(requests), res.Status)
		}
	}
}

// resident is 0 on systems without /proc.
func resident() int {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	pages, _ := strconv.Atoi(strings.Fields(string(data))[1])
	return pages * os.Getpagesize()
}
