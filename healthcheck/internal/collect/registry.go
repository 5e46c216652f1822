package collect

import (
	"cmp"
	"sync"
	"sync/atomic"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
)

// A Registry knows which instruments have been created: those that the View was asked about,
// and those that rules found in a collection without it, such as metrics of a Producer. Any
// goroutine may use it. The zero Registry is empty.
type Registry struct {
	asked    atomic.Bool
	kinds    sync.Map // of instrument, by name
	families atomic.Pointer[Families]
}

// instrument is what is known of one.
type instrument struct {
	kind sdkmetric.InstrumentKind // 0 if no View was asked
	unit string

	boundaries []float64 // of a histogram with buckets
}

// Families is what a Reader is besides where its metrics are not all instruments of a MeterProvider,
// but families in the registry of another library. Its methods wait for nothing and never call the
// Monitor.
type Families interface {
	// Want names the metrics that rules read from now on, each with the limits of its rules, in
	// the metric's unit.
	Want(metrics map[string][]float64)

	// Known tells whether a metric is registered, and whether it is quiet: it may have no series yet.
	// known is false where nobody can tell.
	Known(metric string) (registered, quiet, known bool)

	// Refuse says why no rule may read a metric. It is empty where one may.
	Refuse(metric string) (problem string)
}

// Ask has the Registry ask what a reader knows of families, if it is one that does.
func (r *Registry) Ask(reader any) {
	if f, ok := reader.(Families); ok {
		r.families.Store(&f)
	} else {
		r.families.Store(nil)
	}
}

// Families are those that the reader knows of; nil where it is an ordinary one.
func (r *Registry) Families() Families {
	if f := r.families.Load(); f != nil {
		return *f
	}
	return nil
}

// Boundaries are the limits that must become bucket boundaries of a histogram, in its unit.
type Boundaries func(metric, unit string) []float64

// View is the view that makes limits boundaries and registers what is created. It applies
// the first of base that matches.
func (r *Registry) View(limits Boundaries, base ...sdkmetric.View) sdkmetric.View {
	return func(i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
		r.asked.Store(true)
		stream, matched := sdkmetric.Stream{Name: i.Name, Description: i.Description, Unit: i.Unit}, false
		for _, view := range base {
			if s, ok := view(i); ok {
				stream, matched = s, true
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
				if len(add) > 0 { // without a limit, the instrument's own advice stays
					stream.Aggregation = sdkmetric.AggregationExplicitBucketHistogram{Boundaries: created.boundaries}
				}
			}
			matched = matched || len(add) > 0
		}
		if _, dropped := stream.Aggregation.(sdkmetric.AggregationDrop); !dropped {
			r.kinds.Store(name, created)
		}
		return stream, matched
	}
}

// Boundaries are those of a histogram that the View was asked about, as far as a view can see
// them.
func (r *Registry) Boundaries(name string) []float64 {
	i, _ := r.of(name)
	return i.boundaries
}

// Asked reports whether a MeterProvider uses the View.
func (r *Registry) Asked() bool { return r.asked.Load() }

// Has reports whether an instrument was created, and whether it is a synchronous one, which has
// no series before somebody records a value.
func (r *Registry) Has(name string) (yes, synchronous bool) {
	i, yes := r.of(name)
	switch i.kind {
	case sdkmetric.InstrumentKindGauge, sdkmetric.InstrumentKindUpDownCounter, sdkmetric.InstrumentKindCounter, sdkmetric.InstrumentKindHistogram:
		return yes, true
	}
	return yes, false
}

// Cumulates reports whether a metric's series may begin anywhere: an observable
// counter shows what somebody else has counted, a synchronous one begins at zero.
func (r *Registry) Cumulates(name string) bool {
	i, seen := r.of(name)
	return !seen || (i.kind != sdkmetric.InstrumentKindCounter && i.kind != sdkmetric.InstrumentKindHistogram)
}

// Unit is the unit of an instrument that the View was asked about, and "histogram" if it is
// one.
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

// note registers a metric that is in a collection.
func (r *Registry) note(name string) { r.kinds.LoadOrStore(name, instrument{}) }
