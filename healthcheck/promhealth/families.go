package promhealth

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

const (
	// patience is how long a collection waits for collectors. It is short, because after a long
	// collection the Monitor collects less often, and that delays all rules.
	patience = 10 * time.Millisecond

	// firstPatience is the patience of the first collection after a change of the rules, because
	// Start and AddRule return its mistakes.
	firstPatience = time.Second

	// maxResultAge is how long the last result of a collector counts while the next one is missing.
	maxResultAge = 10 * time.Second

	// A collector may run for 1/share of the time. If it takes a second, it is asked every 50 s, but
	// never less often than every maxPause.
	share    = 50
	maxPause = maxResultAge / 2

	// The registry is searched again after minLook, then twice that, up to maxLook.
	minLook = time.Second
	maxLook = 30 * time.Second
)

// families collects the families that rules name, and no others.
type families struct {
	registries []*prometheus.Registry
	gatherers  prometheus.Gatherers // of other types; they can only be gathered whole
	mixed      bool                 // other metrics come from a MeterProvider

	mu     sync.Mutex // guards Want
	wanted atomic.Pointer[wanted]
	known  atomic.Pointer[map[string]presence] // by the last lookup
	queues atomic.Bool                         // the Monitor has instruments of queues

	// The rest belongs to collect.
	patience time.Duration
	looking  *lookup
	looked   *wanted // wanted by the last lookup
	next     time.Time
	pause    time.Duration
	sources  []*source
}

// wanted has the names of the families that rules read, with their limits. It is immutable.
type wanted struct {
	limits map[string][]float64
}

// presence says that a family is registered, and whether it may have no series.
type presence struct{ quiet bool }

func newFamilies(r Registry) *families {
	f := &families{patience: patience}
	f.wanted.Store(&wanted{})
	f.known.Store(&map[string]presence{})
	f.add(r)
	return f
}

// add finds the registries that a Gatherer consists of.
func (f *families) add(g prometheus.Gatherer) {
	switch g := g.(type) {
	case *prometheus.Registry:
		if g != nil && !slices.Contains(f.registries, g) {
			f.registries = append(f.registries, g)
		}
	case joined:
		f.add(g.Gatherer)
	case prometheus.Gatherers:
		for _, each := range g {
			f.add(each)
		}
	case nil:
	default:
		f.gatherers = append(f.gatherers, g)
	}
}

// Want sets the families that rules read. Limits of removed rules stay, because they are boundaries of
// earlier readings.
func (f *families) Want(metrics map[string][]float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	old, limits := f.wanted.Load().limits, map[string][]float64{}
	for name, more := range metrics {
		limits[name] = merge(old[name], more)
	}
	if !maps.EqualFunc(old, limits, func(a, b []float64) bool { return len(a) == len(b) }) {
		f.wanted.Store(&wanted{limits})
	}
}

// Known returns the findings of the last lookup.
func (f *families) Known(name string) (registered, quiet, known bool) {
	if f.isInstrument(name) {
		return false, false, false
	}
	p, registered := (*f.known.Load())[name]
	return registered, p.quiet, registered || len(f.gatherers) == 0 && !f.mixed
}

// isInstrument reports whether a family is the Monitor's own. These come from its reader.
func (f *families) isInstrument(name string) bool {
	own := byName[name]
	return own != nil && (own.isVerdict() || f.queues.Load())
}

// Refuse refuses rules on the verdict.
func (f *families) Refuse(name string) (problem string) {
	if own := byName[name]; own != nil && own.isVerdict() {
		return "comes from the rules: a rule on it would judge itself"
	}
	return ""
}

// collect returns the wanted families. It waits no longer than patience.
func (f *families) collect(ctx context.Context) []metricdata.Metrics {
	want := f.wanted.Load()
	wait := f.patience
	if want != f.looked {
		wait = max(wait, firstPatience)
	}
	limit := time.NewTimer(wait)
	defer limit.Stop()
	over := func(done <-chan struct{}) bool { // reports whether it is done in time
		select {
		case <-done:
			return true
		default:
		}
		select {
		case <-done:
			return true
		case <-limit.C:
			limit.Reset(0)
		case <-ctx.Done():
		}
		return false
	}
	f.lookUp(want, over)
	now := time.Now()
	for _, s := range f.sources { // start all at once, so that a slow collector delays no other
		s.ask(now)
	}
	out := make([]metricdata.Metrics, 0, len(want.limits))
	for _, s := range f.sources {
		if s.collection != nil && over(s.collection.done) {
			s.finish()
		}
		out = s.appendTo(out, time.Now())
	}
	return f.appendMissing(out, want)
}

// lookUp searches the registries if a search is due, and takes over the result.
func (f *families) lookUp(want *wanted, over func(<-chan struct{}) bool) {
	now := time.Now()
	if want != f.looked {
		f.pause, f.next = minLook, now
	}
	if len(want.limits) == 0 {
		f.sources, f.looked = nil, want
		f.known.Store(&map[string]presence{})
		return
	}
	if f.looking != nil && f.looking.want != want && over(f.looking.done) {
		f.looking = nil // too old
	}
	if f.looking == nil && !now.Before(f.next) {
		f.next, f.pause = now.Add(f.pause), min(2*f.pause, maxLook)
		f.looking = f.start(want)
	}
	f.looked = want
	if f.looking == nil || !over(f.looking.done) {
		return
	}
	if f.looking.want == want {
		f.sources = adopt(f.sources, f.looking.sources)
		f.known.Store(&f.looking.known)
	}
	f.looking = nil
}

// appendMissing appends the reason for every wanted family that has no collector.
func (f *families) appendMissing(out []metricdata.Metrics, want *wanted) []metricdata.Metrics {
	has := map[string]bool{}
	for _, s := range f.sources {
		for _, name := range s.spec.wanted {
			has[name] = true
		}
	}
	for name := range want.limits {
		if has[name] || f.isInstrument(name) || f.mixed && f.looking == nil {
			continue
		}
		why := "is not registered: use the name on /metrics"
		switch {
		case strings.Contains(name, "."):
			why = "is not registered: use the name on /metrics, such as " + underscored(name)
		case f.looking != nil:
			why = "could not be looked up yet: Describe of some collector has not returned"
		}
		out = append(out, problem(name, why))
	}
	return out
}

// problem is a family that can't be judged.
func problem(name, why string) metricdata.Metrics {
	return metricdata.Metrics{Name: name, Description: why}
}

// adopt replaces new sources by old ones of the same collector, because these have its last result.
func adopt(old, found []*source) []*source {
	before := map[string]*source{}
	for _, s := range old {
		before[s.spec.key] = s
	}
	for i, s := range found {
		if b := before[s.spec.key]; b != nil && b.spec.same(s.spec) {
			delete(before, s.spec.key)
			if !s.spec.comparable() || !reflect.DeepEqual(b.spec.parts, s.spec.parts) {
				b.spec = s.spec // the last result may lack a family
			}
			found[i] = b
		}
	}
	return found
}
