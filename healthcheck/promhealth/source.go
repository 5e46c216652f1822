package promhealth

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// spec is one collector, or one Gatherer that shows all it has or nothing, and what of it is wanted. It is
// immutable.
type spec struct {
	key       string // the same for the same collector in the next look
	collector prometheus.Collector
	gatherer  prometheus.Gatherer // instead
	registry  *prometheus.Registry
	outer     []described                 // as the registry has it
	prefix    string                      // that a wrapped Registerer adds
	labels    []*dto.LabelPair            // likewise
	names     map[*prometheus.Desc]string // as the collector has it
	parts     map[string][]part           // by the name that the collector gives
	wanted    []string                    // the names in parts, once each
}

// want says what of it is wanted.
func (s *spec) want(parts map[string][]part) {
	s.parts, s.wanted = parts, nil
	for _, all := range parts {
		for _, p := range all {
			s.wanted = append(s.wanted, p.name)
		}
	}
	slices.Sort(s.wanted)
	s.wanted = slices.Compact(s.wanted)
}

// part is a family as rules name it.
type part struct {
	name   string
	what   what
	limits []float64
}

// same reports whether both ask the same collector. What can't be compared may be the same.
func (s *spec) same(o *spec) bool {
	if s.collector == nil || o.collector == nil {
		return s.collector == nil && o.collector == nil
	}
	return reflect.TypeOf(s.collector) == reflect.TypeOf(o.collector) && (!s.comparable() || !o.comparable() || s.collector == o.collector)
}

func (s *spec) comparable() bool {
	return s.collector == nil || reflect.ValueOf(s.collector).Comparable()
}

// unique reports whether no other collector has the same descriptions. One of client_golang makes
// its own; others may have made them once for all.
func (s *spec) unique() bool {
	t := reflect.TypeOf(s.collector)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return strings.HasPrefix(t.PkgPath(), "github.com/prometheus/client_golang/")
}

// source asks one collector, at most one time at once, and keeps its last result.
type source struct {
	spec   *spec
	flight *flight
	last   *result
	next   time.Time // when to ask again
	cache  *cache    // of the flight that flies
}

// flight is a collection under way. It ends when the collector has answered, if ever.
type flight struct {
	began  time.Time
	spec   *spec
	done   chan struct{}
	result *result // once done
}

// result is what a collector has answered. It is immutable.
type result struct {
	spec     *spec
	at       time.Time
	families map[string]metricdata.Metrics
	broken   string // why none can be judged
}

// ask begins a collection, if none is under way and it is time for one.
func (s *source) ask(now time.Time) {
	if s.flight != nil || now.Before(s.next) && s.last != nil && s.last.spec == s.spec {
		return
	}
	s.flight = &flight{began: now, spec: s.spec, done: make(chan struct{})}
	go s.flight.fly(s.cache)
}

// land takes over what a collector has answered.
func (s *source) land() {
	s.last = s.flight.result
	took := s.last.at.Sub(s.flight.began)
	s.next = s.flight.began.Add(min(share*took, maxPause))
	s.flight = nil
}

// appendTo adds the families as of the last result.
func (s *source) appendTo(out []metricdata.Metrics, now time.Time) []metricdata.Metrics {
	why := ""
	switch {
	case s.last != nil && s.last.broken != "":
		why = s.last.broken
	case s.flight == nil || s.last != nil && now.Sub(s.last.at) <= standing:
	case s.last == nil:
		why = "can't be read: its collector has not answered yet"
	default:
		why = fmt.Sprintf("can't be read: its collector has not answered for %v", now.Sub(s.flight.began).Truncate(time.Second))
	}
	for _, name := range s.spec.wanted {
		if why != "" {
			out = append(out, problem(name, why))
		} else if m, ok := s.last.families[name]; ok {
			out = append(out, m)
		} else if !slices.Contains(s.last.spec.wanted, name) {
			out = append(out, problem(name, "can't be read: its collector has not answered yet"))
		} else if s.spec.gatherer != nil {
			out = append(out, problem(name, "is not among what the Gatherer shows: is it as on /metrics?"))
		}
	}
	return out
}

// fly asks the collector, which may block for ever, panic or end its goroutine.
func (f *flight) fly(cache *cache) {
	f.result = &result{spec: f.spec, broken: ended}
	defer close(f.done)
	defer func() { f.result.at = time.Now() }()
	b := newBuilder(f.spec, cache)
	broken := ""
	if f.spec.gatherer != nil {
		broken = guarded(func() { b.gather(f.spec.gatherer) })
	} else {
		broken = f.collect(b)
	}
	cache.trim()
	f.result.families, f.result.broken = b.families(), broken
}

// collect has the collector send in one goroutine and takes the metrics in another.
func (f *flight) collect(b *builder) (broken string) {
	ch := make(chan prometheus.Metric, 256)
	sending := ended
	go func() {
		defer close(ch)
		sending = guarded(func() { f.spec.collector.Collect(ch) })
	}()
	broken = guarded(func() {
		for m := range ch {
			b.add(m)
		}
	})
	for range ch { // after a panic of a metric
	}
	return cmp.Or(sending, broken)
}

const (
	ended    = "can't be read: its collector ended its goroutine"
	panicked = "can't be read: its collector panicked"
	failed   = "can't be read: its collector returned an error"
)

// guarded runs a function of somebody else and says what became of it. It does not say the
// text of a panic, which may hold a secret.
func guarded(f func()) (broken string) {
	defer func() {
		if p := recover(); p != nil {
			broken = panicked
		}
	}()
	f()
	return ""
}
