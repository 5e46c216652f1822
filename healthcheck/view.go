package healthcheck

import (
	"github.com/otelhealth/otelhealth/healthcheck/internal/query"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// View is the one view to build the MeterProvider with. It makes every latency
// limit of Checks a bucket boundary of its histogram, so that a quantile is
// judged by an exact count, and it sees which instruments are created, so that a
// mistyped name is told from a quiet one.
//
// The first of base that matches an instrument is applied to it, with the limits
// merged into its boundaries; rules go by the names that these views give. Pass
// your own views here and not to the provider: an instrument takes only one. Set
// Checks before.
func (m *Monitor) View(base ...sdkmetric.View) sdkmetric.View {
	limits := map[string][]float64{}
	for _, c := range m.Checks {
		in := &c.limit().Indicator
		switch in.Kind {
		case query.KindQuantile:
			for _, b := range c.limit().Bounds {
				limits[in.Metric] = append(limits[in.Metric], b.Value)
			}
		case query.KindOver:
			limits[in.Metric] = append(limits[in.Metric], in.Bound)
		}
	}
	return m.created.View(limits, base...)
}
