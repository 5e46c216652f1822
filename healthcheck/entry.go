package healthcheck

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/cfgerrors"
	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/internal/judge"
	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"github.com/otelhealth/otelhealth/healthcheck/internal/run"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
)

// An entry is one check, rule or heartbeat, from its configuration to its end. Exactly one of
// check, rule and beat is set.
type entry struct {
	name  string
	check *Check
	rule  *rule.Rule
	beat  *Heartbeat

	subject *judge.Subject // once bound to its evidence
	sampler *evidence.Sampler
	loop    func() // of a check
	begun   bool
	end     func()
}

// queryOf converts a rule for package query.
func queryOf(r *rule.Rule) *query.Rule {
	return &query.Rule{
		Indicator: query.Indicator(r.Value).With(r.Window, r.MinEvents, r.Per),
		Bounds:    query.Bounds(query.Limit(r.Fail), query.Limit(r.Warn)),
	}
}

// validate returns all mistakes in the entry. taken has the names of the entries before it.
func (e *entry) validate(taken map[string]bool) (errs []error) {
	bad := func(field, problem string) {
		errs = append(errs, &cfgerrors.Error{Item: e.name, Field: field, Problem: problem})
	}
	if p := badName(e.name); p != "" {
		bad("Name", p)
	} else if taken[e.name] {
		bad("Name", fmt.Sprintf("%q is used twice", e.name))
	}
	taken[e.name] = true
	switch {
	case e.check != nil:
		errs = append(errs, e.check.validate()...)
	case e.rule != nil:
		if e.rule.OnFail != "" && !isEffect(e.rule.OnFail) {
			bad("OnFail", fmt.Sprintf("%q is not an effect: write NotReady, WarnOnly, ShowOnly or Restart, or one of them with InShadow()", e.rule.OnFail))
		}
		for _, m := range queryOf(e.rule).Validate() {
			bad(m.Field, m.Problem)
		}
		if p := badDuration(e.rule.For); p != "" {
			bad("For", p)
		}
		if p := badDuration(e.rule.KeepFor); p != "" {
			bad("KeepFor", p)
		}
	case e.beat != nil:
		if p := badDuration(e.beat.stall); p != "" {
			bad("Heartbeat", "the stall time "+p)
		}
	}
	return errs
}

// bind makes the entry's subject, so that the next judgement includes it. mu is held.
func (m *Monitor) bind(e *entry, r *running) {
	e.end = func() {}
	jitter := jitter(m.identity.Load().instance, e.name)
	switch {
	case e.check != nil:
		c := e.check.withDefaults(m.config.Defaults).withDefaults(builtIn)
		effect, shadow := states.Split(c.OnFail)
		f := c.runFunc()
		runner := run.New(f, jitter, r.tracer, r.instruments.RecordRun, m.askJudge)
		e.subject = &judge.Subject{
			Name: e.name, OnFail: effect, Shadow: shadow, Awaited: true,
			Interval: f.Interval, Timeout: f.Timeout, Evaluate: judge.Runs{Runner: runner}.Evaluate, Hurry: runner.Hurry, Notice: f.Notice(),
		}
		ctx, cancel := context.WithCancel(r.ctx)
		e.loop, e.end = func() { runner.Loop(ctx) }, cancel
	case e.rule != nil:
		effect, shadow := states.Split(e.rule.OnFail)
		if effect == "" {
			effect = states.WarnOnly
		}
		q := queryOf(e.rule)
		ejects := (effect == states.NotReady || effect == states.Restart) && q.Indicator.Windowed()
		e.sampler = evidence.NewSampler(q, ejects, m.registry.Cumulates)
		e.sampler.Dated = m.registry.Dated
		judged := judge.NewRule(q, e.rule.For, e.rule.KeepFor, e.sampler, m.creation, time.Now(), jitter)
		judged.Unfit = func() *query.Mistake { return m.unresolved(q) }
		e.subject = &judge.Subject{Name: e.name, OnFail: effect, Shadow: shadow, Rule: q, Alone: e.rule.IgnorePeers, Evaluate: judged.Evaluate, Notice: judged.Notice()}
		e.end = r.collector.Add(e.sampler)
	default:
		// Peers have no vote on a stuck worker, also if an operator overrides the effect: it is a fault of
		// this process alone.
		e.subject = &judge.Subject{Name: e.name, OnFail: states.Restart, Alone: true, Evaluate: judge.Beats{Stall: e.beat.stall, Last: e.beat.lastBeat}.Evaluate}
	}
	// Under a Hold a new check counts at once, or the process could become ready before its first run.
	e.subject.Late = m.phase == started && len(m.life.Phase(time.Now()).Holds) == 0
	m.judging.Lock()
	defer m.judging.Unlock()
	m.judge.Subjects = append(m.judge.Subjects, e.subject)
}

