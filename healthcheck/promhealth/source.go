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

	"github.com/otelhealth/otelhealth/healthcheck/internal/guard"
)

// spec is one collector, or one Gatherer that can only be gathered whole, and its wanted families.
// It is immutable.
type spec struct {
	key       string // the same for the same collector in the next lookup
	collector prometheus.Collector
	gatherer  prometheus.Gatherer // instead
	registry  *prometheus.Registry
	outer     []described                 // descriptions in the registry
	prefix    string                      // of a wrapped Registerer
	labels    []*dto.LabelPair            // likewise
	names     map[*prometheus.Desc]string // names in the collector
	parts     map[string][]part           // by the name that the collector gives
	wanted    []string                    // the names in parts, once each
}

// want sets the wanted families.
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
	aspect aspect
	limits []float64
}

// same reports whether both ask the same collector. Two collectors of one type that can't be compared count
// as the same.
func (s *spec) same(o *spec) bool {
	if s.collector == nil || o.collector == nil {
		return s.collector == nil && o.collector == nil
	}
	return reflect.TypeOf(s.collector) == reflect.TypeOf(o.collector) && (!s.comparable() || !o.comparable() || s.collector == o.collector)
}

func (s *spec) comparable() bool {
	return s.collector == nil || reflect.ValueOf(s.collector).Comparable()
}

// unique reports whether no other collector has the same descriptions. Each collector of client_golang
// makes its own; collectors of others may share them.
func (s *spec) unique() bool {
	t := reflect.TypeOf(s.collector)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return strings.HasPrefix(t.PkgPath(), "github.com/prometheus/client_golang/")
}

// source asks one collector, at most once at a time, and keeps its last result.
type source struct {
	spec       *spec
	collection *collection
	last       *result
	next       time.Time // when to ask again
	cache      *cache    // of the collection under way
}

// collection is a collection under way. It ends when the collector has answered, if ever.
type collection struct {
	began  time.Time
	spec   *spec
	done   chan struct{}
	result *result // after done is closed
}

// result is the answer of a collector. It is immutable.
type result struct {
	spec     *spec
	at       time.Time
	families map[string]metricdata.Metrics
	broken   string // why no family can be judged
}

// ask begins a collection, if none is under way and it is time for one.
func (s *source) ask(now time.Time) {
	if s.collection != nil || now.Before(s.next) && s.last != nil && s.last.spec == s.spec {
		return
	}
	s.collection = &collection{began: now, spec: s.spec, done: make(chan struct{})}
	go s.collection.run(s.cache)
}

// finish takes over the answer of a collector.
func (s *source) finish() {
	s.last = s.collection.result
	took := s.last.at.Sub(s.collection.began)
	s.next = s.collection.began.Add(min(share*took, maxPause))
	s.collection = nil
}

// appendTo appends the families of the last result.
func (s *source) appendTo(out []metricdata.Metrics, now time.Time) []metricdata.Metrics {
	why := ""
	switch {
	case s.last != nil && s.last.broken != "":
		why = s.last.broken
	case s.collection == nil || s.last != nil && now.Sub(s.last.at) <= maxResultAge:
	case s.last == nil:
		why = "can't be read: its collector has not answered yet"
	default:
		why = fmt.Sprintf("can't be read: its collector has not answered for %v", now.Sub(s.collection.began).Truncate(time.Second))
	}
	for _, name := range s.spec.wanted {
		if why != "" {
			out = append(out, problem(name, why))
		} else if m, ok := s.last.families[name]; ok {
			out = append(out, m)
		} else if !slices.Contains(s.last.spec.wanted, name) {
			out = append(out, problem(name, "can't be read: its collector has not answered yet"))
		} else if s.spec.gatherer != nil {
			out = append(out, problem(name, "is not in the Gatherer's answer: use the name on /metrics"))
		}
	}
	return out
}

// run asks the collector, which may block for ever, panic or end its goroutine.
func (f *collection) run(cache *cache) {
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

// collect lets the collector send in one goroutine, and takes the metrics in another.
func (f *collection) collect(b *builder) (broken string) {
	ch, sent := make(chan prometheus.Metric, 256), make(chan struct{})
	sending := ended
	go func() {
		defer close(sent)
		sending = guarded(func() { f.spec.collector.Collect(ch) })
	}()
	broken = guarded(func() { receive(ch, sent, b.add) })
	receive(ch, sent, func(prometheus.Metric) {}) // after a panic of a metric
	return cmp.Or(sending, broken)
}

// receive takes what a collector sends until it has returned. The channel stays open, because the
// collector may have closed it, or may have left a goroutine behind that sends later. Both would end
// the process.
func receive[T any](ch <-chan T, sent <-chan struct{}, take func(T)) {
	for {
		select {
		case one, open := <-ch:
			if !open {
				<-sent
				return
			}
			take(one)
		case <-sent:
			for {
				select {
				case one, open := <-ch:
					if !open {
						return
					}
					take(one)
				default:
					return
				}
			}
		}
	}
}

const (
	ended    = "can't be read: its collector ended its goroutine"
	panicked = "can't be read: its collector panicked"
	failed   = "can't be read: its collector returned an error"
)

// guarded runs a foreign function and returns how it failed, without the text of a panic.
func guarded(f func()) (broken string) {
	if guard.Inline(f) != nil {
		return panicked
	}
	return ""
}
