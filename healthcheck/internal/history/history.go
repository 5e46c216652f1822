// Package history reads recorded metrics back from a backend that speaks Prometheus' HTTP API, as
// the collections that a Monitor would have judged: names → instances → samples → collections.
//
// In: a [Source] and [Need], the series that rules read. Out: the [Collection] of one instance
// after the other, in order of time. It knows no role, no probe and no limit's meaning. It guesses
// nothing: what is not in the backend is not in a collection.
package history

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
)

// A Source is a backend that speaks Prometheus' HTTP API. Its methods may be called by several
// goroutines.
type Source struct {
	URL      string       // http://localhost:9090, or with a path: https://mimir.example/prometheus
	Client   *http.Client // its transport has certificates and proxies; http.DefaultClient if nil
	Header   http.Header  // of every request, such as Authorization and X-Scope-OrgID
	Selector string       // of the service's series, as in PromQL: {job="shop"}; the braces may be missing

	// InstanceLabels tell instances apart. The first one that a series has, counts. If it is empty,
	// these are the labels that OTLP, scraping and Kubernetes leave.
	InstanceLabels []string

	Way Way // Auto, if it is not set
}

// A Way is how samples are read.
type Way string

const (
	Auto       Way = ""            // RemoteRead, or Query where the backend has no remote read
	RemoteRead Way = "remote-read" // compressed chunks, streamed
	Query      Way = "query"       // raw samples as JSON, six hours a request
)

// A Need names series that rules read.
type Need struct {
	Metric string // as the rule names it
	Kind   Kind
	Unit   string // if it is known
	Scope  string // of the instrument; empty for all

	// Limits are the boundaries of a histogram that matter: only these, or the two around one, are
	// read, and the count of all. Then counts beyond a limit are exact and shown quantiles are not.
	// If it is nil, all are read. If it is empty, only the count of all.
	Limits []query.Number

	// Keys are the attributes that Where and Per name.
	Keys []string
}

// A Kind is what a rule takes.
type Kind int

const (
	Gauge     Kind = iota // a present value; it comes as an up-down counter, because Prometheus doesn't tell them apart
	Counter               // growth: a counter, or the count of a histogram
	Histogram             // with buckets, classic or native
)

// Find finds the names, the units and the instances of what is needed between two times. If there
// is nothing, the error says which names were tried.
func (s *Source) Find(ctx context.Context, needs []Need, from, to time.Time) (*History, error) {
	return nil, errors.New("not built yet")
}

// History is the past of a service between two times.
type History struct {
	From, To  time.Time
	Instances []Instance
	Found     []Found // one for each Need, in the same order

	source *Source
}

// Found is what a Need is in the backend.
type Found struct {
	Need
	Names      []string  // of its series; empty if there are none
	Unit       string    // as an instrument has it: s, By
	Boundaries []float64 // of its histogram's buckets over all instances, without +Inf; nil if it has none
	Native     bool      // a native histogram, which is exact at powers of two
}

// An Instance is one process, or several if they had one name after the other.
type Instance struct {
	Name  string
	match []matcher // of its series
}

// A Collection is what one instance exported at one time.
type Collection struct {
	At time.Time

	// Metrics have only the samples of this time, by the names that the rules use. A metric that was
	// exported at another time, or ended, is not in it. It is valid until the next collection.
	Metrics evidence.Catalog

	// Restarted reports that the process began anew since the last collection: its counters were
	// reset together, or its start time changed.
	Restarted bool

	// Recorded are the verdicts of this time, if Verdicts were among the needs.
	Recorded Recorded
}

// Recorded are verdicts that a Monitor has exported. A name is missing if its series is.
type Recorded struct {
	Probes map[string]string // state, by health.probe.name
	Shadow map[string]string // state that the probe would have been in
	Checks map[string]string // state, by health.check.name
}

// Verdicts are the needs of Collection.Recorded.
func Verdicts() []Need { return nil }

// NeedsOf returns what a rule reads, in the order of its metrics. all asks for every bucket of a
// histogram, so that shown values are right too.
func NeedsOf(r *query.Rule, all bool) []Need { return nil }

// Read streams the collections of one instance in order of time. An error ends it. Its memory is the
// compressed samples of the instance. Several goroutines may read at once, each another instance.
func (h *History) Read(ctx context.Context, of Instance) iter.Seq2[*Collection, error] {
	return func(yield func(*Collection, error) bool) { yield(nil, errors.New("not built yet")) }
}

// matcher selects series, as in PromQL.
type matcher struct{ name, op, value string }
