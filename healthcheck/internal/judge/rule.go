package judge

import (
	"fmt"
	"strings"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/internal/memory"
	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"github.com/otelhealth/otelhealth/healthcheck/internal/text"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"

	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
)

// metricRule is a check by a Limit. The judge owns it.
type Rule struct {
	Limit   *query.Limit
	wait    time.Duration
	keep    time.Duration
	Sampler *evidence.Sampler
	created func(metric string) (created, known bool)
	began   time.Time // of the monitor
	damper  memory.Hysteresis
	Hold    *memory.Ejection // of a core check on traffic; nil for others
}

// maxGroup is the length of a group in a reason, in bytes.
const maxGroup = 64

// foreignGrace is how long a gauge of a provider without our View may be missing:
// nobody can see whether its instrument was created.
const foreignGrace = time.Minute

func NewRule(limit *query.Limit, wait, keep time.Duration, s *evidence.Sampler, has func(string) (bool, bool), now time.Time, spread float64) *Rule {
	r := &Rule{Limit: limit, wait: wait, keep: keep, Sampler: s, created: has, began: now, damper: memory.NewHysteresis(wait, keep)}
	if s.Long {
		r.damper = memory.NewHysteresis(wait, 0) // the hold keeps
		r.Hold = memory.NewEjection(keep, limit.Indicator.Window, spread)
	}
	return r
}

func (r *Rule) Assess(at memory.Moment) Finding {
	f, still := r.see(at)
	if !states.Good(f.State) && f.State != verdict.Fail {
		return f // nothing was seen; the memory waits
	}
	seen, why := f.State, f.Output
	f.State = r.damper.Next(seen, at)
	switch {
	case f.State == seen:
	case f.State == verdict.Pass || states.Severity(f.State) < states.Severity(seen):
		f.Output = fmt.Sprintf("%s, but not for %v yet", why, r.wait)
	default:
		f.Output = fmt.Sprintf("crossed less than %v ago", r.keep)
	}
	if r.Hold == nil {
		return f
	}
	return r.holdOut(f, memory.Observation{Failing: f.State == verdict.Fail, Still: still, Well: seen == verdict.Pass}, at)
}

// holdOut lets the hold decide on a finding.
func (r *Rule) holdOut(f Finding, e memory.Observation, at memory.Moment) Finding {
	read, current := r.Sampler.Reading()
	e.At = read.At
	if current {
		e.Traffic = read.Traffic
	}
	s, why, forget := r.Hold.Next(e, at.Now)
	if forget {
		r.Sampler.Forget()
		r.damper.Forget()
	}
	switch {
	case e.Failing && s == verdict.Warn && !forget:
		f.State, f.Output = s, f.Output+"; "+why
	case forget, states.Severity(s) > states.Severity(f.State), s == f.State && s == verdict.Fail && why != "":
		f.State, f.Output = s, why
	}
	return f
}

// see is what the last reading says, without memory, and whether a crossing still
// goes on.
func (r *Rule) see(at memory.Moment) (f Finding, still bool) {
	in := &r.Limit.Indicator
	read, current := r.Sampler.Reading()
	if read == nil {
		return Finding{State: verdict.Unknown, Output: "metrics have not been collected yet"}, false
	}
	f = Finding{State: verdict.Pass, unit: read.Unit, Window: in.Window, Quantile: in.Quantile}
	if age := at.Since(read.At); age > evidence.StaleAfter {
		f.State, f.Output = verdict.Stale, fmt.Sprintf("metrics have not been collected for %v", age.Truncate(time.Second))
		return f, false
	}
	if read.Problem != "" {
		f.State, f.Output = verdict.Unknown, read.Problem
		return f, false
	}
	if name, mistyped := r.mistyped(); mistyped {
		f.State, f.Output = verdict.Unknown, fmt.Sprintf("no instrument named %q has been created", name)
		return f, false
	}
	if len(read.Groups) == 0 {
		f.State, f.Output = r.missing(at)
		return f, false
	}
	if !current {
		return f, false // it was to be forgotten
	}
	m := r.worst(read.Groups)
	f.Group = m.Group
	if m.Empty {
		return f, false
	}
	f.HasValue, f.Value, f.Share = true, m.Value, m.Share
	if m.Crossed == nil {
		return f, false
	}
	f.State = verdict.Warn
	if m.Crossed.Fails() {
		f.State = verdict.Fail
	}
	f.Output = quantity(in, m, read.Unit) + limitWords(m.Crossed, in.IsShare())
	if m.Group.Len() > 0 {
		f.Output += " (" + text.Shorten(strings.ToValidUTF8(evidence.GroupName(m.Group), "?"), maxGroup) + ")"
	}
	if f.State == verdict.Fail && r.Hold != nil && !grave(m) {
		f.State = verdict.Warn // enough to tell, not to take the instance out
	}
	return f, m.Still
}

