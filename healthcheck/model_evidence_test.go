package healthcheck_test

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/otelhealth/otelhealth/healthcheck"
)

// number is a float64 that callbacks may read.
type number struct{ bits atomic.Uint64 }

func (n *number) load() float64   { return math.Float64frombits(n.bits.Load()) }
func (n *number) store(v float64) { n.bits.Store(math.Float64bits(v)) }

// switchable is a check that does what it is told.
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
	case "panic":
		panic("told to")
	case "hang":
		<-gate
	case "heed":
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

var roleOf = map[string]healthcheck.Role{"core": healthcheck.Core, "auxiliary": healthcheck.Auxiliary,
	"informational": healthcheck.Informational, "vital": healthcheck.Vital}

func (r rule) check() healthcheck.Check {
	window := time.Duration(r.window) * time.Second
	requests := healthcheck.Increase("requests", window)
	bad := requests.Where("outcome", "bad")
	indicator := map[string]healthcheck.Indicator{
		"last":     healthcheck.Last("queue.length"),
		"share":    healthcheck.Ratio(healthcheck.Last("queue.length"), healthcheck.Last("queue.capacity")),
		"gauge":    healthcheck.Last("gauge"),
		"age":      healthcheck.Age("stamp"),
		"missing":  healthcheck.Last("mistyped"),
		"increase": bad,
		"traffic":  requests, // of all series
		"over":     healthcheck.Over("latency", r.bound, window).MinCount(r.minCount),
		"quantile": healthcheck.Quantile("latency", r.quantile, window).MinCount(r.minCount),
		"ratio":    healthcheck.Ratio(bad, requests).MinCount(r.minCount),
	}[r.kind]
	var l bounded = indicator
	for n, v := range r.limits {
		switch {
		case v != v:
		case n == 0:
			l = l.AtLeast(v)
		case n == 1:
			l = l.WarnBelow(v)
		case n == 2:
			l = l.WarnAbove(v)
		case n == 3:
			l = l.AtMost(v)
		}
	}
	return healthcheck.Check{Name: r.name, Role: roleOf[r.role], Limit: l.(healthcheck.Limit), For: r.wait, KeepFor: r.keep}
}

// bounded is an Indicator or a Limit.
type bounded interface {
	AtLeast(float64) healthcheck.Limit
	WarnBelow(float64) healthcheck.Limit
	WarnAbove(float64) healthcheck.Limit
	AtMost(float64) healthcheck.Limit
}

// evidence creates the instruments that are judged.
func (w *world) evidence(mp metric.MeterProvider) {
	_, err := healthcheck.NewQueue(mp, "jobs", 100, func() int {
		v := w.queue.load()
		if math.IsNaN(v) {
			panic("told to")
		}
		return int(v)
	})
	w.must(err)
	meter := mp.Meter("evidence")
	w.gauge.store(50)
	_, err = meter.Float64ObservableGauge("gauge", metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error {
		if !w.absent.Load() {
			o.Observe(w.gauge.load())
		}
		return nil
	}))
	w.must(err)
	_, err = meter.Float64ObservableGauge("stamp", metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error {
		if v := w.stamp.load(); v > 0 {
			o.Observe(v)
		}
		return nil
	}))
	w.must(err)
	w.requests, err = meter.Int64Counter("requests")
	w.must(err)
	w.latency, err = meter.Float64Histogram("latency", metric.WithUnit("s"))
	w.must(err)
}
