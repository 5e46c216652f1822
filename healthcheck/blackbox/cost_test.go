package blackbox

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelhealth/otelhealth/healthcheck"
)

// BenchmarkCost measures a probe, the time from a judgement until a watcher has it, a Record and the
// resident memory: without a Box, with a Box, and while one record after the other is made. Then it measures
// the time of a record and the memory that it adds.
// go test -run - -bench Cost -benchtime 1x
func BenchmarkCost(b *testing.B) {
	for _, n := range []int{10, 1_000, 100_000} {
		b.Run(fmt.Sprintf("goroutines=%d", n), func(b *testing.B) {
			defer park(min(n, censusLimit-100))()
			for b.Loop() {
				measureCost(b)
			}
		})
	}
}

// park starts goroutines with ten different stacks.
func park(n int) (end func()) {
	var all sync.WaitGroup
	ended := make(chan struct{})
	for i := range n {
		all.Go(func() { deep(i%10, ended) })
	}
	return func() { close(ended); all.Wait() }
}

func deep(n int, ended chan struct{}) {
	if n == 0 {
		<-ended
		return
	}
	deep(n-1, ended)
}

const costRounds = 5

func measureCost(b *testing.B) {
	health := healthcheck.New(healthcheck.Config{Checks: []healthcheck.Check{{Name: "database", Func: func(context.Context) error { return nil }}}})
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()), sdkmetric.WithView(health.View()))
	if err := health.StartWith(b.Context(), healthcheck.Pipeline{Logger: slog.New(slog.DiscardHandler), MeterProvider: provider}); err != nil {
		b.Fatal(err)
	}
	defer health.Stop()
	requests, err := provider.Meter("test").Float64Histogram("requests", metric.WithUnit("s"))
	if err != nil {
		b.Fatal(err)
	}
	c := costs{health: health, probe: health.ReadinessHandler(), requests: requests}
	var record []time.Duration
	var added []float64
	for range costRounds {
		c.measure(0)
		box, err := New(b.Context(), health, Options{Dir: b.TempDir(), Logger: slog.New(slog.DiscardHandler), MeterProvider: provider})
		if err != nil {
			b.Fatal(err)
		}
		c.measure(1)
		made := func() {
			v := health.Verdict()
			i := box.incident(v.Readiness, v)
			i.history = box.history.copy()
			box.write(i)
		}
		before, peak := memory(), watchMemory()
		began := time.Now()
		made()
		record = append(record, time.Since(began))
		added = append(added, peak()-before)

		var over atomic.Bool
		var writing sync.WaitGroup
		writing.Go(func() {
			for !over.Load() {
				made()
			}
		})
		c.measure(2)
		over.Store(true)
		writing.Wait()
		box.Close()
	}
	for n, when := range []string{"without", "with", "while"} {
		b.ReportMetric(middle(c.probes[n]), "probe-p99-ns/"+when)
		b.ReportMetric(middle(c.records[n]), "Record-ns/"+when)
		b.ReportMetric(middle(c.judged[n]), "judged-µs/"+when)
		b.ReportMetric(middle(c.resident[n]), "resident-MiB/"+when)
		b.ReportMetric(middle(c.late[n]), "judged-late-ms/"+when)
	}
	b.ReportMetric(slices.Min(record).Seconds()*1e3, "record-min-ms")
	b.ReportMetric(slices.Max(record).Seconds()*1e3, "record-max-ms")
	b.ReportMetric(slices.Max(added), "record-max-MiB")
}

// costs are figures without a Box, with one, and while records are made.
type costs struct {
	health   *healthcheck.Monitor
	probe    http.Handler
	requests metric.Float64Histogram

	probes, records, judged, late, resident [3][]float64
}

func (c *costs) measure(when int) {
	const calls = 20_000
	took := make([]time.Duration, calls)
	w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/ready", nil)
	for n := range took {
		began := time.Now()
		c.probe.ServeHTTP(w, r)
		took[n] = time.Since(began)
		if n%1000 == 0 {
			w.Body.Reset()
		}
	}
	slices.Sort(took)
	c.probes[when] = append(c.probes[when], float64(took[calls*99/100]))

	began := time.Now()
	for range calls {
		c.requests.Record(context.Background(), .042)
	}
	c.records[when] = append(c.records[when], float64(time.Since(began))/calls)

	ctx, end := context.WithTimeout(context.Background(), 3500*time.Millisecond)
	defer end()
	var last time.Time
	late := 0.0
	for v := range c.health.Watch(ctx) { // one a second
		if !last.IsZero() { // the first one is not new
			c.judged[when] = append(c.judged[when], time.Since(v.Time).Seconds()*1e6)
		}
		if !last.IsZero() {
			late = max(late, (v.Time.Sub(last)-time.Second).Seconds()*1e3)
		}
		last = v.Time
	}
	c.late[when] = append(c.late[when], late)
	c.resident[when] = append(c.resident[when], memory())
}

func middle(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

// memory is the resident memory of the process in MiB; 0 on systems without /proc.
func memory() float64 {
	text, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			var kib float64
			_, _ = fmt.Sscan(rest, &kib)
			return kib / 1024
		}
	}
	return 0
}

// watchMemory returns a function that returns the most memory since.
func watchMemory() (peak func() float64) {
	end, most := make(chan struct{}), make(chan float64)
	go func() {
		top := memory()
		for {
			select {
			case <-end:
				most <- max(top, memory())
				return
			case <-time.After(time.Millisecond):
				top = max(top, memory())
			}
		}
	}()
	return func() float64 { close(end); return <-most }
}
