package healthcheck

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
)

// sampler turns each collection into the readings of one rule. The collector's
// goroutine owns it; the judge sees only the immutable reading.
type sampler struct {
	limit   *Limit
	long    bool // keep four windows, for a rule that may take the instance out
	last    time.Time
	windows map[attribute.Distinct]*window
	hidden  window // growth of the overflow series
	reading atomic.Pointer[reading]
	forget  atomic.Pointer[time.Time] // set by the judge: begin all windows anew
}

// reading is what one collection said about one rule.
type reading struct {
	at      time.Time
	groups  []measure
	unit    string
	problem string // why nothing can be judged
	found   bool   // the metric was in the collection
}

// measure is the indicator of one group, held against the limit.
type measure struct {
	group   attribute.Set
	value   float64
	count   float64 // events in the window
	share   float64 // of the window's events beyond the milder or only upper limit, for a quantile
	bad     float64 // events beyond the failing limit
	empty   bool    // too few events to judge
	crossed *bound  // the worst bound crossed
	lasting bool    // crossed over four windows too
}

// longWindows is how many windows a limit must be crossed over before evidence
// from traffic may take an instance out.
const longWindows = 4

func newSampler(l *Limit, long bool) *sampler {
	return &sampler{limit: l, long: long, windows: map[attribute.Distinct]*window{}}
}

// sample reads one collection.
func (s *sampler) sample(at time.Time, c catalog) {
	r := &reading{at: at}
	if s.forget.Swap(nil) != nil {
		s.windows, s.hidden, s.last = map[attribute.Distinct]*window{}, window{}, time.Time{}
	}
	if err := s.read(r, c); err != nil {
		r.problem = err.Error()
		r.groups = nil
	}
	s.last = at
	s.reading.Store(r)
}

func (s *sampler) read(r *reading, c catalog) error {
	in := &s.limit.indicator
	var g gathered
	var err error
	if in.kind == kindRatio {
		g, err = in.gatherRatio(c)
	} else {
		g, err = in.gather(c)
	}
	r.found, r.unit = g.found, in.unit(g.unit)
	if err != nil {
		return err
	}
	if in.windowed() {
		return s.readWindows(r, g)
	}
	for _, gr := range g.groups {
		a := gr.amount
		m := measure{group: gr.attrs, value: a[0]}
		switch in.kind {
		case kindAge:
			m.value = float64(r.at.UnixNano())/1e9 - a[0]
		case kindRatio:
			if m.empty = a[1] == 0; !m.empty {
				m.value = a[0] / a[1]
			}
		}
		if !finite(m.value) {
			return fmt.Errorf("%s: the value is %v", in.metric, m.value)
		}
		if !m.empty {
			m.crossed = s.limit.worst(m.value)
		}
		r.groups = append(r.groups, m)
	}
	return nil
}

func (s *sampler) readWindows(r *reading, g gathered) error {
	in := &s.limit.indicator
	keep := in.window
	if s.long {
		keep *= longWindows
	}
	s.hidden.add(r.at, amounts{g.overflow}, in.window, in.window)
	hidden := s.hidden.growth(in.window)[0]
	for key, gr := range g.groups {
		a, w := gr.amount, s.windows[key]
		if w == nil {
			w = &window{}
			s.windows[key] = w
			if !s.last.IsZero() { // it was not there at the last collection: it began at zero
				w.add(s.last, make(amounts, len(a)), in.window, keep)
			}
		}
		w.add(r.at, a, in.window, keep)
	}
	for key, w := range s.windows {
		gr := g.groups[key]
		if gr == nil {
			delete(s.windows, key) // the source forgot it
			continue
		}
		m, err := s.limit.measure(w.growth(in.window), g.bounds)
		if err != nil {
			return err
		}
		m.group = gr.attrs
		if m.crossed != nil && s.long {
			longer, err := s.limit.measure(w.growth(keep), g.bounds)
			if err != nil {
				return err
			}
			m.lasting = longer.crossed != nil && longer.crossed.edge == m.crossed.edge
		}
		r.groups = append(r.groups, m)
	}
	if hidden > 0 {
		return fmt.Errorf("%s: %s measurements went to the overflow series (cardinality limit)", in.metric, number(hidden))
	}
	return nil
}

// gatherRatio gathers both sides; a group without a numerator has none of it.
func (i *Indicator) gatherRatio(c catalog) (gathered, error) {
	side := func(in *Indicator) (gathered, error) {
		s := *in
		s.per = append(s.per[:len(s.per):len(s.per)], i.per...)
		s.matchers = append(s.matchers[:len(s.matchers):len(s.matchers)], i.matchers...)
		return s.gather(c)
	}
	num, err1 := side(i.num)
	den, err2 := side(i.den)
	out := gathered{groups: map[attribute.Distinct]*group{}, found: den.found, overflow: math.Max(num.overflow, den.overflow)}
	if !i.windowed() {
		out.found = num.found && den.found
	}
	for key, d := range den.groups {
		n := 0.0
		if v, ok := num.groups[key]; ok {
			n = v.amount[0]
		}
		out.groups[key] = &group{d.attrs, amounts{n, d.amount[0]}}
	}
	return out, errors.Join(err1, err2)
}

// unit is the unit of the indicator, given that of its metric.
func (i *Indicator) unit(metric string) string {
	switch i.kind {
	case kindOver, kindRatio:
		return "1"
	case kindAge:
		return "s"
	case kindIncrease:
		if metric == "s" || metric == "ms" { // a histogram's count is of no unit
			return "1"
		}
	}
	return metric
}
