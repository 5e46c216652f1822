package telemetry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	bridge "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhealth/otelhealth/internal/guard"
)

// foreign produces the metrics of a registry that do not come from a pipeline of this package. If a
// collector fails, its own families are missing. If one hangs, all are missing until it returns. A
// gathering takes at most a limit, and at most half of the time left for the export.
type foreign struct {
	all    prometheus.Gatherer
	limit  time.Duration
	report func(error)

	mu        sync.Mutex
	gathering chan struct{} // closed at the end of the one in progress; nil if there is none
}

// Produce implements sdkmetric.Producer.
func (f *foreign) Produce(ctx context.Context) ([]metricdata.ScopeMetrics, error) {
	var scopes []metricdata.ScopeMetrics
	err := guard.Call(ctx, func(ctx context.Context) (err error) { // a Gatherer may return anything
		scopes, err = bridge.NewMetricProducer(bridge.WithGatherer(prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
			return f.gather(ctx), nil
		}))).Produce(ctx)
		return err
	})
	if err != nil { // reported, and not returned, because the SDK exports nothing after an error
		f.report(fmt.Errorf("Config.Registry is not exported, because its conversion %s", faultOf(err).text))
		return nil, nil
	}
	return scopes, nil
}

func (f *foreign) gather(ctx context.Context) []*dto.MetricFamily {
	allowed := f.limit
	if end, ok := ctx.Deadline(); ok {
		allowed = min(allowed, time.Until(end)/2)
	}
	limit := time.NewTimer(allowed)
	defer limit.Stop()
	ended, free := f.enter(ctx, limit.C)
	if !free {
		if ctx.Err() == nil {
			f.report(errors.New("Config.Registry is not exported, because a collector in it has not returned"))
		}
		return nil
	}
	own := begin()
	defer own.end()
	gathered := make(chan []*dto.MetricFamily, 1)
	go func() {
		var families []*dto.MetricFamily
		guard.Do(func() (err error) { families, err = f.all.Gather(); return err }, func(err error) {
			if failed := faultOf(err); failed != nil { // without its text, which comes from the collectors and may contain a password
				f.report(fmt.Errorf("Config.Registry is exported in part, because Gather %s", failed.text))
			}
			f.leave(ended) // before the reader can ask again
			gathered <- families
		})
	}()
	select {
	case families := <-gathered:
		return own.without(present(families))
	case <-limit.C:
		f.report(fmt.Errorf("Config.Registry is not exported, because it has not been gathered for %v", allowed.Round(time.Millisecond)))
	case <-ctx.Done():
	}
	return nil
}

// enter begins a gathering as soon as the one before has ended. That may be the one of a flush.
func (f *foreign) enter(ctx context.Context, limit <-chan time.Time) (ended chan struct{}, free bool) {
	for {
		f.mu.Lock()
		before := f.gathering
		if before == nil {
			ended = make(chan struct{})
			f.gathering = ended
		}
		f.mu.Unlock()
		if before == nil {
			return ended, true
		}
		select {
		case <-before:
		case <-limit:
			return nil, false
		case <-ctx.Done():
			return nil, false
		}
	}
}

func (f *foreign) leave(ended chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gathering = nil
	close(ended)
}

// ownMetric is a metric of a pipeline of this package in a registry. The registry may add a prefix or
// labels, so the name does not identify it. Its content does: the registry keeps the pointers that Write sets.
type ownMetric struct{ prometheus.Metric }

func (m ownMetric) Write(content *dto.Metric) error {
	gatherings.note(content)
	return m.Metric.Write(content)
}

// gathering has the content of own metrics that were written since it began, also for scrapes at
// the same time.
type gathering struct{ own map[*dto.Metric]bool }

// underway are the gatherings that have not ended.
type underway struct {
	sync.Mutex
	all map[*gathering]bool
}

var gatherings = underway{all: map[*gathering]bool{}}

func (u *underway) note(content *dto.Metric) {
	u.Lock()
	defer u.Unlock()
	for g := range u.all {
		g.own[content] = true
	}
}

func begin() *gathering {
	gatherings.Lock()
	defer gatherings.Unlock()
	g := &gathering{own: map[*dto.Metric]bool{}}
	gatherings.all[g] = true
	return g
}

func (g *gathering) end() {
	gatherings.Lock()
	defer gatherings.Unlock()
	delete(gatherings.all, g)
}

// without returns the families without own metrics.
func (g *gathering) without(families []*dto.MetricFamily) []*dto.MetricFamily {
	gatherings.Lock()
	defer gatherings.Unlock()
	for _, family := range families {
		family.Metric = slices.DeleteFunc(family.Metric, func(m *dto.Metric) bool { return g.own[m] })
	}
	return slices.DeleteFunc(families, func(family *dto.MetricFamily) bool { return len(family.Metric) == 0 })
}
