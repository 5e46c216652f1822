package evidence

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"github.com/otelhealth/otelhealth/healthcheck/internal/text"
	"go.opentelemetry.io/otel/attribute"
)

// A Sampler turns each collection into the reading of one rule. The collector's
// goroutine owns it; the judge sees only the immutable reading.
type Sampler struct {
	rule      *query.Rule              // as written, durations in seconds
	resolved  *query.Rule              // in the unit of the metric; nil until the metric is seen
	seen      shape                    // of the metric, as resolved
	observed  func(metric string) bool // reports that its series may begin at any value
	Long      bool                     // keep four windows, for a rule that may eject the instance
	missing   []string                 // metrics that were in no collection yet
	first     time.Time                // of the samples since the windows began
	unmatched time.Time                // since when the filter matches nothing; zero if it does
	ledger    *ledger                  // of an indicator with a window
	reading   atomic.Pointer[Reading]
	epoch     atomic.Int64 // the judge raises it to restart all windows
	begun     int64        // the epoch of the windows

	// Dated reports whether the start times of a metric's series say when these began at zero. If it
	// is nil, all do.
	Dated func(metric string) bool
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

	Unmatched *Unmatched // what the filter misses; nil if it matches
	epoch     int64      // of the sampler's windows
}

// StaleAfter is the age at which a reading is stale, because several collections have failed.
const StaleAfter = 30 * time.Second

const (
	maxAhead = 5 * time.Minute            // how far a timestamp of the past may be ahead of now, because clocks differ
	maxUntil = 200 * 365 * 24 * time.Hour // how far a timestamp of the future may be ahead
)

// longWindows is the number of windows over which a limit must be crossed before a rule on traffic
// ejects the instance.
const longWindows = 4

// NewSampler makes the sampler of a rule. long keeps four windows. observed reports whether the
// series of a metric may begin at any value.
func NewSampler(r *query.Rule, long bool, observed func(string) bool) *Sampler {
	return &Sampler{rule: r, Long: long, observed: observed, missing: r.Indicator.Metrics(), ledger: newLedger(&r.Indicator)}
}

// Sample reads one collection.
func (s *Sampler) Sample(at time.Time, c Catalog) {
	r := &Reading{At: at, Rule: s.rule, epoch: s.epoch.Load()}
	if r.epoch != s.begun {
		s.begun = r.epoch
		s.ledger.restart()
		s.first = time.Time{}
	}
	if s.first.IsZero() {
		s.first = at
	}
	if err := s.read(r, c); err != nil {
		r.Problem = err.Error()
		errors.As(err, &r.Mistake)
	}
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
	if in.Windowed() {
		return s.readWindows(r, c)
	}
	var all levels
	var is shape
	var err error
	if in.Kind == query.KindRatio {
		num, den := s.ledger.sides[0], s.ledger.sides[1]
		all, is, err = gatherRatio(&num.in, &den.in, c)
	} else {
		all, is, err = gather(in, c)
	}
	if err = s.fit(r, is, err); err != nil {
		return err
	}
	var problems []error
	for _, l := range all {
		if m, err := s.compare(r, l, is.unit); err != nil {
			problems = append(problems, of(l.attrs, err))
		} else {
			r.Groups = append(r.Groups, m)
		}
	}
	return first(problems)
}

// compare compares the present value of a group with the rule.
func (s *Sampler) compare(r *Reading, l *level, unit string) (m Measure, err error) {
	in := &s.rule.Indicator
	m = Measure{Group: l.attrs, Value: l.value}
	switch in.Kind {
	case query.KindTimeSince, query.KindTimeUntil:
		ahead := maxAhead
		m.Value = float64(r.At.UnixNano())/1e9 - l.value*cmp.Or(query.Seconds(query.TimeUnit(in.Metric, unit)), 1)
		if in.Kind == query.KindTimeUntil {
			ahead = maxUntil
		}
		if l.problem == nil && -m.Value > ahead.Seconds() {
			return m, fmt.Errorf("%s is %s s ahead of now: a gauge of milliseconds needs the unit ms", in.Metric, text.Number(-m.Value))
		}
		if in.Kind == query.KindTimeUntil {
			m.Value = -m.Value
		}
	case query.KindRatio:
		if m.Empty = l.below == 0; !m.Empty {
			m.Value = l.value / l.below
		}
	}
	switch {
	case l.problem != nil:
		return m, l.problem
	case !query.Finite(m.Value):
		return m, fmt.Errorf("%s: the value is %v", in.Metric, m.Value)
	case !m.Empty:
		m.Crossed = worst(r.Rule, m.Value)
	}
	return m, nil
}

