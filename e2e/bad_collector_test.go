package e2e

import (
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/e2e/servers"
)

// badCollectors are broken endpoints in the place of a collector.
var badCollectors = []struct {
	name  string
	start func(*testing.T) (addr string)
}{
	{"dead", func(t *testing.T) string { return servers.FreeAddrs(t, 1)[0] }},
	{"a black hole", func(t *testing.T) string { // accepts connections, never reads or answers
		return listen(t, func(net.Conn) {})
	}},
	{"silent", func(t *testing.T) string { // reads requests, never answers
		return serveGRPC(t, func(http.ResponseWriter) bool { return false })
	}},
	{"refusing", func(t *testing.T) string { // like a collector with a full queue
		return serveGRPC(t, func(w http.ResponseWriter) bool {
			w.Header().Set("Grpc-Status", "14") // UNAVAILABLE
			return true
		})
	}},
	{"talking garbage", func(t *testing.T) string {
		return listen(t, func(c net.Conn) {
			for b := make([]byte, 4096); ; {
				_, _ = rand.Read(b) // it never fails
				if _, err := c.Write(b); err != nil {
					return
				}
			}
		})
	}},
	{"talking garbage in gRPC", func(t *testing.T) string {
		return serveGRPC(t, func(w http.ResponseWriter) bool {
			_, _ = w.Write([]byte("\x00\x00\x00\x00\x03\xff\xff\xff")) // not the start of a message
			w.Header().Set("Grpc-Status", "0")
			return true
		})
	}},
	{"taking a part", func(t *testing.T) string {
		return serveGRPC(t, func(w http.ResponseWriter) bool {
			// Export…ServiceResponse{partial_success: {rejected_…: 7, error_message: "no"}}
			_, _ = w.Write([]byte("\x00\x00\x00\x00\x08\x0a\x06\x08\x07\x12\x02no"))
			w.Header().Set("Grpc-Status", "0")
			return true
		})
	}},
}

// listen accepts connections until the test ends.
func listen(t *testing.T, serve func(net.Conn)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		conns []net.Conn // kept, so the garbage collector does not close them
	)
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			wg.Go(func() { serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return l.Addr().String()
}

// serveGRPC speaks the part of gRPC that net/http supports: HTTP/2 and trailers. If answer returns
// false, the server waits until the client gives up.
func serveGRPC(t *testing.T, answer func(http.ResponseWriter) bool) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Protocols: new(http.Protocols), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status")
		if !answer(w) {
			<-r.Context().Done()
		}
	})}
	srv.Protocols.SetUnencryptedHTTP2(true)
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	t.Cleanup(func() { srv.Close(); <-done })
	return l.Addr().String()
}

