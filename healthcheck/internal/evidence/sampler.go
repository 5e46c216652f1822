package evidence

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"github.com/otelhealth/otelhealth/healthcheck/internal/text"
	"go.opentelemetry.io/otel/attribute"
)

// A Sampler turns each collection into the reading of one rule. The collector's
// goroutine owns it; the judge sees only the immutable reading.
type Sampler struct {
	rule     *query.Rule              // as written, durations in seconds
	resolved *query.Rule              // in the unit of the metric; nil until the metric is seen
	seen     shape                    // of the metric, as resolved
	observed func(metric string) bool // reports that its series may begin at any value
	Long     bool                     // keep four windows, for a rule that may eject the instance
	missing  []string                 // metrics that were in no collection yet
	first    time.Time                // of the samples since the windows began
	last     time.Time
	windows  map[attribute.Distinct]*window
	overflow window // growth of the overflow series
	reading  atomic.Pointer[Reading]
	epoch    atomic.Int64 // the judge raises it to restart all windows
	begun    int64        // the epoch of the windows
}

// A Reading is the result of one collection for one rule.
type Reading struct {
	At      time.Time
	Rule    *query.Rule // with its bounds in Unit, if the metric was seen
	Groups  []Measure
	Unit    string
	Problem string         // why nothing can be judged
	Mistake *query.Mistake // the problem, if the rule does not fit its metric
	Traffic Traffic
	epoch   int64 // of the sampler's windows
}

// StaleAfter is the age at which a reading is stale, because several collections have failed.
const StaleAfter = 30 * time.Second

// maxAhead is how far a timestamp may be ahead of now: clocks differ.
const maxAhead = 5 * time.Minute

// longWindows is the number of windows over which a limit must be crossed before a rule on traffic
// ejects the instance.
const longWindows = 4

// NewSampler makes the sampler of a rule. long keeps four windows. observed reports whether the
// series of a metric may begin at any value.
func NewSampler(r *query.Rule, long bool, observed func(string) bool) *Sampler {
	return &Sampler{rule: r, Long: long, observed: observed, missing: r.Indicator.Metrics(), windows: map[attribute.Distinct]*window{}}
}

// Sample reads one collection.
func (s *Sampler) Sample(at time.Time, c Catalog) {
	r := &Reading{At: at, Rule: s.rule, epoch: s.epoch.Load()}
	if r.epoch != s.begun {
		s.begun = r.epoch
		s.windows, s.overflow, s.last, s.first = map[attribute.Distinct]*window{}, window{}, time.Time{}, time.Time{}
	}
	if err := s.read(r, c); err != nil {
		r.Problem, r.Groups = err.Error(), nil
		errors.As(err, &r.Mistake)
	}
	if s.first.IsZero() {
		s.first = at
	}
	s.last = at
	s.reading.Store(r)
}

// Reading returns the last reading, if there is one. current is false if the reading is from before
// the last Forget. Any goroutine may call it.
func (s *Sampler) Reading() (r *Reading, current bool) {
	r = s.reading.Load()
	return r, r != nil && r.epoch == s.epoch.Load()
}

// Forget makes the next sample restart all windows. Any goroutine may call it.
func (s *Sampler) Forget() { s.epoch.Add(1) }

// Found calls tell once for every metric that is in a collection. Later its series may end, but the
// instrument still exists.
func (s *Sampler) Found(in Catalog, tell func(metric string)) {
	s.missing = slices.DeleteFunc(s.missing, func(name string) bool {
		is := len(in[name]) > 0
		if is {
			tell(name)
		}
		return is
	})
}

func (s *Sampler) read(r *Reading, c Catalog) error {
	in := &s.rule.Indicator
	var g gathered
	var err error
	if in.Kind == query.KindRatio {
		g, err = gatherRatio(in, c)
	} else {
		g, err = gather(in, c)
	}
	if g.kind != "" {
		err = cmp.Or(err, s.resolve(shape{g.kind, g.unit}))
	}
	r.Rule, r.Unit = s.effective(), in.Unit(s.seen.unit, s.seen.kind)
	if err != nil {
		return err
	}
	if in.Windowed() {
		return s.readWindows(r, g)
	}
	for _, gr := range g.groups {
		a := gr.amount
		m := Measure{Group: gr.attrs, Value: a[0]}
		switch in.Kind {
		case query.KindTimeSince:
			m.Value = float64(r.At.UnixNano())/1e9 - a[0]*cmp.Or(query.Seconds(query.TimeUnit(in.Metric, g.unit)), 1)
			if -m.Value > maxAhead.Seconds() {
				return fmt.Errorf("%s is %s s ahead of now: a gauge of milliseconds needs the unit ms", in.Metric, text.Number(-m.Value))
			}
		case query.KindRatio:
			if m.Empty = a[1] == 0; !m.Empty {
				m.Value = a[0] / a[1]
			}
		}
		if !query.Finite(m.Value) {
			return fmt.Errorf("%s: the value is %v", in.Metric, m.Value)
		}
		if !m.Empty {
			m.Crossed = worst(r.Rule, m.Value)
		}
		r.Groups = append(r.Groups, m)
	}
	return nil
}

