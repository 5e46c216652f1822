package healthcheck

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"

	"go.opentelemetry.io/otel"

	"github.com/otelhealth/otelhealth/healthcheck/cfgerrors"
	"github.com/otelhealth/otelhealth/healthcheck/internal/guard"
	"github.com/otelhealth/otelhealth/healthcheck/internal/operator"
)

// Start is StartWith without a Reader, for a Monitor without rules. The global providers export
// health.*.
func (m *Monitor) Start(ctx context.Context) error { return m.StartWith(ctx, Pipeline{}) }

// StartWith validates the configuration, judges once, and then judges in the background.
// telemetry.Start calls it for Config.Health. Call StartWith after you have created the instruments that
// the rules read, or these rules are unknown at first. The end of ctx begins the drain: /ready answers
// 503, and everything else goes on until [Monitor.Stop]. See [Monitor.Drained].
//
// StartWith returns all mistakes of the configuration at once; cfgerrors.All lists them. After an error
// nothing runs, and you may call it again. StartWith waits for the first collection for at most 3 s. If
// a callback takes longer, StartWith returns nil, and the rules are unknown until the callback returns.
// Then the mistakes that only the metrics show are logged.
func (m *Monitor) StartWith(ctx context.Context, p Pipeline) error {
	m.mu.Lock()
	was := m.phase
	if was == fresh {
		m.phase = starting
	}
	m.mu.Unlock()
	switch was {
	case stopped:
		return fmt.Errorf("healthcheck: Start: %w: make another one with New", cfgerrors.ErrStopped)
	case starting, started:
		return fmt.Errorf("healthcheck: Start: %w; telemetry.Start starts its Config.Health itself", cfgerrors.ErrStarted)
	}
	if err := m.start(ctx, p); err != nil {
		m.mu.Lock()
		if m.phase == starting {
			m.phase = fresh
		}
		m.mu.Unlock()
		return fmt.Errorf("healthcheck: %w", err)
	}
	return nil
}

func (m *Monitor) start(ctx context.Context, p Pipeline) error {
	if p.MeterProvider == nil {
		p.MeterProvider = otel.GetMeterProvider()
	}
	if p.TracerProvider == nil {
		p.TracerProvider = otel.GetTracerProvider()
	}
	if err := errors.Join(m.validate(p)...); err != nil {
		return err
	}
	release, err := claim(p)
	if err != nil {
		return err
	}
	if err = m.startClaimed(ctx, p, release); err != nil {
		release()
	}
	return err
}

// startClaimed starts the Monitor. No other Monitor gets the MeterProvider and the Reader until release.
func (m *Monitor) startClaimed(ctx context.Context, p Pipeline, release func()) error {
	log := guard.NewWriter(cmp.Or(p.Logger, slog.Default()))
	r := &running{pipeline: p, release: release, log: log, logger: log.Logger()}
	env, err := operator.ParseOverrides(os.Getenv(variable))
	if err != nil {
		r.logger.Error("HEALTH_OVERRIDES is invalid, so its valid pairs are in force", "error", err.Error())
	}
	files, apply := m.loadFiles(ctx, env, r.logger)
	r.files = files
	r.ctx, r.cancel = context.WithCancel(context.WithoutCancel(ctx))
	m.meet(r)
	if err := m.setup(r); err != nil {
		log.End()
		return err
	}
	if err := m.goLive(r, func() {
		m.override(env, variable, r.logger)
		apply()
	}); err != nil {
		m.undo(r)
		log.End()
		return err
	}
	if r.collector != nil {
		go r.collector.Loop(r.ctx)
	}
	for _, f := range files {
		go f.Watch(r.ctx, r.logger)
	}
	stay := context.AfterFunc(ctx, m.beginDrain)
	context.AfterFunc(r.ctx, func() { stay() }) // so that a context that lives on does not keep a stopped Monitor in memory
	return nil
}

// goLive judges for the first time and begins the loops. apply puts overrides and maintenance into
// force.
func (m *Monitor) goLive(r *running, apply func()) error {
	m.mu.Lock()
	if err := m.lateMistakes(r); err != nil {
		m.mu.Unlock()
		return err
	}
	for _, e := range m.entries { // added since setup
		if e.subject == nil {
			m.bind(e, r)
		}
	}
	m.wantMetrics()
	m.phase, m.running = started, r
	r.loops.Add(1) // Stop waits until all have begun
	pending := slices.ContainsFunc(m.queues, func(q *Queue) bool { return !q.exported() })
	m.mu.Unlock()
	defer r.loops.Done()

	apply()
	m.judgeNow()
	if r.peers != nil {
		r.loops.Go(func() { r.peers.Look(r.ctx) })
		r.loops.Go(func() { r.peers.Ask(r.ctx) })
	}
	m.mu.Lock()
	if m.phase == started { // or Stop has ended it
		for _, e := range m.entries {
			m.begin(e)
		}
		r.loops.Go(m.judgeLoop)
	}
	m.mu.Unlock()
	if pending { // made since setup, or the provider is late
		go m.exportLater(r)
	}
	return nil
}

// lateMistakes returns the mistakes made after the configuration was validated. mu is held.
func (m *Monitor) lateMistakes(r *running) error {
	if m.phase != starting {
		return fmt.Errorf("Start: %w", cfgerrors.ErrStopped)
	}
	errs := slices.Clone(m.mistakes)
	for _, e := range m.entries {
		if e.rule != nil && r.collector == nil {
			errs = append(errs, needsReader(e.name))
		}
	}
	return errors.Join(errs...)
}

// validate returns all mistakes in the configuration.
func (m *Monitor) validate(p Pipeline) (errs []error) {
	c := &m.config
	if d := c.Defaults; d.Name != "" || d.Func != nil || d.OnFail != "" {
		errs = append(errs, &cfgerrors.Error{Field: "Defaults", Problem: "has a Name, Func or OnFail: set only Interval, Timeout and thresholds"})
	}
	defaults := c.Defaults
	defaults.Name, defaults.OnFail = "Defaults", ""
	errs = append(errs, defaults.validateTimes()...)
	if p := badDuration(c.ShutdownTimeout); p != "" {
		errs = append(errs, &cfgerrors.Error{Field: "ShutdownTimeout", Problem: p})
	}
	if p := badDuration(max(0, c.DrainDelay)); p != "" { // a negative one is none
		errs = append(errs, &cfgerrors.Error{Field: "DrainDelay", Problem: p})
	}
	errs = append(errs, m.validatePaths()...)
	if _, err := m.peersAt(); err != nil {
		errs = append(errs, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	errs = append(errs, m.mistakes...)
	taken := map[string]bool{}
	for _, e := range m.entries {
		errs = append(errs, e.validate(taken)...)
		if e.rule != nil && p.Reader == nil {
			errs = append(errs, needsReader(e.name))
		}
	}
	return errs
}
