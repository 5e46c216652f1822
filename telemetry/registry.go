package telemetry

import (
	"errors"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/otelhealth/otelhealth/internal/guard"
)

// registration is this pipeline in the registry of the service.
type registration struct {
	registry prometheus.Registerer
	members  []prometheus.Collector
}

// marker is a collector without series. A registry refuses a second one, because it has the same
// description. So two pipelines can't export the same series to one registry.
type marker struct{ desc *prometheus.Desc }

func newMarker() marker {
	return marker{prometheus.NewDesc("telemetry_pipeline", "Marks the registry as taken by a telemetry.Start; never collected.", nil, nil)}
}

func (m marker) Describe(ch chan<- *prometheus.Desc) { ch <- m.desc }
func (marker) Collect(chan<- prometheus.Metric)      {}

// nesting is a collector that ends an endless recursion: it asks a Producer, and that Producer gathers the
// registry that this collector is in.
type nesting struct {
	prometheus.Collector
	calls atomic.Int32 // under way
}

// maxNesting is more than the number of simultaneous scrapes.
const maxNesting = 32

var errNesting = errors.New("a Producer of telemetry.Config gathers Config.Registry, which is exported already: leave it out")

func (n *nesting) Collect(ch chan<- prometheus.Metric) {
	defer n.calls.Add(-1)
	if n.calls.Add(1) > maxNesting {
		ch <- prometheus.NewInvalidMetric(newMarker().desc, errNesting)
		return
	}
	metrics := make(chan prometheus.Metric, 64)
	go func() {
		defer close(metrics)
		n.Collector.Collect(metrics)
	}()
	for m := range metrics {
		ch <- ownMetric{m}
	}
}

// enter registers a collector, unless another pipeline is in the registry.
func enter(r prometheus.Registerer, c prometheus.Collector) (*registration, error) {
	in := &registration{registry: r}
	for _, member := range []prometheus.Collector{newMarker(), &nesting{Collector: c}} {
		var err error
		twice := false
		if failed := guard.Inline(func() {
			err = r.Register(member)
			twice = errors.As(err, &prometheus.AlreadyRegisteredError{})
		}); failed != nil {
			err = failed
		}
		if twice {
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

// catcher is a Registerer that takes a collector, and registers it nowhere.
type catcher struct {
	prometheus.Registerer
	collector prometheus.Collector
}

func (c *catcher) Register(collector prometheus.Collector) error {
	c.collector = collector
	return nil
}