func (s *Sampler) readWindows(r *Reading, g gathered) error {
	in := &r.Rule.Indicator
	keep := in.Window
	if s.Long {
		keep *= longWindows
	}
	if len(g.groups) == 0 && in.Kind == query.KindIncrease && len(in.GroupBy) == 0 && s.rule.Lower() && !s.observed(in.Metric) {
		var all attribute.Set
		g.groups = map[attribute.Distinct]*group{all.Equivalent(): {amount: amounts{0}}} // the counter exists and has counted nothing
	}
	// Ask now, because an instrument may be created after the Monitor.
	observed := g.kind == "counter" && slices.ContainsFunc(in.Metrics(), s.observed)
	s.overflow.add(r.At, amounts{g.overflow}, in.Window, in.Window)
	for key, gr := range g.groups {
		w := s.windows[key]
		if w == nil {
			w = &window{attrs: gr.attrs, series: gr.series}
			s.windows[key] = w
			if !s.last.IsZero() && !observed { // it was not there at the last collection: it began at zero
				w.add(s.last, make(amounts, len(gr.amount)), in.Window, keep)
			}
		}
		if gr.series != w.series && observed {
			w.slots = w.slots[:0] // the old count of a new series is not growth
		}
		w.series = gr.series
		w.add(r.At, gr.amount, in.Window, keep)
	}
	recent := in.Window / 3
	r.Traffic = Traffic{Span: recent, Known: !s.first.IsZero() && r.At.Sub(s.first) >= in.Window || in.Kind == query.KindIncrease}
	for key, w := range s.windows {
		last := w.slots[len(w.slots)-1].at
		if last.Before(r.At) { // not in this collection; it may come back
			if r.At.Sub(last) > keep {
				delete(s.windows, key)
			}
			continue
		}
		m, err := s.measure(w, in.Window, g.bounds)
		if err != nil {
			return err
		}
		if s.Long {
			if err := s.confirm(&m, w, recent, g.bounds); err != nil {
				return err
			}
			r.Traffic.Rate += events(in, w, in.Window) / in.Window.Seconds()
			r.Traffic.Recent += events(in, w, recent)
		}
		r.Groups = append(r.Groups, m)
	}
	if folded, _ := s.overflow.growth(in.Window); folded[0] > 0 {
		return fmt.Errorf("%s: %s measurements went to the overflow series (cardinality limit)", in.Metric, text.Number(folded[0]))
	}
	return nil
}

// resolve converts the rule's bounds to the unit of its metric.
func (s *Sampler) resolve(seen shape) (err error) {
	if s.resolved == nil || s.seen != seen {
		s.resolved, err = s.rule.Resolved(seen.unit, seen.kind)
		s.seen = seen
	}
	return err
}

// measure compares a group's growth over a span with the rule.
func (s *Sampler) measure(w *window, span time.Duration, bounds []float64) (Measure, error) {
	growth, covered := w.growth(span)
	m, err := compare(s.effective(), growth, bounds)
	m.Group = w.attrs
	if err == nil && !query.Finite(m.Value) { // finite series can have an infinite sum
		err = fmt.Errorf("%s: the value is %v", s.rule.Indicator.Metric, m.Value)
	}
	if m.Crossed != nil && m.Crossed.Lower() && s.rule.Indicator.Kind == query.KindIncrease && covered < span {
		m.Crossed, m.Empty = nil, true // the growth is low because the window is not full yet
	}
	return m, err
}

// effective returns the rule in the unit of its metric, or as written until that is known.
func (s *Sampler) effective() *query.Rule { return cmp.Or(s.resolved, s.rule) }

// confirm sets Lasting and Ongoing of a measure that crosses a limit.
func (s *Sampler) confirm(m *Measure, w *window, recent time.Duration, bounds []float64) error {
	if m.Crossed == nil {
		return nil
	}
	longer, err1 := s.measure(w, longWindows*s.rule.Indicator.Window, bounds)
	now, err2 := s.measure(w, recent, bounds)
	same := func(o Measure) bool { return o.Crossed != nil && o.Crossed.Edge == m.Crossed.Edge }
	m.Lasting = same(longer)
	m.Ongoing = same(now) || now.Empty && (m.Crossed.Lower() || now.Bad > 0)
	return errors.Join(err1, err2)
}
