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
	rule     *query.Rule              // as it was written: durations are in seconds
	resolved *query.Rule              // in the unit of the metric; nil until it was seen
	seen     shape                    // of the metric, as resolved
	observed func(metric string) bool // its series need not begin at zero
	Long     bool                     // keep four windows, for a rule that may take the instance out
	unseen   []string                 // metrics that no collection has had yet
	first    time.Time                // of the samples since the windows began
	last     time.Time
	windows  map[attribute.Distinct]*window
	hidden   window // growth of the overflow series
	reading  atomic.Pointer[Reading]
	epoch    atomic.Int64 // raised by the judge: begin all windows anew
	begun    int64        // the epoch of the windows
}

// A Reading is what one collection said about one rule.
type Reading struct {
	At      time.Time
	Rule    *query.Rule // with its bounds in Unit, once the metric was seen
	Groups  []Measure
	Unit    string
	Problem string         // why nothing can be judged
	Mistake *query.Mistake // the problem, where the rule does not fit its metric
	Traffic Traffic
	epoch   int64 // of the sampler's windows
}

// StaleAfter is the age from which a reading proves nothing: some collections in a row
// have failed.
const StaleAfter = 30 * time.Second

// maxAhead is how far a timestamp may be ahead of now: clocks differ.
const maxAhead = 5 * time.Minute

// longWindows is how many windows a limit must be crossed over before evidence
// from traffic may take an instance out.
const longWindows = 4

// NewSampler makes the sampler of a rule. long keeps four windows. observed tells whether the
// series of a metric need not begin at zero.
func NewSampler(r *query.Rule, long bool, observed func(string) bool) *Sampler {
	return &Sampler{rule: r, Long: long, observed: observed, unseen: r.Indicator.Metrics(), windows: map[attribute.Distinct]*window{}}
}

// Sample reads one collection.
func (s *Sampler) Sample(at time.Time, c Catalog) {
	r := &Reading{At: at, Rule: s.rule, epoch: s.epoch.Load()}
	if r.epoch != s.begun {
		s.begun = r.epoch
		s.windows, s.hidden, s.last, s.first = map[attribute.Distinct]*window{}, window{}, time.Time{}, time.Time{}
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

// Reading is the last one, if any, and whether it is of what came after the last
// Forget. Any goroutine may ask.
func (s *Sampler) Reading() (r *Reading, current bool) {
	r = s.reading.Load()
	return r, r != nil && r.epoch == s.epoch.Load()
}

// Forget has the next sample begin all windows anew. Any goroutine may ask.
func (s *Sampler) Forget() { s.epoch.Add(1) }

// Found tells, once each, which of the metrics are in a collection: a series may go
// away, and an instrument does not.
func (s *Sampler) Found(in Catalog, tell func(metric string)) {
	s.unseen = slices.DeleteFunc(s.unseen, func(name string) bool {
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
	r.Rule, r.Unit = s.asked(), in.Unit(s.seen.unit, s.seen.kind)
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
		g.groups = map[attribute.Distinct]*group{all.Equivalent(): {amount: amounts{0}}} // created, and has counted nothing
	}
	// Instruments may be created after the Monitor is; only now it is known which.
	observed := g.kind == "counter" && slices.ContainsFunc(in.Metrics(), s.observed)
	s.hidden.add(r.At, amounts{g.overflow}, in.Window, in.Window)
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
			w.slots = w.slots[:0] // what a new series has counted before is no growth
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
	if hidden, _ := s.hidden.growth(in.Window); hidden[0] > 0 {
		return fmt.Errorf("%s: %s measurements went to the overflow series (cardinality limit)", in.Metric, text.Number(hidden[0]))
	}
	return nil
}

// resolve brings the rule's bounds into the unit of its metric.
func (s *Sampler) resolve(seen shape) (err error) {
	if s.resolved == nil || s.seen != seen {
		s.resolved, err = s.rule.Resolved(seen.unit, seen.kind)
		s.seen = seen
	}
	return err
}

// measure holds a group's growth over a span against the rule.
func (s *Sampler) measure(w *window, span time.Duration, bounds []float64) (Measure, error) {
	growth, covered := w.growth(span)
	m, err := held(s.asked(), growth, bounds)
	m.Group = w.attrs
	if err == nil && !query.Finite(m.Value) { // finite series can have an infinite sum
		err = fmt.Errorf("%s: the value is %v", s.rule.Indicator.Metric, m.Value)
	}
	if m.Crossed != nil && m.Crossed.Lower() && s.rule.Indicator.Kind == query.KindIncrease && covered < span {
		m.Crossed, m.Empty = nil, true // too little growth, but in too short a time
	}
	return m, err
}

// asked is the rule in the unit of its metric, as soon as that is known.
func (s *Sampler) asked() *query.Rule { return cmp.Or(s.resolved, s.rule) }

// confirm says whether what crosses a limit did so for long, and still does.
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