// begin runs the entry's check in the background. mu is held and the Monitor has not stopped.
func (m *Monitor) begin(e *entry) {
	if e.loop != nil && !e.begun {
		m.running.loops.Go(e.loop)
	}
	e.begun = true
}

// creation returns how an instrument was created, as far as the registry knows.
func (m *Monitor) creation(metric string) judge.Creation {
	if f := m.registry.Families(); f != nil {
		switch registered, quiet, known := f.Known(metric); {
		case known && !registered:
			return judge.NotCreated
		case known && quiet:
			return judge.Recorded
		case known:
			return judge.Observed
		}
	}
	created, synchronous := m.registry.Has(metric)
	switch {
	case created && synchronous:
		return judge.Recorded
	case created:
		return judge.Observed
	case m.registry.Asked():
		return judge.NotCreated
	}
	return judge.NotKnown
}

// Add adds a check, before Start or while the process runs. The check counts after its first run,
// so a ready process stays ready until then. Under a [Monitor.Hold] it counts at once, so a
// starting process is not ready before that run. remove removes the check and its metrics. It may
// be called more than once. The error has every mistake as a [cfgerrors.Error], or is ErrStopped.
func (m *Monitor) Add(c Check) (remove func(), err error) {
	return m.add(&entry{name: c.Name, check: &c}, "Add")
}

// AddRule adds a rule as Add adds a check. The rule is judged at once. AddRule collects once, for at
// most 10 s, to compare the rule with its metric. If the histogram of a Quantile or ShareAbove exists
// already, the limit must be one of its bucket boundaries.
func (m *Monitor) AddRule(r rule.Rule) (remove func(), err error) {
	r.Per = slices.Clone(r.Per)
	return m.add(&entry{name: r.Name, rule: &r}, "AddRule")
}

func (m *Monitor) add(e *entry, method string) (remove func(), err error) {
	r, err := m.register(e, method)
	if err != nil {
		return nil, fmt.Errorf("healthcheck: %w", err)
	}
	remove = func() { m.remove(e) }
	if r == nil {
		return remove, nil // Start begins it
	}
	if e.sampler != nil {
		r.collectOnce(setupLimit)
		if err := m.mismatch(e); err != nil {
			remove()
			return nil, fmt.Errorf("healthcheck: %w", err)
		}
	}
	m.askJudge()
	return remove, nil
}

// register adds an entry. If the Monitor runs, the entry is judged from now on; otherwise r is nil.
func (m *Monitor) register(e *entry, method string) (r *running, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.phase == stopped {
		return nil, fmt.Errorf("%s: %w", method, cfgerrors.ErrStopped)
	}
	taken := map[string]bool{}
	for _, other := range m.entries {
		taken[other.name] = true
	}
	if err := errors.Join(e.validate(taken)...); err != nil {
		return nil, err
	}
	if m.phase != started {
		m.entries = append(m.entries, e)
		return nil, nil
	}
	r = m.running
	if e.rule != nil && r.collector == nil {
		return nil, needsReader(e.name)
	}
	m.entries = append(m.entries, e)
	m.bind(e, r)
	m.wantMetrics()
	m.begin(e)
	return r, nil
}

