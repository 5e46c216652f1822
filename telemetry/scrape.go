package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/otlptranslator"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// translation is how /metrics makes Prometheus' names.
var translation = otlptranslator.UnderscoreEscapingWithSuffixes

// MetricsHandler serves the process's metrics for Prometheus to scrape. If the scraper speaks
// OpenMetrics, they have exemplars.
func (t *Telemetry) MetricsHandler() http.Handler {
	return promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{
		EnableOpenMetrics:   true,
		ErrorHandling:       promhttp.ContinueOnError, // one bad series must not hide the others
		ErrorLog:            t.scrapeErrors,
		MaxRequestsInFlight: 4,
		Timeout:             10 * time.Second,
	})
}

// scrapeErrors says in one sentence, once, what /metrics leaves out and why. client_golang has the
// same errors at every scrape, with the attributes of each series.
type scrapeErrors struct {
	log    *slog.Logger
	reader sdkmetric.Reader

	mu   sync.Mutex
	said map[string]bool
}

func (l *scrapeErrors) Println(v ...any) {
	for _, sentence := range l.sentences(v) {
		l.mu.Lock()
		first := !l.said[sentence] && len(l.said) < maxErrors
		if first {
			l.said[sentence] = true
		}
		l.mu.Unlock()
		if first {
			l.log.Warn("/metrics", "error", sentence)
		}
	}
}

func (l *scrapeErrors) sentences(v []any) []string {
	var errs prometheus.MultiError
	for _, one := range v {
		switch err := one.(type) {
		case prometheus.MultiError:
			errs = append(errs, err...)
		case error:
			errs = append(errs, err)
		}
	}
	if len(errs) == 0 {
		return []string{fmt.Sprint(v...)}
	}
	conflicts := l.conflicts()
	all := slices.Sorted(maps.Values(conflicts))
	for _, err := range errs {
		text, name := err.Error(), ""
		if m := familyName.FindStringSubmatch(text); m != nil {
			name = m[1]
		}
		switch {
		case errors.Is(err, errNesting):
			all = append(all, errNesting.Error())
		case conflicts[name] != "", name == "" && text == "invalid metric" && len(conflicts) > 0: // the exporter's error of a type
		case name == "":
			all = append(all, fmt.Sprintf("series are left out, because of a %T", err)) // as below
		case strings.Contains(text, "before with the same name"):
			all = append(all, fmt.Sprintf("series of %s are left out, because two metrics have this name and the same attributes", name))
		case strings.Contains(text, "UTF-8"):
			all = append(all, fmt.Sprintf("series of %s are left out, because an attribute is not valid UTF-8", name))
		default:
			all = append(all, fmt.Sprintf("series of %s are left out, because of a %T", name, err)) // its text may be a collector's
		}
	}
	return all
}

// familyName finds the metric in an error of client_golang.
var familyName = regexp.MustCompile(`(?:collected metric (?:named )?"|fqName: "|metric family "?|collected metric )([a-zA-Z_:][a-zA-Z0-9_:]*)`)

// conflicts returns a sentence for each of Prometheus' names that several instruments have.
func (l *scrapeErrors) conflicts() map[string]string {
	collecting, ok := l.reader.(interface {
		Collect(context.Context, *metricdata.ResourceMetrics) error
	})
	if !ok {
		return nil
	}
	var rm metricdata.ResourceMetrics
	ctx, cancel := context.WithTimeout(context.Background(), gatherLimit)
	defer cancel()
	_ = collecting.Collect(ctx, &rm) // a part is enough
	namer := otlptranslator.NewMetricNamer("", translation)
	users := map[string][]string{}
	for _, sm := range rm.ScopeMetrics {
		for _, m := range sm.Metrics {
			kind, word := kindOf(m.Data)
			name, err := namer.Build(otlptranslator.Metric{Name: m.Name, Unit: m.Unit, Type: kind})
			if user := m.Name + " (" + word + ")"; err == nil && !slices.Contains(users[name], user) {
				users[name] = append(users[name], user)
			}
		}
	}
	sentences := map[string]string{}
	for name, of := range users {
		if len(of) > 1 {
			slices.Sort(of)
			sentences[name] = fmt.Sprintf("series of %s are left out, because it is the name of %s; rename one", name, strings.Join(of, " and "))
		}
	}
	return sentences
}

func kindOf(data metricdata.Aggregation) (kind otlptranslator.MetricType, word string) {
	switch d := data.(type) {
	case metricdata.Sum[int64]:
		return kindOfSum(d.IsMonotonic)
	case metricdata.Sum[float64]:
		return kindOfSum(d.IsMonotonic)
	case metricdata.Gauge[int64], metricdata.Gauge[float64]:
		return otlptranslator.MetricTypeGauge, "gauge"
	case metricdata.Histogram[int64], metricdata.Histogram[float64], metricdata.ExponentialHistogram[int64], metricdata.ExponentialHistogram[float64]:
		return otlptranslator.MetricTypeHistogram, "histogram"
	case metricdata.Summary:
		return otlptranslator.MetricTypeSummary, "summary"
	}
	return otlptranslator.MetricTypeUnknown, "unknown"
}

func kindOfSum(monotonic bool) (otlptranslator.MetricType, string) {
	if monotonic {
		return otlptranslator.MetricTypeMonotonicCounter, "counter"
	}
	return otlptranslator.MetricTypeNonMonotonicCounter, "up-down counter"
}
