package evidence

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
)

// longWindows is the number of windows over which a limit must be crossed before a rule on traffic
// ejects the instance.
const longWindows = 4

// readWindows reads an indicator that looks back.
func (s *Sampler) readWindows(r *Reading, c Catalog) error {
	in := &s.rule.Indicator
	keep := in.Window
	if s.Long {
		keep *= longWindows
	}
	var is shape
	var errs []error
	read := make([][]Metric, len(s.ledger.sides))
	kinds := make([]string, len(s.ledger.sides))
	for n, sd := range s.ledger.sides {
		var err error
		read[n], is, err = metrics(&sd.in, c)
		kinds[n] = is.kind
		errs = append(errs, err)
	}
	if err := s.fit(r, is, both(errs...)); err != nil {
		return err
	}
	e := s.begin(r.At, keep)
	for n, sd := range s.ledger.sides {
		e.sum(sd, read[n], kinds[n])
	}
	if e.changed { // old and new counts can't be compared
		s.ledger.restart()
		s.apart.changed = true
		e = s.begin(r.At, keep)
		for n, sd := range s.ledger.sides {
			e.sum(sd, read[n], kinds[n])
		}
	}
	if in.Kind == query.KindIncrease && len(in.GroupBy) == 0 && s.rule.Lower() && !s.observed(in.Metric) {
		w := e.window(attribute.Set{}) // a counter that exists and has no series has counted nothing
		w.live, w.based, w.began = e.now, true, true
		if w.amount == nil {
			w.amount = amounts{0}
		}
	}
	e.close()
	var err error
	if s.Apart != nil {
		err = s.keep(e)
	} else {
		err = s.measureAll(r, e)
	}
	s.miss(r, e)
	r.Inexact = inexact(r.Rule, e)
	return err
}

// miss finds out whether the filter matches nothing, and since when.
func (s *Sampler) miss(r *Reading, e *entry) {
	in := &r.Rule.Indicator
	for _, sd := range slices.Backward(e.sides) { // the denominator first, because without it a ratio has no value
		bad := !sd.based || in.Kind == query.KindIncrease && !r.Rule.Lower()
		if r.Unmatched == nil {
			r.Unmatched = unmatched(sd, bad, max(1, in.MinEvents), in.Window)
		}
		if r.Unmatched == nil && sd.based {
			r.Unmatched = ungrouped(sd)
		}
	}
	switch {
	case r.Unmatched == nil:
		s.unmatched = time.Time{}
	case s.unmatched.IsZero():
		s.unmatched = r.At
	default:
		r.Unmatched.Lasting = r.At.Sub(s.unmatched) >= in.Window
	}
}

// measureAll compares every group with the rule.
func (s *Sampler) measureAll(r *Reading, e *entry) error {
	in := &r.Rule.Indicator
	recent := in.Window / 3
	r.Traffic = Traffic{Span: recent, Known: r.At.Sub(s.first) >= in.Window || in.Kind == query.KindIncrease}
	var problems []error
	for _, w := range e.windows {
		err := w.problem
		w.problem, w.began = nil, false
		if err == nil && (len(w.slots) == 0 || !w.based) {
			continue
		}
		var m Measure
		if err == nil {
			m, err = s.measure(e, w, in.Window)
		}
		if err == nil && s.Long {
			err = s.confirm(e, &m, w, recent)
			r.Traffic.Rate += events(in, w, in.Window) / in.Window.Seconds()
			r.Traffic.Recent += events(in, w, recent)
		}
		if err != nil {
			problems = append(problems, of(w.attrs, err))
			continue
		}
		if w.live != e.now && m.Crossed != nil && m.Crossed.Lower() && in.Kind == query.KindIncrease {
			m.Crossed, m.Doubt, m.Empty = nil, nil, true // no series counts any more
		}
		r.Groups = append(r.Groups, m)
	}
	if err := first(problems); err != nil {
		return err
	}
	return s.judgeFolded(r, e)
}

// judgeFolded compares a group without events of its own. All events of the overflow series may belong to it.
func (s *Sampler) judgeFolded(r *Reading, e *entry) error {
	in := &r.Rule.Indicator
	hidden := e.folded(in.Window, s.early())
	for _, sd := range e.sides {
		if err := sd.overflow.problem; err != nil {
			sd.overflow.problem = nil
			return err
		}
	}
	r.Folded = total(hidden)
	if n := e.sides; len(n) == 2 && n[0].in.Metric == n[1].in.Metric && n[0].in.Source == n[1].in.Source {
		r.Folded = max(hidden[0], hidden[1]) // both sides have the same overflow series
	}
	if r.Folded == 0 {
		return nil
	}
	w := &window{}
	if len(in.GroupBy) > 0 {
		w.attrs = attribute.NewSet(overflowKey.Bool(true))
	} else if slices.ContainsFunc(r.Groups, func(m Measure) bool { return m.Group.Len() == 0 }) {
		return nil
	}
	m, err := s.measure(e, w, in.Window)
	if m.Doubt != nil {
		m.Empty = true
		r.Groups = append(r.Groups, m)
	}
	return err
}

// fromZero reports whether a new series began at zero, and later than before. A synchronous instrument
// begins at zero, and so does a histogram. Another counter may begin at any value, unless its start time
// says when it was zero.
func (s *Sampler) fromZero(metric, kind string, p *series, before time.Time) bool {
	if kind != "counter" || !s.observed(metric) {
		return true
	}
	return p.start.After(before) && (s.Dated == nil || s.Dated(metric))
}

// measure compares a group's growth over a span with the rule.
func (s *Sampler) measure(e *entry, w *window, span time.Duration) (m Measure, err error) {
	growth, covered := w.growth(span, s.early())
	if len(growth) < len(e.sides) {
		growth = make(amounts, len(e.sides)) // no series, so no growth
	}
	m = compare(s.effective(), growth, e.folded(span, s.early()), e.bounds)
	m.Group = w.attrs
	if !query.Finite(m.Value) { // finite series can have an infinite sum
		err = fmt.Errorf("%s: the value is %v", s.rule.Indicator.Metric, m.Value)
	}
	if s.rule.Lower() && s.rule.Indicator.Kind == query.KindIncrease && covered < span-s.early() && (m.Crossed != nil || m.Doubt != nil) {
		m.Crossed, m.Doubt, m.Empty = nil, nil, true // the growth is low because the window is not full yet
	}
	return m, err
}

// early returns by how much a collection may be too young for a window of the rule.
func (s *Sampler) early() time.Duration {
	if s.rule.Lower() {
		return 0
	}
	return early
}

// confirm sets Lasting and Ongoing of a measure that crosses a limit.
func (s *Sampler) confirm(e *entry, m *Measure, w *window, recent time.Duration) error {
	if m.Crossed == nil {
		return nil
	}
	longer, err1 := s.measure(e, w, longWindows*s.rule.Indicator.Window)
	now, err2 := s.measure(e, w, recent)
	same := func(o Measure) bool { return o.Crossed != nil && o.Crossed.Edge == m.Crossed.Edge }
	m.Lasting = same(longer)
	m.Ongoing = same(now) || now.Empty && (m.Crossed.Lower() || now.Bad > 0)
	return errors.Join(err1, err2)
}
