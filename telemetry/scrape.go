package telemetry

import (
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
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/otlptranslator"

	"github.com/otelhealth/otelhealth/internal/guard"
)

// translation is how /metrics makes Prometheus' names.
var translation = otlptranslator.UnderscoreEscapingWithSuffixes

// MetricsHandler serves the process's metrics for Prometheus to scrape. If the scraper speaks
// OpenMetrics, they have exemplars.
func (t *Telemetry) MetricsHandler() http.Handler {
	handler := promhttp.HandlerFor(gatherer{t.registry}, promhttp.HandlerOpts{
		EnableOpenMetrics:   true,
		ErrorHandling:       promhttp.ContinueOnError, // one bad series must not hide the others
		ErrorLog:            t.scrapeErrors,
		MaxRequestsInFlight: 4,
		Timeout:             10 * time.Second,
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if failed := guard.Inline(func() { handler.ServeHTTP(w, r) }); failed != nil { // a Gatherer may answer with anything
			t.scrapeErrors.Println(failed)
			http.Error(w, leftOut(failed), http.StatusInternalServerError) // nothing was sent, because promhttp has a limit of time
		}
	})
}

// gatherer gathers for a scrape. Its errors show no text of a collector, not even in an answer.
type gatherer struct{ prometheus.Gatherer }

func (g gatherer) Gather() (families []*dto.MetricFamily, err error) {
	if failed := guard.Inline(func() { families, err = g.Gatherer.Gather() }); failed != nil {
		return nil, gatherError{failed}
	}
	if err != nil {
		err = gatherError{err}
	}
	return present(families), err
}

// present returns the families and metrics that are not nil. A Gatherer of the service may have some.
func present(families []*dto.MetricFamily) []*dto.MetricFamily {
	for _, f := range families {
		if f != nil && slices.Contains(f.Metric, nil) {
			f.Metric = slices.DeleteFunc(f.Metric, func(m *dto.Metric) bool { return m == nil })
		}
	}
	return slices.DeleteFunc(families, func(f *dto.MetricFamily) bool { return f == nil })
}

// gatherError is what scrapeErrors understands, and what others see.
type gatherError struct{ of error }

func (e gatherError) Error() string { return leftOut(e.of) }

// leftOut says why series are left out, without the text of a collector.
func leftOut(err error) string {
	if failed, is := err.(*guard.Fault); is {
		return "series are left out, because of a " + failed.Error()
	}
	return fmt.Sprintf("series are left out, because of a %T", err)
}

// scrapeErrors logs once, in one sentence, what /metrics leaves out and why. client_golang reports the same
// errors at every scrape, with the attributes of each series.
type scrapeErrors struct {
	log     *slog.Logger
	metrics *collection
	show    func(names []string) // of conflicts

	mu    sync.Mutex
	said  map[string]bool
	known map[string]bool // sets of errors that were logged; naming a conflict needs a snapshot
}

func (l *scrapeErrors) Println(v ...any) {
	errs := errorsIn(v)
	if !l.isNew(errs, v) {
		return
	}
	for _, sentence := range l.sentences(errs, v) {
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

func errorsIn(v []any) (errs []scrapeError) {
	for _, one := range v {
		switch err := one.(type) {
		case gatherError:
			errs = append(errs, errorsIn([]any{err.of})...)
		case prometheus.MultiError:
			for _, err := range err {
				errs = append(errs, newScrapeError(err))
			}
		case error:
			errs = append(errs, newScrapeError(err))
		}
	}
	return errs
}

// isNew reports whether this set of errors was not logged yet.
func (l *scrapeErrors) isNew(errs []scrapeError, v []any) bool {
	key := ""
	if len(errs) == 0 {
		key = fmt.Sprint(v...) // texts of promhttp
	} else {
		keys := map[string]bool{}
		unnamed := 0
		for _, err := range errs {
			keys[err.name+" "+err.sentence] = true
			if err.name == "" {
				unnamed++ // each is of another instrument
			}
		}
		key = fmt.Sprint(unnamed, slices.Sorted(maps.Keys(keys)))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known[key] || len(l.known) >= maxErrors {
		return false
	}
	l.known[key] = true
	return true
}

// scrapeError is an error of client_golang or of the exporter, without attributes.
type scrapeError struct {
	name     string // of the metric, if the error has it
	types    bool   // two instruments have the name of one metric, and different types
	sentence string // unless the name is a conflict
}

func newScrapeError(err error) scrapeError {
	text, name := guard.Text(err), ""
	if m := familyName.FindStringSubmatch(text); m != nil {
		name = m[1]
	}
	switch {
	case strings.Contains(text, errNesting.Error()):
		return scrapeError{sentence: errNesting.Error()}
	case name == "" && text == "invalid metric": // the exporter's
		return scrapeError{types: true, sentence: "series are left out, because two instruments have one name and different types"}
	case name == "" && text == "invalid metric type": // the exporter's
		return scrapeError{sentence: "series of a Producer are left out, because /metrics can't have their kind, such as summaries"}
	case name == "":
		return scrapeError{sentence: leftOut(err)} // as below
	case strings.Contains(text, "before with the same name"):
		return scrapeError{name: name, sentence: fmt.Sprintf("series of %s are left out, because two metrics have this name and the same attributes", name)}
	case strings.Contains(text, "UTF-8"):
		return scrapeError{name: name, sentence: fmt.Sprintf("series of %s are left out, because an attribute is not valid UTF-8", name)}
	}
	return scrapeError{name: name, sentence: fmt.Sprintf("series of %s are left out, because of a %T", name, err)} // its text may be a collector's
}

func (l *scrapeErrors) sentences(errs []scrapeError, v []any) []string {
	if len(errs) == 0 {
		return []string{guard.Cut(fmt.Sprint(v...))}
	}
	conflicts := l.conflicts()
	left := map[string]bool{} // the conflicts that leave series out
	said := map[string]bool{}
	for _, err := range errs {
		found := false
		for _, c := range conflicts {
			if err.types && c.types || err.name != "" && err.name == c.name {
				found, left[c.name], said[c.sentence] = true, true, true
			}
		}
		if !found {
			said[err.sentence] = true
		}
	}
	l.show(slices.Sorted(maps.Keys(left)))
	return slices.Sorted(maps.Keys(said))
}

// familyName finds the metric in an error of client_golang.
var familyName = regexp.MustCompile(`(?:collected metric (?:named )?"|fqName: "|metric family "?|collected metric )([a-zA-Z_:][a-zA-Z0-9_:]*)`)
