// Package inventory writes down what instruments there are, so that tests can pin
// them and dashboards and alerts are generated from what the code really records.
package inventory

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// Table has a line for each metric: name | kind | unit | attributes | description.
func Table(rm *metricdata.ResourceMetrics) string {
	var lines []string
	for _, scope := range rm.ScopeMetrics {
		for _, m := range scope.Metrics {
			kind, sets := look(m.Data)
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

// Pin is an error if a table differs from the one in a file; with update it writes
// the file first.
func Pin(table, path string, update bool) error {
	if update {
		if err := os.WriteFile(path, []byte(table), 0o644); err != nil {
			return err
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if table != string(want) {
		return fmt.Errorf("the instruments differ from %s; got\n%s", path, table)
	}
	return nil
}

func look(data metricdata.Aggregation) (kind string, sets []attribute.Set) {
	switch d := data.(type) {
	case metricdata.Gauge[int64]:
		return "gauge", of(d.DataPoints)
	case metricdata.Gauge[float64]:
		return "gauge", of(d.DataPoints)
	case metricdata.Sum[int64]:
		return sumKind(d.IsMonotonic), of(d.DataPoints)
	case metricdata.Sum[float64]:
		return sumKind(d.IsMonotonic), of(d.DataPoints)
	case metricdata.Histogram[int64]:
		return "histogram", buckets(d.DataPoints)
	case metricdata.Histogram[float64]:
		return "histogram", buckets(d.DataPoints)
	}
	return fmt.Sprintf("%T", data), nil
}

func sumKind(monotonic bool) string {
	if monotonic {
		return "counter"
	}
	return "up-down counter"
}

func of[N int64 | float64](points []metricdata.DataPoint[N]) (sets []attribute.Set) {
	for _, p := range points {
		sets = append(sets, p.Attributes)
	}
	return sets
}

func buckets[N int64 | float64](points []metricdata.HistogramDataPoint[N]) (sets []attribute.Set) {
	for _, p := range points {
		sets = append(sets, p.Attributes)
	}
	return sets
}

// Instrument is one line of a table.
type Instrument struct {
	Name, Kind, Unit string
	Attributes       []string
	Description      string
}

// Parse reads a table.
func Parse(table string) ([]Instrument, error) {
	var all []Instrument
	for line := range strings.Lines(table) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), " | ", 5)
		if len(f) != 5 || f[0] == "" {
			return nil, fmt.Errorf("%q is no line of an inventory", line)
		}
		all = append(all, Instrument{f[0], f[1], f[2], strings.Fields(f[3]), f[4]})
	}
	slices.SortFunc(all, func(a, b Instrument) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}
