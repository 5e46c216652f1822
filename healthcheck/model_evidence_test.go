package healthcheck_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelhealth/otelhealth/healthcheck/checks"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// number is a float64 that callbacks may read.
type number struct{ bits atomic.Uint64 }

func (n *number) load() float64   { return math.Float64frombits(n.bits.Load()) }
func (n *number) store(v float64) { n.bits.Store(math.Float64bits(v)) }

// flow has the living series of an observable counter.
type flow struct {
	mu     sync.Mutex
	series map[int]int
}

func (f *flow) do(o op) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.series == nil {
		f.series = map[int]int{}
	}
	churn(f.series, o)
}

func (f *flow) observe(_ context.Context, o metric.Int64Observer) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for n, v := range f.series {
		o.Observe(int64(v), metric.WithAttributes(attribute.Int("part", n)))
	}
	return nil
}

// churn lets a series grow, begin, come back, reset or end.
func churn(series map[int]int, o op) {
	switch o.text {
	case "grow":
		if _, lives := series[o.n]; lives {
			series[o.n] += int(o.value)
		}
	case "begin":
		series[o.n] = int(o.value)
	case "end":
		delete(series, o.n)
	}
}

// switchable is a check with a behaviour that a test can change.
type switchable struct {
	mu   sync.Mutex
	does string
	gate chan struct{}
}

func (s *switchable) check(ctx context.Context) error {
	s.mu.Lock()
	does, gate := s.does, s.gate
	s.mu.Unlock()
	switch does {
	case "error":
		return errors.New("refused")
	case "warn":
		return checks.Warning(errors.New("slow"))
	case "panic":
		panic("told to")
	case "hang":
		<-gate
	case "obey":
		<-ctx.Done()
		return ctx.Err()
	case "slow":
		time.Sleep(100 * time.Millisecond)
	}
	return nil
}

func (s *switchable) set(does string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.does = does
}

func (s *switchable) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.gate)
	s.gate = make(chan struct{})
}

// metricIn returns the name of a metric that exists in each of the units.
func metricIn(base, unit string) string {
	if unit == "s" || unit == "ms" {
		return base + "." + unit
	}
	return base + unit
}

// in converts a number of seconds to one of the units.
func in(unit string, v float64) float64 {
	if unit == "ms" {
		return v * 1e3
	}
	return v
}

func limit[N rule.Number](lower bool, v N) rule.Limit {
	if lower {
		return rule.Below(v)
	}
	return rule.Above(v)
}

// bounded returns a limit: a number, or a duration in ms or seconds.
func (r ruled) bounded(lower bool, v float64) rule.Limit {
	unit := r.unit
	switch r.kind {
	case "age":
		unit = "s"
	case "quantile": // in seconds, except without a unit
		if unit != "" {
			unit = "s"
		}
	case "gauge", "each", "level", "increase", "traffic":
	default:
		unit = ""
	}
	switch unit {
	case "":
		return limit(lower, v)
	case "ms":
		return limit(lower, time.Duration(v*1e6))
	}
	return limit(lower, time.Duration(v*1e9))
}

func (r ruled) rule() rule.Rule {
	requests := rule.Increase(metricIn("requests", r.unit))
	bad := requests.Where("outcome", "bad")
	latency := metricIn("latency", r.unit)
	above := rule.ShareAbove(time.Duration(r.bound*1e9), latency)
	if r.unit == "" {
		above = rule.ShareAbove(r.bound, latency)
	}
	out := rule.Rule{
		Name: r.name, OnFail: verdict.Effect(r.effect), For: r.wait, KeepFor: r.keep, Window: time.Duration(r.window) * time.Second, MinEvents: r.minEvents,
		Value: map[string]rule.Indicator{
			"last":     rule.Last("queue.length"),
			"share":    rule.Ratio(rule.Last("queue.length"), rule.Last("queue.capacity")),
			"gauge":    rule.Last(metricIn("gauge", r.unit)),
			"each":     rule.Last(metricIn("gauge", r.unit)),
			"level":    rule.Last(metricIn("level", r.unit)),
			"age":      rule.TimeSince(metricIn("stamp", r.unit)),
			"missing":  rule.Last("mistyped"),
			"increase": bad,
			"traffic":  requests, // of all series
			"count":    rule.Increase(latency),
			"over":     above,
			"quantile": rule.Quantile(r.quantile, latency),
			"ratio":    rule.Ratio(bad, requests),
			"flow":     rule.Increase("flow"),
			"inflight": rule.Last("inflight"),
		}[r.kind],
	}
	if r.kind == "each" {
		out.Per = []string{"part"}
	}
	for n, v := range r.limits {
		switch {
		case v != v:
		case n == 0 || n == 3:
			out.Fail = r.bounded(n == 0, v)
		default:
			out.Warn = r.bounded(n == 1, v)
		}
	}
	return out
}

// recorders are the synchronous instruments of one unit.
type recorders struct {
	unit     string
	requests metric.Int64Counter
	latency  metric.Float64Histogram
	level    metric.Float64Gauge
}

// evidence creates the instruments of the rules.
func (w *world) evidence(mp metric.MeterProvider) {
	w.monitor.Queue("jobs", 100, func() int {
		v := w.queue.load()
		if math.IsNaN(v) {
			panic("told to")
		}
		return int(v)
	})
	meter := mp.Meter("evidence")
	w.gauge.store(50)
	_, err := meter.Int64ObservableCounter("flow", metric.WithInt64Callback(w.flow.observe))
	w.must(err)
	w.inflight, err = meter.Int64UpDownCounter("inflight")
	w.must(err)
	for _, unit := range units {
		declared := metric.WithUnit(strings.TrimPrefix(unit, "_seconds")) // a unit in the name is not declared
		_, err := meter.Float64ObservableGauge(metricIn("gauge", unit), declared, metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error {
			if !w.absent.Load() {
				o.Observe(w.gauge.load())
			}
			return nil
		}))
		w.must(err)
		_, err = meter.Float64ObservableGauge(metricIn("stamp", unit), declared, metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error {
			if v := w.stamp.load(); v > 0 {
				o.Observe(in(unit, v))
			}
			return nil
		}))
		w.must(err)
		r := recorders{unit: unit}
		r.requests, err = meter.Int64Counter(metricIn("requests", unit), declared)
		w.must(err)
		r.latency, err = meter.Float64Histogram(metricIn("latency", unit), declared)
		w.must(err)
		r.level, err = meter.Float64Gauge(metricIn("level", unit), declared)
		w.must(err)
		w.recorders = append(w.recorders, r)
	}
}
