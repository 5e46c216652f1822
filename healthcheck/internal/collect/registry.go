package collect

import (
	"cmp"
	"sync"
	"sync/atomic"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
	"github.com/otelhealth/otelhealth/healthcheck/internal/guard"
)

// A Registry knows which instruments have been created. Either the View has seen them, or rules have found
// them in a collection, such as the metrics of a Producer. Any goroutine may use it. The zero Registry is
// empty.
type Registry struct {
	asked    atomic.Bool
	kinds    sync.Map // of instrument, by name
	families atomic.Pointer[Families]
}

// instrument is one created instrument.
type instrument struct {
	kind sdkmetric.InstrumentKind // 0 if no View has seen it
	unit string

	boundaries []float64 // of a histogram with buckets
}

// Families is an optional interface of a Reader whose metrics are not all instruments of a MeterProvider:
// some are families in the registry of another library. Its methods never wait and never call the Monitor.
type Families interface {
	// Want names the metrics that rules read from now on, each with the limits of its rules, in
	// the metric's unit.
	Want(metrics map[string][]float64)

	// Known reports whether a metric is registered, and whether it is quiet, that is, may have no series
	// yet. known is false if this can't be determined.
	Known(metric string) (registered, quiet, known bool)

	// Refuse returns why rules must not read a metric; empty if they may.
	Refuse(metric string) (problem string)
}

// Ask makes the Registry use the Families of a reader, if it has them.
func (r *Registry) Ask(reader any) {
	if f, ok := reader.(Families); ok {
		r.families.Store(&f)
	} else {
		r.families.Store(nil)
	}
}

// Families returns the Families of the reader; nil if it has none.
func (r *Registry) Families() Families {
	if f := r.families.Load(); f != nil {
		return *f
	}
	return nil
}

// Boundaries are the limits that must become bucket boundaries of a histogram, in its unit.
type Boundaries func(metric, unit string) []float64

// View makes limits bucket boundaries, and registers every created instrument. It applies the first
// matching view of base. It matches every instrument, because each gets sparse exemplars, unless base
// sets its own reservoirs.
func (r *Registry) View(limits Boundaries, base ...sdkmetric.View) sdkmetric.View {
	return func(i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
		r.asked.Store(true)
		stream := sdkmetric.Stream{Name: i.Name, Description: i.Description, Unit: i.Unit}
		for _, view := range base {
			if s, ok := guard.View(view, i); ok {
				stream = s
				break
			}
		}
		name, unit := cmp.Or(stream.Name, i.Name), cmp.Or(stream.Unit, i.Unit)
		created := instrument{kind: i.Kind, unit: unit}
		if i.Kind == sdkmetric.InstrumentKindHistogram {
			add := limits(name, unit)
			switch agg := stream.Aggregation.(type) {
			case sdkmetric.AggregationExplicitBucketHistogram:
				agg.Boundaries = conventions.Merge(agg.Boundaries, add)
				stream.Aggregation, created.boundaries = agg, agg.Boundaries
			case nil, sdkmetric.AggregationDefault:
				created.boundaries = conventions.Merge(conventions.Of(i), add)
				if len(add) > 0 { // without a limit, the instrument keeps its own advisory boundaries
					stream.Aggregation = sdkmetric.AggregationExplicitBucketHistogram{Boundaries: created.boundaries}
				}
			}
		}
		if _, dropped := stream.Aggregation.(sdkmetric.AggregationDrop); !dropped {
			r.kinds.Store(name, created)
		}
		if stream.ExemplarReservoirProviderSelector == nil {
			stream.ExemplarReservoirProviderSelector = sparse
		}
		return stream, true
	}
}

// Boundaries returns the boundaries of a histogram, as far as the View knows them.
func (r *Registry) Boundaries(name string) []float64 {
	i, _ := r.of(name)
	return i.boundaries
}

// Asked reports whether a MeterProvider uses the View.
func (r *Registry) Asked() bool { return r.asked.Load() }

// Has reports whether an instrument was created, and whether it is synchronous. A synchronous
// instrument has no series before the first recorded value.
func (r *Registry) Has(name string) (yes, synchronous bool) {
	i, yes := r.of(name)
	switch i.kind {
	case sdkmetric.InstrumentKindGauge, sdkmetric.InstrumentKindUpDownCounter, sdkmetric.InstrumentKindCounter, sdkmetric.InstrumentKindHistogram:
		return yes, true
	}
	return yes, false
}

// Cumulates reports whether a new series of a metric may begin at any value. An observable counter shows a
// count that somebody else keeps; a synchronous counter begins at zero.
func (r *Registry) Cumulates(name string) bool {
	i, seen := r.of(name)
	return !seen || (i.kind != sdkmetric.InstrumentKindCounter && i.kind != sdkmetric.InstrumentKindHistogram)
}

// Dated reports whether the start time of a series is the time at which it was zero. For an observable
// instrument of the SDK it is the time at which the instrument was created. Without the View or Families
// the kind of instrument is unknown.
func (r *Registry) Dated(name string) bool {
	i, _ := r.of(name)
	return i.kind == 0 && (r.Asked() || r.Families() != nil)
}

// Unit returns the unit of an instrument that the View has seen. kind is "histogram" for a
// histogram.
func (r *Registry) Unit(name string) (unit, kind string, known bool) {
	i, _ := r.of(name)
	if i.kind == sdkmetric.InstrumentKindHistogram {
		kind = "histogram"
	}
	return i.unit, kind, i.kind != 0
}

func (r *Registry) of(name string) (i instrument, known bool) {
	found, known := r.kinds.Load(name)
	i, _ = found.(instrument)
	return i, known
}

// Forget forgets what collections have shown, and keeps what the View has seen.
func (r *Registry) Forget() {
	r.kinds.Range(func(name, i any) bool {
		if i.(instrument).kind == 0 {
			r.kinds.Delete(name)
		}
		return true
	})
}

// note registers a metric from a collection.
func (r *Registry) note(name string) { r.kinds.LoadOrStore(name, instrument{}) }
