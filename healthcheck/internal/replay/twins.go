package replay

import (
	"slices"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/judge"
	"github.com/otelhealth/otelhealth/healthcheck/internal/lifecycle"
	"github.com/otelhealth/otelhealth/healthcheck/internal/memory"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// twins judge readiness, one in the best case and one in the worst.
type twins struct {
	best, worst twin
	last        States
}

type twin struct {
	judge judge.Judge
	prev  *judge.Verdict
	found []verdict.State // by rule
}

func newTwins(rules []Rule) *twins {
	t := &twins{}
	for _, one := range []*twin{&t.best, &t.worst} {
		one.found = make([]verdict.State, len(rules))
		one.judge.Suspension = time.Duration(1<<63 - 1) // a step between samples is not a suspension
		for n := range rules {
			r := &rules[n]
			one.judge.Subjects = append(one.judge.Subjects, &judge.Subject{
				Name: r.Name, OnFail: r.OnFail, Rule: r.Query, Shadow: r.Shadow,
				Evaluate: func(memory.Instant) judge.Finding { return judge.Finding{State: one.found[n]} },
			})
		}
	}
	return t
}

// judge judges the states of all rules. The result is not changed later.
func (t *twins) judge(at time.Time, tracks []*track, of func(*track) Range) States {
	same := t.last.Rules != nil
	for n, one := range tracks {
		same = same && t.last.Rules[n] == of(one)
	}
	if same {
		return t.last
	}
	s := States{Rules: make([]Range, len(tracks))}
	for n, one := range tracks {
		s.Rules[n] = of(one)
		t.best.found[n], t.worst.found[n] = s.Rules[n].Low, s.Rules[n].High
	}
	s.Ready.Low, s.Shadow.Low = t.best.next(at)
	s.Ready.High, s.Shadow.High = t.worst.next(at)
	t.last = s
	return s
}

func (t *twin) next(at time.Time) (ready, would verdict.State) {
	t.prev, _ = t.judge.Next(t.prev, judge.Inputs{Now: at, Life: lifecycle.Phase{Current: states.Running}, Override: func(string) verdict.Effect { return "" }})
	ready = t.prev.Probes[states.Readiness].State
	would = ready
	if w := t.prev.Would(states.Readiness); w != nil {
		would = w.State
	}
	return ready, would
}

// Shadows reports whether a rule is in shadow.
func Shadows(rules []Rule) bool {
	return slices.ContainsFunc(rules, func(r Rule) bool { return r.Shadow })
}
