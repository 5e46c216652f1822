package healthcheck

// inventory_test.go lists the instruments. Tests compare the list, and otelhealth generate makes dashboards and
// alerts from it. telemetry has a copy of this file, because the two modules can't share a package that is only
// for tests.

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// table has a line for each metric: name | kind | unit | attributes | description.
func table(rm *metricdata.ResourceMetrics) string {
	var lines []string
	for _, scope := range rm.ScopeMetrics {
		for _, m := range scope.Metrics {
			kind, sets := dataOf(m.Data)
			var keys []string
			for _, set := range sets {
				for _, kv := range set.ToSlice() {
					keys = append(keys, string(kv.Key))
				}
			}
			slices.Sort(keys)
			lines = append(lines, fmt.Sprintf("%s | %s | %s | %s | %s\n", m.Name, kind, m.Unit, strings.Join(slices.Compact(keys), " "), m.Description))
		}
	}
	slices.Sort(lines)
	return strings.Join(slices.Compact(lines), "")
}

// pin returns an error if a table differs from the one in a file. With update it writes the file
// first.
func pin(got, path string, update bool) error {
	if update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			return err
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if got != string(want) {
		return fmt.Errorf("the instruments differ from %s; got\n%s", path, got)
	}
	return nil
}

func dataOf(data metricdata.Aggregation) (kind string, sets []attribute.Set) {
	switch d := data.(type) {
	case metricdata.Gauge[int64]:
		return "gauge", setsOf(d.DataPoints)
	case metricdata.Gauge[float64]:
		return "gauge", setsOf(d.DataPoints)
	case metricdata.Sum[int64]:
		return sumKind(d.IsMonotonic), setsOf(d.DataPoints)
	case metricdata.Sum[float64]:
		return sumKind(d.IsMonotonic), setsOf(d.DataPoints)
	case metricdata.Histogram[int64]:
		return "histogram", histogramSets(d.DataPoints)
	case metricdata.Histogram[float64]:
		return "histogram", histogramSets(d.DataPoints)
	}
	return fmt.Sprintf("%T", data), nil
}

func sumKind(monotonic bool) string {
	if monotonic {
		return "counter"
	}
	return "up-down counter"
}

func setsOf[N int64 | float64](points []metricdata.DataPoint[N]) (sets []attribute.Set) {
	for _, p := range points {
		sets = append(sets, p.Attributes)
	}
	return sets
}

func histogramSets[N int64 | float64](points []metricdata.HistogramDataPoint[N]) (sets []attribute.Set) {
	for _, p := range points {
		sets = append(sets, p.Attributes)
	}
	return sets
}