// fit resolves the rule by the shape of its metric, if that was seen. err comes first.
func (s *Sampler) fit(r *Reading, is shape, err error) error {
	if is.kind != "" {
		err = cmp.Or(err, s.resolve(is))
	}
	r.Rule, r.Unit = s.effective(), s.rule.Indicator.Unit(s.seen.unit, s.seen.kind)
	return err
}

// of adds the name of a group to its problem.
func of(group attribute.Set, err error) error {
	if _, mistake := errors.AsType[*query.Mistake](err); mistake || group.Len() == 0 {
		return err
	}
	return fmt.Errorf("%w (%s)", err, strings.ToValidUTF8(GroupName(group), "?"))
}

// first returns the first problem by its text, because groups have no order.
func first(problems []error) error {
	if len(problems) == 0 {
		return nil
	}
	return slices.MinFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
}

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
	e := s.ledger.begin(r.At, in.Window, keep, s.fromZero)
	for n, sd := range s.ledger.sides {
		e.sum(sd, read[n], kinds[n])
	}
	if e.changed { // the old counts can't be compared
		s.ledger.restart()
		e = s.ledger.begin(r.At, in.Window, keep, s.fromZero)
		for n, sd := range s.ledger.sides {
			e.sum(sd, read[n], kinds[n])
		}
	}
	if in.Kind == query.KindIncrease && len(in.GroupBy) == 0 && s.rule.Lower() && !s.observed(in.Metric) {
		w := e.window(attribute.Set{}) // the counter exists and has counted nothing
		w.live, w.based, w.began = e.now, true, true
		if w.amount == nil {
			w.amount = amounts{0}
		}
	}
	e.close()
	err := s.measureAll(r, e)
	s.miss(r, e)
	return err
}

// miss finds out whether the filter matches nothing, and since when.
func (s *Sampler) miss(r *Reading, e *entry) {
	in := &r.Rule.Indicator
	for _, sd := range slices.Backward(e.sides) { // a ratio without a denominator has no value
		bad := !sd.based || in.Kind == query.KindIncrease && !r.Rule.Lower()
		if r.Unmatched == nil {
			r.Unmatched = unmatched(sd, bad, max(1, in.MinEvents), in.Window)
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
			m, err = s.measure(w, in.Window, e.bounds)
		}
		if err == nil && s.Long {
			err = s.confirm(&m, w, recent, e.bounds)
			r.Traffic.Rate += events(in, w, in.Window) / in.Window.Seconds()
			r.Traffic.Recent += events(in, w, recent)
		}
		if err != nil {
			problems = append(problems, of(w.attrs, err))
			continue
		}
		if w.live != e.now && m.Crossed != nil && m.Crossed.Lower() && in.Kind == query.KindIncrease {
			m.Crossed, m.Empty = nil, true // nobody counts any more
		}
		r.Groups = append(r.Groups, m)
	}
	if err := first(problems); err != nil {
		return err
	}
	folded := 0.0
	for _, sd := range e.sides {
		grown, _ := sd.overflow.growth(in.Window)
		folded = max(folded, grown[0])
	}
	if folded > 0 {
		r.Groups = nil
		return fmt.Errorf("%s: %s measurements went to the overflow series (cardinality limit)", in.Metric, text.Number(folded))
	}
	return nil
}

// fromZero reports whether a new series has counted only since before. A synchronous instrument
// begins at zero, and so does a histogram. Another counter may begin at any value, unless it says
// when it began.
func (s *Sampler) fromZero(metric, kind string, p *series, before time.Time) bool {
	if kind != "counter" || !s.observed(metric) {
		return true
	}
	return p.start.After(before) && (s.Dated == nil || s.Dated(metric))
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