func (r *Rule) worst(groups []evidence.Measure) *evidence.Measure {
	worst := &groups[0]
	for n := range groups {
		if worse(&groups[n], worst, r.Hold != nil) {
			worst = &groups[n]
		}
	}
	return worst
}

// mistyped finds a metric whose instrument nobody has created.
func (r *Rule) mistyped() (name string, yes bool) {
	for _, name := range r.Limit.Indicator.Metrics() {
		if created, known := r.created(name); known && !created {
			return name, true
		}
	}
	return "", false
}

// missing judges metrics without series.
func (r *Rule) missing(at memory.Moment) (verdict.State, string) {
	in := &r.Limit.Indicator
	for _, name := range in.Metrics() {
		_, known := r.created(name)
		if !in.Windowed() && (known || at.Now.Sub(r.began) > foreignGrace) {
			return verdict.Unknown, fmt.Sprintf("%s has no value", name)
		}
	}
	return verdict.Pass, "" // no traffic is not an outage
}

// quantity reads "p99 0.81 s" or "95 {item}".
func quantity(i *query.Indicator, m *evidence.Measure, unit string) string {
	s := text.Number(m.Value)
	switch {
	case i.IsShare():
		return text.Number(m.Value*100) + " %"
	case i.Kind == query.KindQuantile && m.Crossed.Crossed(m.Value):
		s = "p" + text.Number(i.Quantile*100) + " " + s
	case i.Kind == query.KindQuantile: // within the limit's bucket, or beyond the last one
		s = "p" + text.Number(i.Quantile*100) + " over " + text.Number(m.Crossed.Value)
	}
	if unit != "" && unit != "1" && unit[0] != '{' {
		s += " " + unit
	}
	return s
}

// limitWords reads "of at most 80", of a share "of at most 5 %", and of a limit that only
// warns ", warns above 50".
func limitWords(b *query.Bound, share bool) string {
	v := text.Number(b.Value)
	if share {
		v = text.Number(b.Value*100) + " %"
	}
	switch b.Edge {
	case query.MaxWarn:
		return ", warns above " + v
	case query.MinWarn:
		return ", warns below " + v
	case query.MinFail:
		return " of at least " + v
	default:
		return " of at most " + v
	}
}

// minBad is how many events beyond the limit it takes, before an instance may be taken out.
const minBad = 10

// grave reports whether evidence from traffic may take the instance out: the
// limit is crossed over the long window too, by more than a handful of events.
func grave(m *evidence.Measure) bool {
	return m.Lasting && (m.Crossed.Lower() || m.Bad >= minBad)
}

// worse orders groups so that the one that decides comes first: by state, then
// by value, then by name. Of a core check on traffic, a grave crossing is worse
// than one that is not.
func worse(a, b *evidence.Measure, traffic bool) bool {
	rank := func(m *evidence.Measure) int {
		switch {
		case m.Crossed == nil && m.Empty:
			return 0
		case m.Crossed == nil:
			return 1
		case !m.Crossed.Fails(), traffic && !grave(m):
			return 2
		}
		return 3
	}
	if ra, rb := rank(a), rank(b); ra != rb {
		return ra > rb
	}
	if a.Value != b.Value {
		return (a.Value > b.Value) != (a.Crossed != nil && a.Crossed.Lower())
	}
	return evidence.GroupName(a.Group) < evidence.GroupName(b.Group)
}
