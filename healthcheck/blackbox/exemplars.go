package blackbox

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhealth/otelhealth/healthcheck/internal/collect"
	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
	"github.com/otelhealth/otelhealth/healthcheck/internal/guard"
)

const (
	collectTime   = time.Second // callbacks may hang
	exemplarLimit = 20          // of a metric
)

// An exemplar is a measurement whose trace was recorded.
type exemplar struct {
	metric, unit string
	attrs        attribute.Set
	value        float64
	at           time.Time
	trace        string
}

// exemplars collects from the reader of the rules.
type exemplars struct {
	source collect.Source // nil without a reader
	busy   chan struct{}  // at most one hung collection
}

// take returns the exemplars of the last ten minutes, and why they may be missing.
func (e *exemplars) take() (list []exemplar, problem string) {
	if e.source == nil {
		return nil, ""
	}
	select {
	case e.busy <- struct{}{}:
	default:
		return nil, "an earlier collection of the metrics has not returned"
	}
	ctx, end := context.WithTimeout(context.Background(), collectTime)
	defer end()
	got := make(chan []exemplar, 1)
	done := guard.Start(ctx, func(ctx context.Context) error {
		defer func() { <-e.busy }()
		rm, err := e.collect(ctx)
		got <- exemplarsOf(rm, time.Now().Add(-remembered*time.Second))
		return err
	}, nil)
	select {
	case <-ctx.Done():
		return nil, fmt.Sprintf("collecting the metrics took more than %v", collectTime)
	case err := <-done:
		if err != nil {
			problem = "collecting the metrics returned an error: " + guard.Kinds(err)
		}
		select {
		case list = <-got:
		default: // the collection has panicked
		}
		return list, problem
	}
}

func (e *exemplars) collect(ctx context.Context) (*metricdata.ResourceMetrics, error) {
	if shared, ok := e.source.(collect.Snapshots); ok {
		return shared.Snapshot(ctx)
	}
	rm := &metricdata.ResourceMetrics{}
	return rm, e.source.Collect(ctx, rm)
}

// exemplarsOf returns the largest exemplar of each series of histograms since a time, sorted by metric.
// Series of errors come first, then the largest.
func exemplarsOf(rm *metricdata.ResourceMetrics, since time.Time) (all []exemplar) {
	if rm == nil {
		return nil
	}
	for _, scope := range rm.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch d := m.Data.(type) {
			case metricdata.Histogram[int64]:
				for _, p := range d.DataPoints {
					all = largest(all, m, p.Attributes, p.Exemplars, since)
				}
			case metricdata.Histogram[float64]:
				for _, p := range d.DataPoints {
					all = largest(all, m, p.Attributes, p.Exemplars, since)
				}
			case metricdata.ExponentialHistogram[int64]:
				for _, p := range d.DataPoints {
					all = largest(all, m, p.Attributes, p.Exemplars, since)
				}
			case metricdata.ExponentialHistogram[float64]:
				for _, p := range d.DataPoints {
					all = largest(all, m, p.Attributes, p.Exemplars, since)
				}
			}
		}
	}
	slices.SortStableFunc(all, func(a, b exemplar) int {
		return cmp.Or(strings.Compare(a.metric, b.metric), cmp.Compare(b.failed(), a.failed()), cmp.Compare(b.value, a.value))
	})
	return all
}

// failed is 1 for a series of errors, and 0 for others.
func (e *exemplar) failed() int {
	if e.attrs.HasValue(conventions.ErrorType) {
		return 1
	}
	return 0
}

// largest adds the largest exemplar of a series that has a trace and is new enough.
func largest[N int64 | float64](all []exemplar, m metricdata.Metrics, attrs attribute.Set, of []metricdata.Exemplar[N], since time.Time) []exemplar {
	best := -1
	for n, x := range of {
		if len(x.TraceID) > 0 && x.Time.After(since) && (best < 0 || x.Value > of[best].Value) {
			best = n
		}
	}
	if best < 0 {
		return all
	}
	x := of[best]
	return append(all, exemplar{m.Name, m.Unit, attrs, float64(x.Value), x.Time, hex.EncodeToString(x.TraceID)})
}

// writeExemplars writes the first exemplars of each metric.
func (i *incident) writeExemplars(w *bounded) {
	if i.untraced != "" {
		fmt.Fprintln(w, i.untraced)
	}
	count, metric := 0, ""
	for _, e := range i.exemplars {
		if e.metric != metric {
			count, metric = 0, e.metric
			fmt.Fprintf(w, "%s\n", metric)
		}
		if count++; count <= exemplarLimit {
			fmt.Fprintf(w, "  %.4g %s at %s, trace %s, %s\n", e.value, e.unit, e.at.UTC().Format(time.TimeOnly), e.trace, cut(fmt.Sprintf("%q", e.attrs.Encoded(attribute.DefaultEncoder())), labelLimit))
		}
	}
}
