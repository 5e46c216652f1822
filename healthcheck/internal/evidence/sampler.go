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
	observed  func(metric string) bool // reports whether a new series of a metric may begin at any value
	Long      bool                     // keep four windows, for a rule that may eject the instance
	missing   []string                 // metrics that were in no collection yet
	first     time.Time                // of the samples since the windows began
	unmatched time.Time                // since when the filter matches nothing; zero if it matches
	ledger    *ledger                  // of an indicator with a window
	reading   atomic.Pointer[Reading]
	epoch     atomic.Int64 // the judge raises it to restart all windows
	begun     int64        // the epoch of the windows

	// Dated reports whether the start time of a series is the time at which it was zero. If it is nil, that is
	// so for all metrics.
	Dated func(metric string) bool

	// Apart is set if the collections are recorded ones, further apart than a Monitor's. Then only Between
	// returns readings with groups. It is nil in a Monitor.
	Apart *Pace
	apart apart
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

	Unmatched *Unmatched // why the filter matches nothing; nil if it matches
	Folded    float64    // events of the window in the overflow series; their attributes are lost
	Hidden    string     // why some series can't be judged; the groups have the others

	// Inexact is the mistake of a limit between two bucket boundaries: the count beyond it is not known
	// exactly. nil if there is none.
	Inexact *query.Mistake
	epoch   int64 // of the sampler's windows
}

// StaleAfter is the age at which a reading is stale: by then several collections have failed.
const StaleAfter = 30 * time.Second

const (
	maxAhead = 5 * time.Minute            // how far a timestamp of the past may be ahead of now, because clocks differ
	maxUntil = 200 * 365 * 24 * time.Hour // how far a timestamp of the future may be ahead
)

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
	s.apart.entry, s.apart.changed = nil, false
	if s.Apart != nil && (s.Apart.Gap || s.reading.Load() == nil) {
		s.apart.blind = at
	}
	if err := s.read(r, c); err != nil {
		r.Problem = err.Error()
		errors.As(err, &r.Mistake)
	}
	if s.Apart != nil {
		s.apart.prev = s.reading.Load()
	}
	s.reading.Store(r)
}

// Set makes a reading the last one, in place of a collection.
func (s *Sampler) Set(r *Reading) {
	r.epoch = s.epoch.Load()
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

// Found calls tell once for every metric of the rule that is in a collection. It does not ask again: if the
// series end later, the instrument still exists.
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
	if s.Apart != nil {
		s.apart.levels.note(s.ledger.sides, r.At, c, s.Apart.Gap)
	}
	var all levels
	var is shape
	var hidden string
	var err error
	if in.Kind == query.KindRatio {
		num, den := s.ledger.sides[0], s.ledger.sides[1]
		all, is, hidden, err = gatherRatio(&num.in, &den.in, c)
	} else {
		all, is, hidden, err = gather(in, c)
	}
	if err = s.fit(r, is, err); err != nil {
		return err
	}
	r.Hidden = hidden
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
		m.Crossed, _ = interval{m.Value, m.Value}.crossings(r.Rule)
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

// resolve converts the rule's bounds to the unit of its metric.
func (s *Sampler) resolve(seen shape) (err error) {
	if s.resolved == nil || s.seen != seen {
		s.resolved, err = s.rule.Resolved(seen.unit, seen.kind)
		s.seen = seen
	}
	return err
}

// effective returns the rule in the unit of its metric, or as written until that is known.
func (s *Sampler) effective() *query.Rule { return cmp.Or(s.resolved, s.rule) }
