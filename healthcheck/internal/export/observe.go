package export

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
	"github.com/otelhealth/otelhealth/healthcheck/internal/judge"
	"github.com/otelhealth/otelhealth/healthcheck/internal/run"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/internal/votes"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// ObserveBeats observes a heartbeat.
func (i *Instruments) ObserveBeats(o metric.Observer, name string, beats, active int64) {
	set := metric.WithAttributes(conventions.Heartbeat.String(name))
	o.ObserveInt64(i.beats, beats, set)
	o.ObserveInt64(i.active, active, set)
}

// ObserveFile observes whether a file is invalid.
func (i *Instruments) ObserveFile(o metric.Observer, name string, invalid bool) {
	o.ObserveInt64(i.fileInvalid, one(invalid), metric.WithAttributes(conventions.File.String(name)))
}

// ObserveRequests observes how often a probe was answered with a code.
func (i *Instruments) ObserveRequests(o metric.Observer, p states.Probe, code int, n int64) {
	o.ObserveInt64(i.probeRequests, n, metric.WithAttributes(conventions.ProbeName.String(p.String()), conventions.StatusCode.Int(code)))
}

// ObservePeers observes how many addresses the peers have, how many questions they got, and whether they can
// be reached.
func (i *Instruments) ObservePeers(o metric.Observer, addresses int, requests int64, contact states.Contact) {
	o.ObserveInt64(i.peerAddresses, int64(addresses))
	o.ObserveInt64(i.peerRequests, requests)
	for n, c := range states.Contacts {
		o.ObserveInt64(i.peerStatus, one(c == contact), i.contacts[n])
	}
}

// ObserveVerdict observes a verdict. A stale one is observed as stale.
func (i *Instruments) ObserveVerdict(o metric.Observer, v *judge.Verdict, now time.Time) {
	for n := range v.Checks {
		r := &v.Checks[n]
		i.observeCheck(o, r, i.of(r.Subject))
	}
	for _, p := range states.Probes {
		state, would := v.Effective(p, now).State, v.EffectiveShadow(p, now).State
		for n, s := range states.ProbeStates {
			set := i.probeStates[p][n]
			o.ObserveInt64(i.probeStatus, one(state == s), set)
			o.ObserveFloat64(i.probeDuration, v.Ages[p][n], set) // as of the verdict: it never decreases
			if v.Shadow != nil && p != states.Startup {
				o.ObserveInt64(i.shadowStatus, one(would == s), set)
				o.ObserveFloat64(i.shadowDuration, v.Shadow.Ages[p][n], set)
			}
		}
	}
	if v.Voting {
		o.ObserveFloat64(i.peerStay, v.Stayed) // as of the verdict: it never decreases
		o.ObserveInt64(i.panic, one(v.Panics() && v.Effective(states.Readiness, now).State != verdict.Fail))
	}
	for n, l := range states.Phases {
		o.ObserveInt64(i.lifecycleStatus, one(v.Phase == l), i.lifecycles[n])
	}
}

func (i *Instruments) observeCheck(o metric.Observer, r *judge.Result, c *check) {
	for n, s := range states.CheckStates {
		o.ObserveInt64(i.checkStatus, one(r.State == s), c.states[n])
	}
	if r.Shadow {
		o.ObserveInt64(i.checkInfo, 1, c.shadowRole)
	} else {
		o.ObserveInt64(i.checkInfo, 1, c.role)
	}
	if r.Override != "" {
		o.ObserveInt64(i.checkOverride, 1, metric.WithAttributes(conventions.CheckName.String(r.Subject.Name), conventions.CheckOverride.String(string(r.Override))))
	}
	if r.Shadow {
		o.ObserveInt64(i.checkShadow, 1, c.name)
	}
	if r.Moved {
		o.ObserveFloat64(i.lastTransition, Unix(r.Since), c.name)
	}
	for n, b := range bounds(r.Finding.Rule) {
		o.ObserveFloat64(i.checkLimit, b.Value, c.limits[n])
	}
	if r.Vote != nil {
		for _, vote := range votes.Votes {
			o.ObserveInt64(i.peers, int64(r.Vote.Tally[vote]), c.votes[vote])
		}
	}
	observed := r.Finding.Outcome != nil && r.Finding.Outcome.Observed != nil
	if r.Finding.HasValue && (r.Subject.Rule != nil || observed) {
		o.ObserveFloat64(i.checkValue, r.Finding.Value, c.name)
	}
	if !c.active {
		return
	}
	o.ObserveFloat64(i.checkInterval, c.interval, c.name)
	o.ObserveFloat64(i.checkTimeout, c.timeout, c.name)
	if out := r.Finding.Outcome; out != nil {
		o.ObserveInt64(i.failures, int64(out.Failures), c.name)
		o.ObserveFloat64(i.lastRun, Unix(out.Ran), c.name)
		if !out.LastSuccess.IsZero() {
			o.ObserveFloat64(i.lastSuccess, Unix(out.LastSuccess), c.name)
		}
	}
}

// RecordRun records one finished run of an active check.
func (i *Instruments) RecordRun(ctx context.Context, name string, o *run.Outcome) {
	if !i.created.Load() {
		return
	}
	set := metric.WithAttributes(conventions.CheckName.String(name))
	if o.Failures > 0 {
		set = metric.WithAttributes(conventions.CheckName.String(name), conventions.ErrorType.String(o.Class))
	}
	i.checkDuration.Record(ctx, o.Took.Seconds(), set)
}

// Count counts a change, in the trace of the run that caused it.
func (i *Instruments) Count(v *judge.Verdict, c *judge.Change) {
	if !i.created.Load() || c.Voted || c.Told != nil || c.Shadow {
		return
	}
	ctx := c.Trace(v)
	if r := c.Check; r == nil {
		i.probeTransitions.Add(ctx, 1, metric.WithAttributes(conventions.ProbeName.String(c.Probe.String()), conventions.ProbeState.String(string(v.Probes[c.Probe].State))))
	} else if r.Moved {
		i.checkTransitions.Add(ctx, 1, metric.WithAttributes(conventions.CheckName.String(r.Subject.Name), conventions.CheckState.String(string(r.State))))
	}
}

func one(is bool) int64 {
	if is {
		return 1
	}
	return 0
}

// Unix converts a time for metrics: seconds since 1970.
func Unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1e3 }
