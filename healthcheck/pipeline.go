package healthcheck

import (
	"log/slog"

	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
)

// Pipeline has the reader of the rules and the destinations of verdicts. The zero Pipeline is
// enough for checks.
type Pipeline struct {
	Reader         sdkmetric.Reader     // a cumulative reader of MeterProvider; needed if there are rules
	MeterProvider  metric.MeterProvider // exports health.*; the global one if nil
	TracerProvider trace.TracerProvider // a span for every run of a check; the global one if nil
	Logger         *slog.Logger         // changes of state; slog.Default() if nil
}

// View returns the view for the MeterProvider. It makes every latency limit of the rules a bucket
// boundary of its histogram, so that a quantile is judged by an exact count. It also sees every
// instrument, so that the Monitor can tell a mistyped name from an instrument without values. It
// knows all rules that are added before their histogram is created.
//
// A view can't see the boundaries that a histogram was created with. So a histogram with a limit
// gets the default boundaries and the limit, unless a view of base has its boundaries.
// telemetry.Start keeps them.
//
// The View also makes a collection about ten times cheaper: it reserves memory for exemplars only in
// series that have some. What is exported stays the same.
//
// An instrument gets the first matching view of base, with the limits merged into its boundaries.
// Rules use the names that these views give. Pass your own views here and not to the provider. The View
// matches every instrument, so a view of the provider would make a second stream or have no effect.
func (m *Monitor) View(base ...sdkmetric.View) sdkmetric.View {
	return m.registry.View(m.boundaries, base...)
}

// boundaries returns the limits of the rules on one histogram, in its unit.
func (m *Monitor) boundaries(metric, unit string) (all []float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.limits(metric, unit)
}

// wantMetrics tells a reader of families (see collect.Families) which metrics the rules read. mu is
// held, so that the last call wins.
func (m *Monitor) wantMetrics() {
	f := m.registry.Families()
	if f == nil {
		return
	}
	all := map[string][]float64{}
	for _, e := range m.entries {
		if e.rule == nil {
			continue
		}
		for _, name := range queryOf(e.rule).Indicator.Metrics() {
			all[name] = m.limits(name, "")
		}
	}
	f.Want(all)
}

// limits returns the limits of the rules that count a histogram's measurements. mu is held.
func (m *Monitor) limits(metric, unit string) (all []float64) {
	for _, e := range m.entries {
		if e.rule == nil {
			continue
		}
		r := queryOf(e.rule)
		if !needsBoundary(r) || r.Indicator.Metric != metric {
			continue
		}
		r, err := r.Resolved(unit, "histogram")
		switch {
		case err != nil: // Start or the first collection reports it
		case r.Indicator.Kind == query.KindShareAbove:
			all = append(all, r.Indicator.Bound.Value)
		default:
			for _, b := range r.Bounds {
				all = append(all, b.Value)
			}
		}
	}
	return all
}

// needsBoundary reports whether a rule counts the measurements above a bound.
func needsBoundary(r *query.Rule) bool {
	return r.Indicator.Kind == query.KindQuantile || r.Indicator.Kind == query.KindShareAbove
}
