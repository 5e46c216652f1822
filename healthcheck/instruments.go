package healthcheck

import (
	"context"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/attr"
	"github.com/otelhealth/otelhealth/healthcheck/internal/collect"
	"github.com/otelhealth/otelhealth/healthcheck/internal/judge"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// durationBounds are the buckets of health.check.duration, in seconds; the
// timeouts of the checks join them.
var durationBounds = []float64{.001, .01, .1, .5, 1, 2}

// instruments are all of the Monitor's, with name, unit and description in one
// place. The observable ones are read from the verdict, so that one collection
// shows one judgement.
type instruments struct {
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
	lastTransition   metric.Float64ObservableGauge
	checkTransitions metric.Int64Counter
	probeStatus      metric.Int64ObservableUpDownCounter
	probeDuration    metric.Float64ObservableCounter
	probeTransitions metric.Int64Counter
	probeRequests    metric.Int64ObservableCounter
	lifecycleStatus  metric.Int64ObservableUpDownCounter

	// Attribute sets, built once: the callback runs for each reader.
	probeStates [len(verdict.Probes)][len(verdict.ProbeStates)]metric.ObserveOption
	lifecycles  [len(verdict.Lifecycles)]metric.ObserveOption
}

func newInstruments(mp metric.MeterProvider, timeouts []float64) (*instruments, error) {
	m := maker{meter: mp.Meter(attr.Scope, metric.WithSchemaURL(semconv.SchemaURL))}
	i := &instruments{
		checkDuration:    m.histogram("health.check.duration", "s", "Duration of one run of an active check.", collect.Merge(durationBounds, timeouts)),
		failures:         m.intGauge("health.check.consecutive_failures", "{failure}", "Failed runs of an active check since its last success."),
		lastRun:          m.gauge("health.check.last_run.timestamp", "s", "Unix time at which the last run of an active check finished."),
		lastSuccess:      m.gauge("health.check.last_success.timestamp", "s", "Unix time of the last success of an active check."),
		beats:            m.counter("health.heartbeat.beats", "{beat}", "Signs of life of a worker."),
		active:           m.upDown("health.heartbeat.active", "1", "Pieces of work that are under way."),
		checkStatus:      m.upDown("health.check.status", "1", "1 for the state that a check is in, 0 for the others."),
		checkValue:       m.gauge("health.check.value", "", "Value of a rule's indicator, in its own unit."),
		checkLimit:       m.gauge("health.check.limit", "", "Limit of a rule, in its indicator's unit."),
		checkInterval:    m.gauge("health.check.interval", "s", "Time from one run of an active check to the next."),
		checkTimeout:     m.gauge("health.check.timeout", "s", "Time that one run of an active check may take."),
		checkInfo:        m.upDown("health.check.info", "1", "Always 1; the role of a check is an attribute."),
		checkOverride:    m.upDown("health.check.override", "1", "1 while an operator overrides what a failing check does to readiness."),
		lastTransition:   m.gauge("health.check.last_transition.timestamp", "s", "Unix time at which a check entered its state."),
		checkTransitions: m.events("health.check.transitions", "{transition}", "Changes of a check's state, by the new state."),
		probeStatus:      m.upDown("health.probe.status", "1", "1 for the state that a probe is in, 0 for the others."),
		probeDuration:    m.seconds("health.probe.state.duration", "s", "Time that a probe has spent in a state."),
		probeTransitions: m.events("health.probe.transitions", "{transition}", "Changes of a probe's state, by the new state."),
		probeRequests:    m.counter("health.probe.requests", "{request}", "Probe requests answered."),
		lifecycleStatus:  m.upDown("health.lifecycle.status", "1", "1 for the phase that the process is in, 0 for the others."),
	}
	for _, p := range verdict.Probes {
		for n, s := range verdict.ProbeStates {
			i.probeStates[p][n] = metric.WithAttributes(attr.ProbeName.String(p.String()), attr.ProbeState.String(string(s)))
		}
	}
	for n, l := range verdict.Lifecycles {
		i.lifecycles[n] = metric.WithAttributes(attr.Lifecycle.String(string(l)))
	}
	return i, m.err
}

// observe is the one callback. It loads one pointer, waits for nothing and never
// returns an error: that would drop a whole OTLP export.
func (m *Monitor) observe(_ context.Context, o metric.Observer) error {
	defer func() { _ = recover() }()
	v, now, i := m.verdict.Load(), time.Now(), m.instruments
	for _, h := range m.heartbeats {
		set := metric.WithAttributes(attr.Heartbeat.String(h.name))
		o.ObserveInt64(i.beats, h.beats.Load(), set)
		o.ObserveInt64(i.active, h.active.Load(), set)
	}
	m.requests.each(func(p Probe, code int, n int64) {
		o.ObserveInt64(i.probeRequests, n, metric.WithAttributes(attr.ProbeName.String(p.String()), semconv.HTTPResponseStatusCode(code)))
	})
	if v == nil {
		return nil
	}
	j := v.judged
	for n := range j.Checks {
		i.observeCheck(o, &j.Checks[n], &m.compiled[n])
	}
	for _, p := range verdict.Probes {
		for n, s := range verdict.ProbeStates {
			set := i.probeStates[p][n]
			o.ObserveInt64(i.probeStatus, one(j.Effective(p, now) == s), set)
			o.ObserveFloat64(i.probeDuration, j.Ages[p][n], set) // as of the verdict: it never decreases
		}
	}
	for n, l := range verdict.Lifecycles {
		o.ObserveInt64(i.lifecycleStatus, one(v.Lifecycle == l), i.lifecycles[n])
	}
	return nil
}

func (i *instruments) observeCheck(o metric.Observer, r *judge.Result, c *compiled) {
	for n, s := range verdict.CheckStates {
		o.ObserveInt64(i.checkStatus, one(r.State == s), c.options.states[n])
	}
	o.ObserveInt64(i.checkInfo, 1, c.options.role)
	if r.Override != "" {
		o.ObserveInt64(i.checkOverride, 1, metric.WithAttributes(attr.CheckName.String(r.Name), attr.CheckEffect.String(r.Override)))
	}
	if r.Moved {
		o.ObserveFloat64(i.lastTransition, unix(r.Since), c.options.name)
	}
	for n, b := range c.limit().Bounds {
		o.ObserveFloat64(i.checkLimit, b.Value, c.options.limits[n])
	}
	if c.limit().Set() && r.HasValue {
		o.ObserveFloat64(i.checkValue, r.Value, c.options.name)
	}
	if c.Func == nil {
		return
	}
	o.ObserveFloat64(i.checkInterval, c.interval().Seconds(), c.options.name)
	o.ObserveFloat64(i.checkTimeout, c.timeout().Seconds(), c.options.name)
	if out := r.Finding.Outcome; out != nil {
		o.ObserveInt64(i.failures, int64(out.Failures), c.options.name)
		o.ObserveFloat64(i.lastRun, unix(out.Ran), c.options.name)
		if !out.LastSuccess.IsZero() {
			o.ObserveFloat64(i.lastSuccess, unix(out.LastSuccess), c.options.name)
		}
	}
}

// all are the observable instruments, which share the one callback.
func (i *instruments) all() []metric.Observable {
	return []metric.Observable{
		i.failures, i.lastRun, i.lastSuccess, i.beats, i.active, i.checkStatus, i.checkValue, i.checkLimit, i.checkInterval,
		i.checkTimeout, i.checkInfo, i.checkOverride, i.lastTransition, i.probeStatus, i.probeDuration, i.probeRequests, i.lifecycleStatus,
	}
}

// checkOptions are one check's attribute sets, built once.
type checkOptions struct {
	name, role metric.ObserveOption
	states     [len(verdict.CheckStates)]metric.ObserveOption
	limits     []metric.ObserveOption
}

func newCheckOptions(c Check) (o checkOptions) {
	name := attr.CheckName.String(c.Name)
	with := func(kv ...attribute.KeyValue) metric.ObserveOption {
		return metric.WithAttributeSet(attribute.NewSet(append(kv, name)...))
	}
	o.name, o.role = with(), with(attr.CheckRole.String(c.Role.String()))
	for n, s := range verdict.CheckStates {
		o.states[n] = with(attr.CheckState.String(string(s)))
	}
	for _, b := range c.limit().Bounds {
		o.limits = append(o.limits, with(attr.LimitType.String(string(b.Edge))))
	}
	return o
}

func one(is bool) int64 {
	if is {
		return 1
	}
	return 0
}

func unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1e3 }
