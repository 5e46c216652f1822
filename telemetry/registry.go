package telemetry

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// registration is this pipeline in the registry of the service.
type registration struct {
	registry prometheus.Registerer
	members  []prometheus.Collector
}

// marker is a collector without series. A registry refuses the second one with the same description,
// so two pipelines can't export the same series to one registry.
type marker struct{ desc *prometheus.Desc }

func newMarker() marker {
	return marker{prometheus.NewDesc("telemetry_pipeline", "Marks the registry as taken by a telemetry.Start; never collected.", nil, nil)}
}

func (m marker) Describe(ch chan<- *prometheus.Desc) { ch <- m.desc }
func (marker) Collect(chan<- prometheus.Metric)      {}

// nesting is a collector that ends an endless recursion: a Producer gathers the registry, in which
// this collector asks the Producer.
type nesting struct {
	prometheus.Collector
	calls atomic.Int32 // under way
}

// maxNesting is more than the number of scrapes at the same time.
const maxNesting = 32

var errNesting = errors.New("a Producer of telemetry.Config gathers Config.Registry, which is exported already: leave it out")

func (n *nesting) Collect(ch chan<- prometheus.Metric) {
	defer n.calls.Add(-1)
	if n.calls.Add(1) > maxNesting {
		ch <- prometheus.NewInvalidMetric(newMarker().desc, errNesting)
		return
	}
	n.Collector.Collect(ch)
}

// enter registers a collector, unless another pipeline is in the registry.
func enter(r prometheus.Registerer, c prometheus.Collector) (*registration, error) {
	in := &registration{registry: r}
	for _, member := range []prometheus.Collector{newMarker(), &nesting{Collector: c}} {
		err := r.Register(member)
		if already := (prometheus.AlreadyRegisteredError{}); errors.As(err, &already) {
			err = errors.New("another telemetry.Start exports to it: Close that one, or give each one promhealth.Join(prometheus.WrapRegistererWith(prometheus.Labels{…}, registry), registry)")
		}
		if err != nil {
			in.leave()
			return nil, err
		}
		in.members = append(in.members, member)
	}
	return in, nil
}

// leave unregisters the collectors. A nil registration has none.
func (in *registration) leave() {
	if in == nil {
		return
	}
	for _, member := range in.members {
		in.registry.Unregister(member)
	}
}

// catcher is a Registerer that keeps the collector.
type catcher struct {
	prometheus.Registerer
	collector prometheus.Collector
}

func (c *catcher) Register(collector prometheus.Collector) error {
	c.collector = collector
	return c.Registerer.Register(collector)
}

// foreign gathers the families of a registry that this pipeline does not have itself. A failed
// collector costs its own families, and a hanging one costs all until it returns. They are exported
// without waiting longer than a limit.
type foreign struct {
	all     prometheus.Gatherer
	own     prometheus.Gatherer
	limit   time.Duration
	running atomic.Bool
	report  func(error)
}

func (f *foreign) Gather() ([]*dto.MetricFamily, error) {
	if !f.running.CompareAndSwap(false, true) {
		f.report(errors.New("Config.Registry is not exported, because a collector in it has not returned"))
		return nil, nil
	}
	gathered := make(chan []*dto.MetricFamily, 1)
	go func() {
		defer f.running.Store(false)
		families, err := f.all.Gather()
		if err != nil { // its text comes from the collectors, so it may contain a password
			f.report(fmt.Errorf("Config.Registry is exported in part, because of a %T of its collectors", err))
		}
		gathered <- families
	}()
	limit := time.NewTimer(f.limit)
	defer limit.Stop()
	var families []*dto.MetricFamily
	select {
	case families = <-gathered:
	case <-limit.C:
		f.report(fmt.Errorf("Config.Registry is not exported, because it has not been gathered for %v", f.limit))
		return nil, nil
	}
	own, err := f.own.Gather()
	if err != nil {
		f.report(fmt.Errorf("/metrics: %w", err))
	}
	ours := map[string]bool{}
	for _, family := range own {
		ours[family.GetName()] = true
	}
	return slices.DeleteFunc(families, func(family *dto.MetricFamily) bool { return ours[family.GetName()] }), nil
}
