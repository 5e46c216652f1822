// Package export exports verdicts as health.* metrics and as log records. It declares all
// instruments of the Monitor with name, unit and description.
//
// In: a judge.Verdict, on the goroutine of any reader; runs, on the goroutine of their loop;
// changes, on the judge's. Out: observations, without a lock of ours and without an error; log
// records, on its own goroutine. It reads no metric back.
package export

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
	"github.com/otelhealth/otelhealth/healthcheck/internal/judge"
	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"github.com/otelhealth/otelhealth/healthcheck/internal/run"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/internal/votes"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// durationBounds are the buckets of health.check.duration, in seconds, without the timeouts of the
// checks.
var durationBounds = []float64{.001, .01, .1, .5, 1, 2}

// Instruments are the instruments of the Monitor. The observable ones are read from the verdict, so
// that one collection shows one judgement.
type Instruments struct {
	created atomic.Bool // nothing is exported before

	// Evidence.
	checkDuration metric.Float64Histogram
	failures      metric.Int64ObservableGauge
	lastRun       metric.Float64ObservableGauge
	lastSuccess   metric.Float64ObservableGauge
	beats         metric.Int64ObservableCounter
	active        metric.Int64ObservableUpDownCounter

	// Judgement.
	checkStatus      metric.Int64ObservableUpDownCounter
	checkValue       metric.Float64ObservableGauge
	checkLimit       metric.Float64ObservableGauge
	checkInterval    metric.Float64ObservableGauge
	checkTimeout     metric.Float64ObservableGauge
	checkInfo        metric.Int64ObservableUpDownCounter
	checkOverride    metric.Int64ObservableUpDownCounter
	checkShadow      metric.Int64ObservableUpDownCounter
	lastTransition   metric.Float64ObservableGauge
	checkTransitions metric.Int64Counter
	probeStatus      metric.Int64ObservableUpDownCounter
	probeDuration    metric.Float64ObservableCounter
	shadowStatus     metric.Int64ObservableUpDownCounter
	shadowDuration   metric.Float64ObservableCounter
	probeTransitions metric.Int64Counter
	probeRequests    metric.Int64ObservableCounter
	lifecycleStatus  metric.Int64ObservableUpDownCounter
	fileInvalid      metric.Int64ObservableUpDownCounter

	// Peers.
	peers         metric.Int64ObservableUpDownCounter
	peerAddresses metric.Int64ObservableUpDownCounter
	peerRequests  metric.Int64ObservableCounter
	peerStatus    metric.Int64ObservableUpDownCounter
	peerStay      metric.Float64ObservableCounter
	panic         metric.Int64ObservableUpDownCounter

	durationBounds []float64 // of checkDuration

	// Attribute sets, built once, because the callback runs for every reader.
	checks      sync.Map // *judge.Subject → *check
	probeStates [len(states.Probes)][len(states.ProbeStates)]metric.ObserveOption
	lifecycles  [len(states.Phases)]metric.ObserveOption
	contacts    [len(states.Contacts)]metric.ObserveOption
}

// New makes the instruments, which export nothing before Create. timeouts are those of the checks,
// in seconds.
func New(timeouts []float64) *Instruments {
	i := &Instruments{durationBounds: conventions.Merge(durationBounds, timeouts)}
	for _, p := range states.Probes {
		for n, s := range states.ProbeStates {
			i.probeStates[p][n] = metric.WithAttributes(conventions.ProbeName.String(p.String()), conventions.ProbeState.String(string(s)))
		}
	}
	for n, l := range states.Phases {
		i.lifecycles[n] = metric.WithAttributes(conventions.Lifecycle.String(string(l)))
	}
	for n, c := range states.Contacts {
		i.contacts[n] = metric.WithAttributes(conventions.PeerState.String(c.String()))
	}
	return i
}