// TestBadCollector: with a broken endpoint the service starts as fast as without one, stays ready,
// needs no more memory after its queues are full, and exits in time.
func TestBadCollector(t *testing.T) {
	const readyLimit, exitLimit = 5 * time.Second, 10 * time.Second // readyLimit is on top of the start time without an endpoint
	first := lasting(4*time.Second, time.Minute)                    // plus the time without an endpoint
	env := []string{"OTEL_GO_X_OBSERVABILITY=true", "GOGC=5"}       // GOGC=5 collects garbage so often that the memory shows live objects
	if !*long {                                                     // make queues fill and exports fail within seconds
		env = append(env, "OTEL_BSP_MAX_QUEUE_SIZE=256", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=64", "OTEL_BLRP_MAX_QUEUE_SIZE=64", "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE=16",
			"OTEL_EXPORTER_OTLP_TIMEOUT=2000", "OTEL_METRIC_EXPORT_INTERVAL=1000", "OTEL_BSP_SCHEDULE_DELAY=500")
	}
	path := servers.LeanDemo(t, "..") // don't count the build as start time
	timed := func(env ...string) (d *demo, took time.Duration) {
		began := time.Now()
		d = start(t, path, env, "-load", "0", "-drain", "0s")
		d.WaitOK(d.app + "/ready")
		return d, time.Since(began)
	}
	alone, usual := timed()
	alone.end()
	t.Logf("ready after %v without an endpoint", usual.Round(time.Millisecond))

	quit := make(chan struct{})
	var load sync.WaitGroup
	defer load.Wait()
	endLoad := sync.OnceFunc(func() { close(quit) })
	defer endLoad()
	var victims []*victim
	for _, bad := range badCollectors {
		d, took := timed(append(env, "OTEL_EXPORTER_OTLP_ENDPOINT=http://"+bad.start(t))...)
		if took > usual+readyLimit {
			t.Errorf("%s: ready after %v, without an endpoint after %v", bad.name, took, usual)
		}
		victims = append(victims, &victim{demo: d, name: bad.name, ready: took})
		load.Go(func() { spansAndRecords(t, d, quit) })
	}
	look := func() {
		for _, v := range victims {
			v.look()
		}
	}
	servers.Poll(t, "exports fail or queues are full", func() error {
		look()
		for _, v := range victims {
			if !v.bad() {
				return fmt.Errorf("%s: %v", v.name, v.counts)
			}
		}
		return nil
	})
	memory := func(period time.Duration) {
		for _, v := range victims {
			v.resident = nil
		}
		for end := time.Now().Add(period); time.Now().Before(end); time.Sleep(period / 20) {
			look()
		}
	}
	memory(first)
	for _, v := range victims {
		v.first = v.median()
	}
	memory(8 * first)
	memory(first) // ten times later
	for _, v := range victims {
		last := v.median()
		t.Logf("%s: ready after %v; resident memory was %.1f MB and is %.1f MB; %v", v.name, v.ready.Round(time.Millisecond), v.first/1e6, last/1e6, v.counts)
		if last > 1.1*v.first {
			t.Errorf("%s: the memory grows, from %.1f MB to %.1f MB", v.name, v.first/1e6, last/1e6)
		}
	}
	endLoad()
	load.Wait()
	for _, v := range victims {
		if got := v.probe("/ready?verbose").states()["telemetry"]; got != "fail" {
			t.Errorf("%s: the check telemetry is %s", v.name, got)
		}
		began := time.Now()
		v.end()
		if took := time.Since(began); took > exitLimit {
			t.Errorf("%s: the shutdown took %v", v.name, took)
		}
	}
}

// victim is a demo with a bad collector.
type victim struct {
	*demo
	name     string
	ready    time.Duration
	resident []int64
	first    float64
	counts   map[string]float64
}

// look takes samples. The demo must be alive and ready at any time.
func (v *victim) look() {
	v.t.Helper()
	for _, path := range []string{"/ready", "/health"} {
		if p := v.probe(path); p.code != http.StatusOK {
			v.t.Fatalf("%s: %s answers %d %s", v.name, path, p.code, p.body)
		}
	}
	v.counts = map[string]float64{}
	for _, s := range v.metrics() {
		n, err := strconv.ParseFloat(s.value, 64)
		if err != nil {
			v.t.Fatal(err)
		}
		switch {
		case s.name == "telemetry_export_failures_total":
			v.counts[s.labels["telemetry_signal"]+": "+s.labels["error_type"]] += n
		case s.name == "telemetry_items_lost_total" && s.labels["error_type"] == "queue_full":
			v.counts["dropped"] += n
		}
	}
	v.resident = append(v.resident, v.Resident())
}

// bad reports whether the collector has an effect: a full queue drops spans, or exports fail at
// once and the queue never fills.
func (v *victim) bad() bool {
	failed := 0.0
	for what, n := range v.counts {
		if what != "dropped" {
			failed += n
		}
	}
	return v.counts["dropped"] > 0 || failed >= 5
}

// median returns the median of the memory samples.
func (v *victim) median() float64 {
	return float64(slices.Sorted(slices.Values(v.resident))[len(v.resident)/2])
}

// spansAndRecords causes 100 spans and four log records every second.
func spansAndRecords(t *testing.T, d *demo, quit <-chan struct{}) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-quit:
			return
		case <-tick.C:
		}
		path, want := "/nowhere", http.StatusNotFound
		if i%25 == 0 { // fewer than the 5 % of the rule errors
			path, want = "/panic", http.StatusInternalServerError
		}
		if code, _, body, err := ask(http.MethodGet, d.app+path, ""); err != nil || code != want {
			t.Errorf("%s: %d %s %v", path, code, body, err)
			return
		}
	}
}
