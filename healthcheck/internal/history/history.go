// Package history reads recorded metrics back from a backend that speaks Prometheus' HTTP API, as
// the collections that a Monitor would have judged: names → instances → samples → collections.
//
// In: a [Source], and a [Need] for each metric that rules read. Out: the [Collection]s of one instance after
// the other, in order of time. It knows no role, no probe and no meaning of a state. It guesses nothing:
// a sample that is not in the backend is not in a collection. It starts no goroutine. Any number of
// goroutines may read at once.
package history

import (
	"context"
	"iter"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"go.opentelemetry.io/otel/attribute"
)

// A Source is a backend that speaks Prometheus' HTTP API. Its methods may be called by several
// goroutines.
type Source struct {
	URL      string       // http://localhost:9090, or with a path: https://mimir.example/prometheus
	Client   *http.Client // its transport has certificates and proxies; http.DefaultClient if nil
	Header   http.Header  // of every request, such as Authorization and X-Scope-OrgID
	Selector string       // of the service's series, as in PromQL: {job="shop"}; the braces may be missing

	// InstanceLabels distinguish instances. Of these labels, the first one that a series has counts. If
	// empty, they are the usual labels of OTLP, scrapes and Kubernetes.
	InstanceLabels []string

	Way Way // Auto if empty

	wait func(context.Context, time.Duration) error // before another attempt; nil for a timer
}

// A Way is how samples are read.
type Way string

const (
	Auto       Way = ""            // RemoteRead, or Query if the backend has no remote read
	RemoteRead Way = "remote-read" // compressed chunks, streamed
	Query      Way = "query"       // raw samples as JSON, six hours a request
)

// History is the past of a service between two times.
type History struct {
	From, To  time.Time
	Instances []Instance
	Found     []Found // one for each Need, in the same order

	source  *Source
	match   []matcher                // of the service's series
	metrics []*metric                // needed metrics that exist
	keys    map[string]attribute.Key // attributes of labels with another name
	drop    map[string]bool          // labels that never are attributes
	way     atomic.Pointer[fetchWay] // the way that works
	start   bool                     // there is a metric with the start time of the process
}

// Found describes the metric of a Need in the backend.
type Found struct {
	Need
	Names      []string  // of its series; empty if there are none
	Unit       string    // as an instrument has it: s, By; empty if nobody knows
	Boundaries []float64 // of its histogram's buckets over all instances, without +Inf; nil if it has none
	Native     bool      // a native histogram, which is exact at powers of two if its buckets are exponential
}

// An Instance is one process, or several one after the other if they had the same name.
type Instance struct {
	Name  string
	match []matcher // of its series
}

// A Collection is what one instance exported at one time. It is valid until the next one.
type Collection struct {
	At time.Time // of its latest sample

	// Metrics have only the samples of this time, by the names that the rules use. A metric that was
	// exported at another time, or has ended, is missing. Samples within a quarter of a second count as of
	// the same time. A counter has no start time, because Prometheus keeps none.
	Metrics evidence.Catalog

	// Restarted reports that the process restarted since the last collection: its counters were
	// reset together, or replaced by others, or its start time changed.
	Restarted bool

	// Recorded are the verdicts of this time, if Verdicts were among the needs.
	Recorded Recorded
}

// Recorded are verdicts that a Monitor has exported. A name is missing if its series is.
type Recorded struct {
	Probes map[string]string // state, by health.probe.name
	Shadow map[string]string // state that the probe would have been in
	Checks map[string]string // state, by health.check.name

	Since map[string]time.Time // when a check entered its state
}

// Dated reports whether the times are recorded at which checks entered their states. A check without a change
// has no such time.
func (h *History) Dated() bool {
	return slices.ContainsFunc(h.Found, func(f Found) bool { return f.Metric == transition && len(f.Names) > 0 })
}

// Read streams the collections of one instance in order of time. An error ends it. It keeps the
// compressed samples of the instance in memory, or those of six hours if the backend does not stream.
func (h *History) Read(ctx context.Context, of Instance) iter.Seq2[*Collection, error] {
	return func(yield func(*Collection, error) bool) {
		plan, err := h.plan(ctx, of)
		if err != nil {
			yield(nil, err)
			return
		}
		a := newAssembler(h)
		for part, err := range h.parts(ctx, plan) {
			if err != nil {
				yield(nil, err)
				return
			}
			a.add(part)
			for {
				c, err := a.next()
				if err != nil {
					yield(nil, err)
					return
				}
				if c == nil {
					break
				}
				if !yield(c, nil) {
					return
				}
			}
		}
	}
}
