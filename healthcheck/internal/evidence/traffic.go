package evidence

import (
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
)

// Traffic is the load of an instance: all events of a rule, good and bad.
type Traffic struct {
	Rate   float64       // a second, over the window
	Recent float64       // in the last third of it
	Span   time.Duration // of that third
	Known  bool          // the window is full, so that the two can be compared
}

// events returns the traffic of a span. Increase has none, because it counts only bad events.
func events(i *query.Indicator, w *window, span time.Duration) float64 {
	growth, covered := w.growth(span, early)
	n := total(growth)
	switch i.Kind {
	case query.KindIncrease:
		return 0
	case query.KindRatio:
		n = growth[1]
	}
	if covered > span { // no snapshot is exactly one span old
		n *= span.Seconds() / covered.Seconds()
	}
	return n
}
