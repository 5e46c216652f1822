package export

import (
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
	"github.com/otelhealth/otelhealth/healthcheck/internal/judge"
	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/internal/votes"
)

// check has the attribute sets and the constants of one check, built once.
type check struct {
	name, role        metric.ObserveOption
	shadowRole        metric.ObserveOption // role of a check in shadow: informational
	states            [len(states.CheckStates)]metric.ObserveOption
	limits            []metric.ObserveOption
	votes             [len(votes.Votes)]metric.ObserveOption
	active            bool
	interval, timeout float64 // of an active check, in seconds
}

// of returns the attribute sets of a subject, and builds them the first time.
func (i *Instruments) of(s *judge.Subject) *check {
	if c, ok := i.checks.Load(s); ok {
		return c.(*check)
	}
	c, _ := i.checks.LoadOrStore(s, newCheck(s))
	return c.(*check)
}

// Forget removes a subject that is no longer judged.
func (i *Instruments) Forget(s *judge.Subject) { i.checks.Delete(s) }

func newCheck(c *judge.Subject) *check {
	o := &check{active: c.Interval > 0, interval: c.Interval.Seconds(), timeout: c.Timeout.Seconds()}
	name := conventions.CheckName.String(c.Name)
	with := func(kv ...attribute.KeyValue) metric.ObserveOption {
		return metric.WithAttributeSet(attribute.NewSet(append(kv, name)...))
	}
	o.name, o.role = with(), with(conventions.CheckRole.String(states.Role(c.OnFail)))
	o.shadowRole = with(conventions.CheckRole.String(states.Role(states.ShowOnly)))
	for n, s := range states.CheckStates {
		o.states[n] = with(conventions.CheckState.String(string(s)))
	}
	for _, v := range votes.Votes {
		o.votes[v] = with(conventions.PeerVote.String(v.String()))
	}
	for _, b := range bounds(c.Rule) {
		o.limits = append(o.limits, with(conventions.LimitType.String(string(b.Edge))))
	}
	return o
}

func bounds(r *query.Rule) []query.Bound {
	if r == nil {
		return nil
	}
	return r.Bounds
}
