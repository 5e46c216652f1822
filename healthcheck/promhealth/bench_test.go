//go:build unix

package promhealth

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/internal/collect"
	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
)

// filled returns a registry with n series in 50 or 100 families: 20 % histograms of 11 buckets, 50
// % counters, 30 % gauges.
func filled(n int) *prometheus.Registry {
	reg := prometheus.NewRegistry()
	families := map[int]int{1000: 50, 10000: 100}[n]
	labels := []string{"method", "route", "code"}
	for f := range families {
		each := func(set func(labels ...string)) {
			for c := range n / families {
				set("GET", fmt.Sprintf("/v1/things/%d", c), "200")
			}
		}
		switch kindOfFamily(f) {
		case "histogram":
			v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: nameOfFamily(f), Help: "Duration of something.", Buckets: prometheus.DefBuckets}, labels)
			reg.MustRegister(v)
			each(func(labels ...string) {
				for range 50 {
					v.WithLabelValues(labels...).Observe(rand.ExpFloat64() * .2)
				}
			})
		case "counter":
			v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: nameOfFamily(f), Help: "Number of something."}, labels)
			reg.MustRegister(v)
			each(func(labels ...string) { v.WithLabelValues(labels...).Inc() })
		default:
			v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: nameOfFamily(f), Help: "Level of something."}, labels)
			reg.MustRegister(v)
			each(func(labels ...string) { v.WithLabelValues(labels...).Set(1) })
		}
	}
	return reg
}

func kindOfFamily(f int) string {
	switch f % 10 {
	case 0, 5:
		return "histogram"
	case 1, 2, 3, 6, 7:
		return "counter"
	}
	return "gauge"
}

func nameOfFamily(f int) string {
	return fmt.Sprint("f", f) + map[string]string{"histogram": "_duration_seconds", "counter": "_things_total", "gauge": "_level"}[kindOfFamily(f)]
}

// queries returns n rules, each on its own family.
func queries(n int) (all []*query.Rule) {
	for f := range n {
		in, limit := query.Indicator{Metric: nameOfFamily(f)}, query.Number{Value: 1e9}
		var per []string
		switch kindOfFamily(f) {
		case "histogram":
			in.Kind, in.Quantile, limit = query.KindQuantile, .99, query.Number{Value: .5, Duration: true}
		case "counter":
			in.Kind = query.KindIncrease
		default:
			in.Kind, per = query.KindLast, []string{"route"}
		}
		all = append(all, &query.Rule{Indicator: in.With(0, 0, per), Bounds: []query.Bound{{Edge: query.MaxFail, Number: limit}}})
	}
	return all
}

func cpu() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkCollection measures the work of a Monitor in a second, without the judgement: it asks
// the collectors and samples for each rule. Gather is the cost of a scrape before a byte is
// written, and Look is the cost of a lookup.
func BenchmarkCollection(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		reg := filled(n)
		measure := func(name string, f func()) {
			b.Run(fmt.Sprintf("series=%d/%s", n, name), func(b *testing.B) {
				b.ReportAllocs()
				before, ops := cpu(), 0
				for b.Loop() {
					f()
					ops++
				}
				b.ReportMetric(float64(cpu()-before)/float64(ops)/1e3, "cpu-µs/op")
			})
		}
		measure("gather", func() { _, _ = reg.Gather() })
		for _, rules := range []int{1, 20} {
			in := &reader{ManualReader: sdkmetric.NewManualReader(), families: newFamilies(reg)}
			in.patience = time.Minute
			provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(in))
			defer func() { _ = provider.Shutdown(context.Background()) }()
			limits := map[string][]float64{}
			c := collect.New(in, &collect.Registry{}, slog.New(slog.NewTextHandler(io.Discard, nil)), func(*metricdata.ResourceMetrics) {})
			var samplers []*evidence.Sampler
			for _, q := range queries(rules) {
				s := evidence.NewSampler(q, false, func(string) bool { return true })
				samplers = append(samplers, s)
				c.Add(s)
				limits[q.Indicator.Metric] = nil
			}
			in.Want(limits)
			measure(fmt.Sprintf("rules=%d", rules), func() {
				for _, s := range in.sources {
					s.next = time.Time{} // otherwise a slow collector would be asked rarely
				}
				if err := c.Collect(context.Background()); err != nil {
					b.Fatal(err)
				}
			})
			for n, s := range samplers {
				if r, _ := s.Reading(); r == nil || r.Problem != "" || len(r.Groups) == 0 {
					b.Fatalf("rule %d was not read: %+v", n, r)
				}
			}
			measure(fmt.Sprintf("look/rules=%d", rules), func() {
				fresh := newFamilies(reg)
				<-fresh.start(in.wanted.Load()).done
			})
			measure(fmt.Sprintf("relook/rules=%d", rules), func() { <-in.start(in.wanted.Load()).done })
		}
	}
}

// BenchmarkMonitorCollector measures a scrape of a Monitor with 20 checks, without writing the
// text.
func BenchmarkMonitorCollector(b *testing.B) {
	c := healthcheck.Config{}
	for n := range 20 {
		c.Checks = append(c.Checks, healthcheck.Check{Name: fmt.Sprint("check", n), Func: func(context.Context) error { return nil }})
	}
	reg := prometheus.NewRegistry()
	m := healthcheck.New(c)
	if err := Start(b.Context(), m, reg); err != nil {
		b.Fatal(err)
	}
	defer m.Stop()
	b.ReportAllocs()
	for b.Loop() {
		_, _ = reg.Gather()
	}
}
