package healthcheck

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/spec"
	"github.com/otelhealth/otelhealth/healthcheck/internal/text"
	"go.opentelemetry.io/otel/attribute"
)

// sampler turns each collection into the readings of one rule. The collector's
// goroutine owns it; the judge sees only the immutable reading.
type sampler struct {
	limit    *spec.Limit
	observed func(metric string) bool // its series need not begin at zero
	long     bool                     // keep four windows, for a rule that may take the instance out
	unseen   []string                 // metrics that no collection has had yet
	first    time.Time                // of the samples since the windows began
	last     time.Time
	windows  map[attribute.Distinct]*window
	hidden   window // growth of the overflow series
	reading  atomic.Pointer[reading]
	epoch    atomic.Int64 // raised by the judge: begin all windows anew
	begun    int64        // the epoch of the windows
}

// reading is what one collection said about one rule.
type reading struct {
	at      time.Time
	groups  []measure
	unit    string
	problem string // why nothing can be judged
	epoch   int64  // of the sampler's windows
	traffic traffic
}

// longWindows is how many windows a limit must be crossed over before evidence
// from traffic may take an instance out.
const longWindows = 4

func newSampler(l *spec.Limit, long bool, observed func(string) bool) *sampler {
	return &sampler{limit: l, long: long, observed: observed, unseen: l.Indicator.Metrics(), windows: map[attribute.Distinct]*window{}}
}

// sample reads one collection.
func (s *sampler) sample(at time.Time, c catalog) {
	r := &reading{at: at, epoch: s.epoch.Load()}
	if r.epoch != s.begun {
		s.begun = r.epoch
		s.windows, s.hidden, s.last, s.first = map[attribute.Distinct]*window{}, window{}, time.Time{}, time.Time{}
	}
	if err := s.read(r, c); err != nil {
		r.problem = err.Error()
		r.groups = nil
	}
	if s.first.IsZero() {
		s.first = at
	}
	s.last = at
	s.reading.Store(r)
}

// latest is the last reading, if any, and whether it is of what came after the last
// forget. Any goroutine may ask.
func (s *sampler) latest() (r *reading, current bool) {
	r = s.reading.Load()
	return r, r != nil && r.epoch == s.epoch.Load()
}

// forget has the next sample begin all windows anew. Any goroutine may ask.
func (s *sampler) forget() { s.epoch.Add(1) }

// found tells, once each, which of the metrics are in a collection: a series may go
// away, and an instrument does not.
func (s *sampler) found(in catalog, tell func(metric string)) {
	s.unseen = slices.DeleteFunc(s.unseen, func(name string) bool {
		is := len(in[name]) > 0
		if is {
			tell(name)
		}
		return is
	})
}

func (s *sampler) read(r *reading, c catalog) error {
	in := &s.limit.Indicator
	var g gathered
	var err error
	if in.Kind == spec.KindRatio {
		g, err = gatherRatio(in, c)
	} else {
		g, err = gather(in, c)
	}
	r.unit = unitOf(in, g.unit)
	if err != nil {
		return err
	}
	if in.Windowed() {
		return s.readWindows(r, g)
	}
	for _, gr := range g.groups {
		a := gr.amount
		m := measure{group: gr.attrs, value: a[0]}
		switch in.Kind {
		case spec.KindAge:
			m.value = float64(r.at.UnixNano())/1e9 - a[0]
		case spec.KindRatio:
			if m.empty = a[1] == 0; !m.empty {
				m.value = a[0] / a[1]
			}
		}
		if !spec.Finite(m.value) {
			return fmt.Errorf("%s: the value is %v", in.Metric, m.value)
		}
		if !m.empty {
			m.crossed = worst(s.limit, m.value)
		}
		r.groups = append(r.groups, m)
	}
	return nil
}

func (s *sampler) readWindows(r *reading, g gathered) error {
	in := &s.limit.Indicator
	keep := in.Window
	if s.long {
		keep *= longWindows
	}
	if len(g.groups) == 0 && in.Kind == spec.KindIncrease && len(in.GroupBy) == 0 && s.limit.Lower() && !s.observed(in.Metric) {
		var all attribute.Set
		g.groups = map[attribute.Distinct]*group{all.Equivalent(): {amount: amounts{0}}} // created, and has counted nothing
	}
	// Instruments may be created after the Monitor is; only now it is known which.
	observed := g.kind == "counter" && slices.ContainsFunc(in.Metrics(), s.observed)
	s.hidden.add(r.at, amounts{g.overflow}, in.Window, in.Window)
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
		w.add(r.at, gr.amount, in.Window, keep)
	}
	recent := in.Window / 3
	r.traffic = traffic{span: recent, known: !s.first.IsZero() && r.at.Sub(s.first) >= in.Window || in.Kind == spec.KindIncrease}
	for key, w := range s.windows {
		last := w.slots[len(w.slots)-1].at
		if last.Before(r.at) { // not in this collection; it may come back
			if r.at.Sub(last) > keep {
				delete(s.windows, key)
			}
			continue
		}
		m, err := s.judge(w, in.Window, g.bounds)
		if err != nil {
			return err
		}
		if s.long {
			if err := s.weigh(&m, w, recent, g.bounds); err != nil {
				return err
			}
			r.traffic.rate += events(in, w, in.Window) / in.Window.Seconds()
			r.traffic.recent += events(in, w, recent)
		}
		r.groups = append(r.groups, m)
	}
	if hidden, _ := s.hidden.growth(in.Window); hidden[0] > 0 {
		return fmt.Errorf("%s: %s measurements went to the overflow series (cardinality limit)", in.Metric, text.Number(hidden[0]))
	}
	return nil
}

// judge measures a group's growth over a span.
func (s *sampler) judge(w *window, span time.Duration, bounds []float64) (measure, error) {
	growth, covered := w.growth(span)
	m, err := held(s.limit, growth, bounds)
	m.group = w.attrs
	if err == nil && !spec.Finite(m.value) { // finite series can have an infinite sum
		err = fmt.Errorf("%s: the value is %v", s.limit.Indicator.Metric, m.value)
	}
	if m.crossed != nil && m.crossed.Lower() && s.limit.Indicator.Kind == spec.KindIncrease && covered < span {
		m.crossed, m.empty = nil, true // too little growth, but in too short a time
	}
	return m, err
}

// weigh says whether what crosses a limit did so for long, and still does.
func (s *sampler) weigh(m *measure, w *window, recent time.Duration, bounds []float64) error {
	if m.crossed == nil {
		return nil
	}
	longer, err1 := s.judge(w, longWindows*s.limit.Indicator.Window, bounds)
	now, err2 := s.judge(w, recent, bounds)
	same := func(o measure) bool { return o.crossed != nil && o.crossed.Edge == m.crossed.Edge }
	m.lasting = same(longer)
	m.still = same(now) || now.empty && (m.crossed.Lower() || now.bad > 0)
	return errors.Join(err1, err2)
}
