package judge

import (
	"fmt"
	"slices"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/internal/memory"
	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"github.com/otelhealth/otelhealth/healthcheck/internal/run"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/internal/text"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// A Rule judges the readings of a sampler, with its own memory. The judge owns it.
type Rule struct {
	rule     *query.Rule
	sampler  *evidence.Sampler
	wait     time.Duration
	keep     time.Duration
	created  Created
	Unfit    func() *query.Mistake // mistake of the rule about an instrument without series; nil if there is none or the instrument is unknown
	began    time.Time
	readable bool // the metrics could be read at least once
	groups   memory.Groups
	ejection *memory.Ejection // of a rule on traffic that may eject the instance; nil for others
	starts   run.Starts
}

// Created returns how an instrument was created.
type Created func(metric string) Creation

// Creation is how an instrument without series was created.
type Creation int

const (
	NotKnown   Creation = iota // no View sees the instruments
	NotCreated                 // its name may be mistyped
	Recorded                   // it has a series once somebody has recorded a value
	Observed                   // it has a series in every collection
)

// NewRule makes the judge of a rule. wait is its For and keep its KeepFor. A missing metric counts
// from now on. jitter is from 0 to 1, by instance.
func NewRule(r *query.Rule, wait, keep time.Duration, s *evidence.Sampler, created Created, now time.Time, jitter float64) *Rule {
	out := &Rule{rule: r, sampler: s, wait: wait, keep: keep, created: created, began: now, groups: memory.NewGroups(wait, keep)}
	if s.Long {
		out.groups = memory.NewGroups(wait, 0) // the ejection has KeepFor instead
		out.ejection = memory.NewEjection(keep, r.Indicator.Window, jitter)
	}
	return out
}

const (
	// foreignGrace is how long a gauge may be missing if the provider does not use our View. Without it, we
	// can't see whether the instrument was created.
	foreignGrace = time.Minute

	// minBad is how many events beyond the limit an ejection needs.
	minBad = 10
)

// Evaluate returns the rule's finding at an instant.
func (r *Rule) Evaluate(at memory.Instant) Finding {
	f, groups := r.seen(at)
	seen := f
	f = r.judged(f, groups, at)
	f.Starts = r.date(seen, f.State, at)
	if read, current := r.sampler.Reading(); current {
		f.Mistake = read.Inexact
	}
	return f
}

// Notice returns the longest time from the beginning of an outage until the rule fails, if there is traffic:
// the window and For. For a rule that ejects it is zero, because the delay of an ejection is longer.
func (r *Rule) Notice() time.Duration {
	if r.ejection != nil {
		return 0
	}
	return min(r.rule.Indicator.Window, time.Hour) + min(r.wait, time.Hour)
}

// date notes when the present evidence began. A good reading is evidence about its whole window, so its
// start is the start of the window. For peers it is a success only if that is after their failure.
func (r *Rule) date(seen Finding, state verdict.State, at memory.Instant) run.Starts {
	read, current := r.sampler.Reading()
	switch {
	case !states.Good(seen.State):
		if r.starts.Failure = at.Now; r.starts.Row.IsZero() {
			r.starts.Row = at.Now
		}
	case states.Good(state):
		r.starts.Row = time.Time{}
		if seen.HasValue && current {
			r.starts.Success = read.At.Add(-r.rule.Indicator.Window)
		}
	}
	return r.starts
}

// Observe returns the finding without a decision on an ejection, and whether a crossing goes on. It is for a
// caller that makes this decision.
func (r *Rule) Observe(at memory.Instant) (f Finding, ongoing bool) {
	f, groups := r.seen(at)
	if !states.Good(f.State) && f.State != verdict.Fail {
		r.groups.Gap(at)
		return f, false
	}
	return r.remember(f, groups, at)
}

// Calm reports whether no crossing is remembered, so that good evidence changes nothing.
func (r *Rule) Calm() bool { return r.groups.Calm() }

// Forget forgets all crossings.
func (r *Rule) Forget() { r.groups.Forget() }

// judged adds the memory of the rule to a finding.
func (r *Rule) judged(f Finding, groups []evidence.Measure, at memory.Instant) Finding {
	if !states.Good(f.State) && f.State != verdict.Fail {
		r.groups.Gap(at)
		return r.unreadable(f, at)
	}
	r.readable = true
	well := f.State == verdict.Pass
	f, ongoing := r.remember(f, groups, at)
	if r.ejection == nil {
		return f
	}
	o := memory.Observation{Failing: f.State == verdict.Fail, Ongoing: ongoing, Well: well}
	if read, current := r.sampler.Reading(); current {
		o.Traffic = read.Traffic
	}
	return r.ejecting(f, o, at)
}

// remember adds the memory of each group to a finding, and returns the finding of the worst group. It also
// returns whether the crossing goes on.
func (r *Rule) remember(f Finding, groups []evidence.Measure, at memory.Instant) (Finding, bool) {
	var counts *evidence.Measure // the worst group in the state that counts most
	state, ongoing := verdict.Pass, false
	if groups == nil {
		state = r.groups.Next(f.Group, f.State, at) // the rule itself is the group
	}
	for n := range groups {
		m := &groups[n]
		own := r.state(m)
		if own == verdict.Pass && f.State != verdict.Pass && m.Group.Equals(&f.Group) {
			own = f.State // warn if some evidence is missing
		}
		s := r.groups.Next(m.Group, own, at)
		if s == verdict.Pass {
			continue
		}
		if states.Severity(s) > states.Severity(state) || s == state && (counts == nil || r.worse(m, counts)) {
			state, counts = s, m
		}
	}
	if s := r.groups.Rest(at); states.Severity(s) > states.Severity(state) {
		state, counts = s, nil
	}
	seen := f.State
	switch {
	case counts != nil && r.state(counts) == state: // perhaps a worse group has crossed its limit only now
		read, _ := r.sampler.Reading()
		f, ongoing = r.of(read, counts), counts.Ongoing
	case state == seen:
	case state == verdict.Pass || states.Severity(state) < states.Severity(seen):
		f.Reason = fmt.Sprintf("%s, but not for %v yet", f.Reason, r.wait)
	default:
		f.Reason = fmt.Sprintf("crossed less than %v ago", r.keep)
	}
	f.State = state
	return f, ongoing
}

// unreadable lets the ejection decide on evidence that was readable before and is not any more. The cause,
// such as a second library that uses the name, usually affects all instances at once. So no instance is
// taken out for it while its traffic is unknown. A rule that was never readable is unknown, and that stops a
// rollout.
func (r *Rule) unreadable(f Finding, at memory.Instant) Finding {
	if r.ejection == nil || !r.readable || f.State != verdict.Unknown {
		return f
	}
	f.State = verdict.Warn
	return r.ejecting(f, memory.Observation{Failing: true, Ongoing: true}, at)
}

// ejecting lets the ejection decide on a finding.
func (r *Rule) ejecting(f Finding, o memory.Observation, at memory.Instant) Finding {
	read, _ := r.sampler.Reading()
	o.At = read.At
	s, why, forget := r.ejection.Next(o, at.Now)
	if forget {
		r.sampler.Forget()
		r.groups.Forget()
	}
	switch {
	case o.Failing && s == verdict.Warn && !forget:
		f.State, f.Reason = s, f.Reason+"; "+why
	case forget, states.Severity(s) > states.Severity(f.State), s == f.State && s == verdict.Fail && why != "":
		f.State, f.Reason = s, why
	}
	return f
}

// seen returns the finding of the last reading, without memory, and the groups that were judged.
func (r *Rule) seen(at memory.Instant) (f Finding, groups []evidence.Measure) {
	read, current := r.sampler.Reading()
	if read == nil {
		return Finding{State: verdict.Unknown, Reason: "metrics have not been collected yet", None: true, Rule: r.rule}, nil
	}
	f = Finding{State: verdict.Pass, Unit: read.Unit, Rule: read.Rule}
	if age := at.Since(read.At); age > evidence.StaleAfter {
		f.State, f.Reason = verdict.Stale, fmt.Sprintf("metrics have not been collected for %v", age.Truncate(time.Second))
		return f, nil
	}
	if read.Problem != "" && !slices.ContainsFunc(read.Groups, fails) {
		f.State, f.Reason = verdict.Unknown, read.Problem
		return f, nil
	}
	if name, mistyped := r.mistyped(); mistyped {
		f.State, f.Reason = verdict.Unknown, fmt.Sprintf("no instrument named %q has been created", name)
		return f, nil
	}
	if len(read.Groups) == 0 {
		if r.Unfit != nil {
			if bad := r.Unfit(); bad != nil { // before the first recorded value
				f.State, f.Reason = verdict.Unknown, bad.Error()
				return f, nil
			}
		}
		f.State, f.Reason = r.missing(at)
		return incomplete(f, read, current), nil
	}
	if !current {
		return f, nil // the reading is from before the last Forget
	}
	return r.of(read, r.worst(read.Groups)), read.Groups
}

// of returns the finding of one group, without memory.
func (r *Rule) of(read *evidence.Reading, m *evidence.Measure) Finding {
	f := Finding{State: r.state(m), Unit: read.Unit, Rule: read.Rule, Group: m.Group}
	if !m.Empty {
		f.HasValue, f.Value, f.Share = true, m.Value, m.Share
	}
	switch {
	case m.Doubt != nil:
		f.Reason = doubt(read, m)
	case m.Crossed != nil:
		f.Reason = crossing(&read.Rule.Indicator, m, read.Unit)
	default:
		f = incomplete(f, read, true)
		if m.Empty && m.Events > 0 && f.Reason == "" {
			f.Reason = fmt.Sprintf("too few events: %s of %s", text.Number(m.Events), text.Number(read.Rule.Indicator.MinEvents)) + group(m)
		}
	}
	return f
}

// state is the state of one group. A crossing that is enough for a warning may not be enough for an
// ejection.
func (r *Rule) state(m *evidence.Measure) verdict.State {
	switch r.rank(m) {
	case 3:
		return verdict.Fail
	case 2:
		return verdict.Warn
	}
	return verdict.Pass
}

// incomplete adds to a passing finding which evidence is missing. The finding warns if some series can't be
// judged, or if the filter has matched nothing for a whole window, because then nothing is judged.
func incomplete(f Finding, read *evidence.Reading, current bool) Finding {
	switch u := read.Unmatched; {
	case f.State != verdict.Pass || !current:
	case read.Hidden != "":
		f.State, f.Reason = verdict.Warn, fmt.Sprintf("can't tell: %s", read.Hidden)
	case u != nil:
		f.Reason = u.Text
		if u.Lasting {
			f.State = verdict.Warn
		}
	case read.Inexact != nil:
		f.Reason = read.Inexact.Problem
	}
	return f
}

// fails reports whether a group fails. A problem of another group does not hide that.
func fails(m evidence.Measure) bool { return m.Crossed != nil && m.Crossed.Fails() }

// mistyped returns a metric whose instrument was not created.
func (r *Rule) mistyped() (name string, yes bool) {
	for _, name := range r.rule.Indicator.Metrics() {
		if r.created(name) == NotCreated {
			return name, true
		}
	}
	return "", false
}

// missing judges metrics without series.
func (r *Rule) missing(at memory.Instant) (verdict.State, string) {
	in := &r.rule.Indicator
	if in.Windowed() || len(in.GroupBy) > 0 {
		return verdict.Pass, "" // no traffic is not an outage
	}
	for _, name := range in.Metrics() {
		if c := r.created(name); c == Observed || c == NotKnown && at.Now.Sub(r.began) > foreignGrace {
			return verdict.Unknown, fmt.Sprintf("%s has no value", name)
		}
	}
	return verdict.Pass, "" // no value was recorded yet
}

// worst returns the deciding group: by state, then by value, then by name.
func (r *Rule) worst(groups []evidence.Measure) *evidence.Measure {
	worst := &groups[0]
	for n := range groups {
		if r.worse(&groups[n], worst) {
			worst = &groups[n]
		}
	}
	return worst
}

func (r *Rule) worse(a, b *evidence.Measure) bool {
	if ra, rb := r.rank(a), r.rank(b); ra != rb {
		return ra > rb
	}
	if a.Empty && b.Empty && a.Events != b.Events {
		return a.Events > b.Events // the fullest says most
	}
	if a.Value != b.Value {
		return (a.Value > b.Value) != (a.Crossed != nil && a.Crossed.Lower())
	}
	return evidence.GroupName(a.Group) < evidence.GroupName(b.Group)
}

// rank orders groups by their effect.
func (r *Rule) rank(m *evidence.Measure) int {
	switch {
	case m.Doubt != nil:
		return 2
	case m.Crossed == nil && m.Empty:
		return 0
	case m.Crossed == nil:
		return 1
	case !m.Crossed.Fails(), r.ejection != nil && !ejectable(m):
		return 2
	}
	return 3
}

// ejectable reports whether a rule on traffic may eject the instance: the limit is crossed over the
// long window too, by at least minBad events.
func ejectable(m *evidence.Measure) bool {
	return m.Lasting && (m.Crossed.Lower() || m.Bad >= minBad)
}