// Create creates the instruments. The MeterProvider is foreign, and may take long.
func (i *Instruments) Create(mp metric.MeterProvider) error {
	m := Builder{Meter: mp.Meter(conventions.Scope, metric.WithSchemaURL(conventions.SchemaURL))}
	i.checkDuration = m.Histogram("health.check.duration", "s", "Duration of one run of an active check.", i.durationBounds)
	i.failures = m.intGauge("health.check.consecutive_failures", "{failure}", "Failed runs of an active check since its last success.")
	i.lastRun = m.gauge("health.check.last_run.timestamp", "s", "Unix time at which the last run of an active check finished.")
	i.lastSuccess = m.gauge("health.check.last_success.timestamp", "s", "Unix time of the last success of an active check.")
	i.beats = m.counter("health.heartbeat.beats", "{beat}", "Signs of life of a worker.")
	i.active = m.UpDown("health.heartbeat.active", "1", "Pieces of work that are under way.")
	i.checkStatus = m.UpDown("health.check.status", "1", "1 for the state that a check is in, 0 for the others.")
	i.checkValue = m.gauge("health.check.value", "", "Value of a rule's indicator, in its own unit.")
	i.checkLimit = m.gauge("health.check.limit", "", "Limit of a rule, in its indicator's unit.")
	i.checkInterval = m.gauge("health.check.interval", "s", "Time from one run of an active check to the next.")
	i.checkTimeout = m.gauge("health.check.timeout", "s", "Time that one run of an active check may take.")
	i.checkInfo = m.UpDown("health.check.info", "1", "Always 1; what a failing check does is an attribute.")
	i.checkOverride = m.UpDown("health.check.override", "1", "1 while an operator overrides what a failing check does.")
	i.checkShadow = m.UpDown("health.check.shadow", "1", "1 while a check is judged without force.")
	i.lastTransition = m.gauge("health.check.last_transition.timestamp", "s", "Unix time at which a check entered its state.")
	i.checkTransitions = m.events("health.check.transitions", "{transition}", "Changes of a check's state, by the new state.")
	i.probeStatus = m.UpDown("health.probe.status", "1", "1 for the state that a probe is in, 0 for the others.")
	i.probeDuration = m.seconds("health.probe.state.duration", "s", "Time that a probe has spent in a state.")
	i.shadowStatus = m.UpDown("health.probe.shadow.status", "1", "1 for the state that a probe would be in if the checks in shadow had force, 0 for the others.")
	i.shadowDuration = m.seconds("health.probe.shadow.state.duration", "s", "Time that a probe would have spent in a state if the checks in shadow had force.")
	i.probeTransitions = m.events("health.probe.transitions", "{transition}", "Changes of a probe's state, by the new state.")
	i.probeRequests = m.counter("health.probe.requests", "{request}", "Probe requests answered.")
	i.fileInvalid = m.UpDown("health.file.invalid", "1", "1 while a file of the operators is invalid or can't be read, and its last content stays in force.")
	i.lifecycleStatus = m.UpDown("health.lifecycle.status", "1", "1 for the phase that the process is in, 0 for the others.")
	i.peers = m.UpDown("health.peers", "{peer}", "Peers that were asked about a failing check, by their votes.")
	i.peerAddresses = m.UpDown("health.peers.addresses", "{address}", "Addresses that the name of the peers has, with the instance's own.")
	i.peerRequests = m.counter("health.peers.requests", "{request}", "Questions to peers.")
	i.peerStatus = m.UpDown("health.peers.status", "1", "1 for what is known of the way to the peers, 0 for the others.")
	i.peerStay = m.seconds("health.peers.stay.duration", "s", "Time that only the peers have kept the instance ready, although a core check failed.")
	i.panic = m.UpDown("health.panic", "1", "1 while a core check fails and the instance stays ready, because most of its peers don't work either.")
	if m.Err == nil {
		i.created.Store(true)
	}
	return m.Err
}

// Records creates the counter of package blackbox. The MeterProvider is foreign, and may take long.
func Records(mp metric.MeterProvider) (metric.Int64Counter, error) {
	m := Builder{Meter: mp.Meter(conventions.Scope, metric.WithSchemaURL(conventions.SchemaURL))}
	c := m.events("health.blackbox.records", "{record}", "Records of failing probes, with error.type if a record could not be written.")
	return c, m.Err
}

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

// ObservePeers observes how many addresses the peers have, how many questions they got, and what is known
// of the way to them.
func (i *Instruments) ObservePeers(o metric.Observer, addresses int, requests int64, contact states.Contact) {
	o.ObserveInt64(i.peerAddresses, int64(addresses))
	o.ObserveInt64(i.peerRequests, requests)
	for n, c := range states.Contacts {
		o.ObserveInt64(i.peerStatus, one(c == contact), i.contacts[n])
	}
}

// ObserveVerdict observes a verdict as it counts now.
func (i *Instruments) ObserveVerdict(o metric.Observer, v *judge.Verdict, now time.Time) {
	for n := range v.Checks {
		r := &v.Checks[n]
		i.observeCheck(o, r, i.of(r.Subject))
	}
	for _, p := range states.Probes {
		for n, s := range states.ProbeStates {
			set := i.probeStates[p][n]
			o.ObserveInt64(i.probeStatus, one(v.Effective(p, now).State == s), set)
			o.ObserveFloat64(i.probeDuration, v.Ages[p][n], set) // as of the verdict: it never decreases
			if v.Shadow != nil && p != states.Startup {
				o.ObserveInt64(i.shadowStatus, one(v.EffectiveShadow(p, now).State == s), set)
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
	if !i.created.Load() || c.Voted || c.Shadow {
		return
	}
	ctx := c.Trace(v)
	if r := c.Check; r == nil {
		i.probeTransitions.Add(ctx, 1, metric.WithAttributes(conventions.ProbeName.String(c.Probe.String()), conventions.ProbeState.String(string(v.Probes[c.Probe].State))))
	} else if r.Moved {
		i.checkTransitions.Add(ctx, 1, metric.WithAttributes(conventions.CheckName.String(r.Subject.Name), conventions.CheckState.String(string(r.State))))
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

// all are the observable instruments, which share the one callback.
func (i *Instruments) all() []metric.Observable {
	return []metric.Observable{
		i.failures, i.lastRun, i.lastSuccess, i.beats, i.active, i.checkStatus, i.checkValue, i.checkLimit, i.checkInterval,
		i.checkTimeout, i.checkInfo, i.checkOverride, i.lastTransition, i.probeStatus, i.probeDuration, i.probeRequests, i.lifecycleStatus, i.fileInvalid,
		i.checkShadow, i.shadowStatus, i.shadowDuration,
		i.peers, i.peerAddresses, i.peerRequests, i.peerStatus, i.peerStay, i.panic,
	}
}

// check has the attribute sets and the constants of one check, built once.
type check struct {
	name, role        metric.ObserveOption
	shadowRole        metric.ObserveOption // no failure of a check in shadow explains an answer
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

func one(is bool) int64 {
	if is {
		return 1
	}
	return 0
}

// Unix converts a time for metrics: seconds since 1970.
func Unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1e3 }

// Observing registers the one callback of all observable instruments. end unregisters it.
func (i *Instruments) Observing(mp metric.MeterProvider, f metric.Callback) (end func(), err error) {
	meter := mp.Meter(conventions.Scope, metric.WithSchemaURL(conventions.SchemaURL))
	r, err := meter.RegisterCallback(f, i.all()...)
	if err != nil {
		return nil, err
	}
	return func() { _ = r.Unregister() }, nil
}