func (m *Monitor) remove(e *entry) {
	m.mu.Lock()
	m.entries = slices.DeleteFunc(m.entries, func(o *entry) bool { return o == e })
	r, subject := m.running, e.subject
	if subject != nil {
		e.end()
		m.wantMetrics()
	}
	m.mu.Unlock()
	if subject == nil {
		return
	}
	m.judging.Lock()
	m.judge.Subjects = slices.DeleteFunc(m.judge.Subjects, func(s *judge.Subject) bool { return s == subject })
	m.judging.Unlock()
	if r != nil {
		m.judgeNow() // the callback reads the last verdict
		r.instruments.Forget(subject)
	}
}

// mismatch returns an error if a rule does not fit its metric, as far as the metric is known.
func (m *Monitor) mismatch(e *entry) error {
	if f := m.registry.Families(); f != nil {
		for _, name := range queryOf(e.rule).Indicator.Metrics() {
			if problem := f.Refuse(name); problem != "" {
				return &cfgerrors.Error{Item: e.name, Field: "Value", Problem: name + " " + problem}
			}
		}
	}
	read, _ := e.sampler.Reading()
	if read != nil && read.Mistake != nil {
		return &cfgerrors.Error{Item: e.name, Field: read.Mistake.Field, Problem: read.Mistake.Problem}
	}
	q := queryOf(e.rule)
	bad := m.unresolved(q) // the instrument tells, even without a series
	if bad == nil && read != nil {
		bad = read.Inexact
	}
	if bad == nil {
		bad = m.late(q)
	}
	if bad != nil {
		return &cfgerrors.Error{Item: e.name, Field: bad.Field, Problem: bad.Problem}
	}
	if read != nil && len(read.Groups) == 0 && needsBoundary(q) && !m.registry.Asked() {
		return &cfgerrors.Error{Item: e.name, Field: "Value", Problem: "the limit is not a bucket boundary, because the MeterProvider does not use the Monitor's View: " +
			"write sdkmetric.NewMeterProvider(sdkmetric.WithView(health.View()), …)"}
	}
	return nil
}

// unresolved returns the mistake of a rule whose units don't fit an instrument that was created.
func (m *Monitor) unresolved(q *query.Rule) *query.Mistake {
	_, bad := m.resolved(q)
	return bad
}

// resolved returns a rule in the unit of an instrument that was created; nil if there is none.
func (m *Monitor) resolved(q *query.Rule) (*query.Rule, *query.Mistake) {
	unit, kind, known := m.registry.Unit(q.Indicator.Metric)
	if !known {
		return nil, nil
	}
	r, err := q.Resolved(unit, kind)
	bad, _ := errors.AsType[*query.Mistake](err)
	return r, bad
}

// late returns a mistake if a limit is not a bucket boundary of a histogram that was created before the
// rule. Start and AddRule refuse such a limit. If it shows up later, it is judged, but not exactly.
func (m *Monitor) late(q *query.Rule) *query.Mistake {
	metric := q.Indicator.Metric
	r, _ := m.resolved(q)
	boundaries := m.registry.Boundaries(metric)
	if r == nil || !needsBoundary(q) || boundaries == nil {
		return nil
	}
	late := func(field string, n query.Number, v float64) *query.Mistake {
		if slices.Contains(boundaries, v) {
			return nil
		}
		return &query.Mistake{Field: field, Problem: fmt.Sprintf("%v is not a bucket boundary of %s, which exists already: put the rule into Config.Rules, or add it before the histogram is created", n, metric)}
	}
	if r.Indicator.Kind == query.KindShareAbove {
		return late("Value", q.Indicator.Bound, r.Indicator.Bound.Value)
	}
	for n, b := range r.Bounds {
		if bad := late(b.Edge.Field(), q.Bounds[n].Number, b.Value); bad != nil {
			return bad
		}
	}
	return nil
}

func needsReader(name string) error {
	return &cfgerrors.Error{Item: name, Field: "Value", Problem: "a rule needs metrics to read: " +
		"write telemetry.Start(ctx, telemetry.Config{Health: health}), promhealth.Start(ctx, health, registry) or health.StartWith(ctx, healthcheck.Pipeline{Reader: …})"}
}

// jitter maps an instance and a check to [0, 1), the same at every start.
func jitter(instance, name string) float64 {
	h := fnv.New32a()
	fmt.Fprint(h, instance, "\x00", name)
	return float64(h.Sum32()) / (1 << 32)
}
