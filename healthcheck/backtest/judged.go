package backtest

import (
	"maps"
	"slices"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/history"
	"github.com/otelhealth/otelhealth/healthcheck/internal/replay"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// judged is one instance after its judgements.
type judged struct {
	Instance
	rules    []replay.Rule
	strips   []strip // of the rules, then readiness, then its shadow
	samples  int
	step     time.Duration
	recorded []Agreement // of the rules, then readiness
	last     replay.Judgement
	was      map[string]string // recorded states of checks with it
	dated    bool              // the times of changes are recorded; a check without a change has no time
	at       time.Time         // of the last sample
	steps    [5]time.Duration  // between the last samples
}

// A strip is a row of spans that grows.
type strip struct {
	spans []Span
	open  bool // the last span goes on
}

func newJudged(name string, rules []replay.Rule) *judged {
	return &judged{Instance: Instance{Name: name}, rules: rules, strips: make([]strip, len(rules)+2), recorded: make([]Agreement, len(rules)+1)}
}

// set says what holds from a time on.
func (s *strip) set(at time.Time, r replay.Range) {
	if s.open {
		last := &s.spans[len(s.spans)-1]
		last.To = at
		if last.Low == r.Low && last.High == r.High {
			return
		}
	}
	s.spans, s.open = append(s.spans, Span{From: at, To: at, Low: r.Low, High: r.High}), true
}

// add adds a judgement.
func (j *judged) add(of *replay.Judgement, step time.Duration) {
	j.samples++
	after := j.missing(of)
	if of.Restarted {
		j.Restarts = append(j.Restarts, of.At)
	}
	for n := range j.strips {
		s := &j.strips[n]
		if !after.IsZero() && s.open {
			s.set(after.Add(max(step, tick)), replay.Range{})
		}
		s.set(of.At, j.state(of, n))
	}
}

// missing returns the time of the last sample, if samples are missing between it and this one; zero if none
// are. Samples are missing if the replay found a gap, or after more than two and a half usual steps.
func (j *judged) missing(of *replay.Judgement) (after time.Time) {
	if j.at.IsZero() {
		j.at = of.At
		return after
	}
	step, sorted := of.At.Sub(j.at), j.steps
	slices.Sort(sorted[:])
	usual := sorted[len(sorted)/2]
	if !of.After.IsZero() || usual > 0 && step > usual*5/2 {
		after = j.at
	} else {
		copy(j.steps[:], j.steps[1:])
		j.steps[len(j.steps)-1] = step
	}
	j.at = of.At
	return after
}

func (j *judged) state(of *replay.Judgement, n int) replay.Range {
	switch n {
	case len(j.rules):
		return of.Ready
	case len(j.rules) + 1:
		return of.Shadow
	}
	return of.Rules[n]
}

// end ends the strips. The last state lasts for one step.
func (j *judged) end(step time.Duration) {
	j.step = step
	for n := range j.strips {
		if s := &j.strips[n]; s.open {
			s.spans[len(s.spans)-1].To = s.spans[len(s.spans)-1].To.Add(max(step, tick))
		}
	}
	k := len(j.rules)
	j.Ready = j.strips[k].spans
	if replay.Shadows(j.rules) {
		j.Shadow = j.strips[k+1].spans
	}
	j.Rules = map[string][]Span{}
	for n := range j.rules {
		j.Rules[j.rules[n].Name] = j.strips[n].spans
	}
}

// compare compares the recorded states with the certain ones of the backtest. A Monitor exports its last
// verdict, and that is older than the collection. So if the times of changes are recorded, a recorded state
// is compared with the collection before, if it has not changed since then. Readiness is compared only if
// all its checks are rules of the backtest.
func (j *judged) compare(of *replay.Judgement, was history.Recorded) {
	known, dated, newest := 0, true, time.Time{}
	goesOn := len(j.was) > 0 && of.After.IsZero() && !of.Restarted
	unchanged := func(since time.Time) bool { return goesOn && since.Before(j.last.At.Add(tick*3/4)) }
	for n := range j.rules {
		name := j.rules[n].Name
		state := verdict.State(was.Checks[name])
		if state == "" {
			continue
		}
		known++
		since := was.Since[name]
		switch {
		case since.IsZero() && j.dated && j.was[name] != was.Checks[name]: // the check has no evidence yet
		case since.IsZero() && !j.dated:
			dated = false
			j.recorded[n].count(of.At, j.Name, name, of.Exported.Rules[n], state)
		case unchanged(since) && !j.last.Kept[n]:
			j.recorded[n].count(j.last.At, j.Name, name, j.last.Rules[n], state)
		}
		if since.After(newest) {
			newest = since
		}
	}
	if state := verdict.State(was.Probes["readiness"]); state != "" && known == len(j.rules) && known == len(was.Checks) {
		switch a := &j.recorded[len(j.rules)]; {
		case !dated:
			a.count(of.At, j.Name, "", of.Exported.Ready, state)
		case unchanged(newest) && !slices.Contains(j.last.Kept, true):
			a.count(j.last.At, j.Name, "", j.last.Ready, state)
		}
	}
	j.last, j.was = *of, maps.Clone(was.Checks)
}

func (a *Agreement) count(at time.Time, instance, rule string, is replay.Range, was verdict.State) {
	a.Samples++
	if !is.Certain() {
		return
	}
	a.Certain++
	if is.Low == was {
		a.Equal++
	} else if a.Differs == nil {
		a.Differs = &Difference{at, instance, rule, was, is.Low}
	}
}

// with returns the sum of two agreements.
func (a Agreement) with(o Agreement) Agreement {
	a.Samples, a.Certain, a.Equal = a.Samples+o.Samples, a.Certain+o.Certain, a.Equal+o.Equal
	if a.Differs == nil || o.Differs != nil && o.Differs.Time.Before(a.Differs.Time) {
		a.Differs = o.Differs
	}
	return a
}
