package healthcheck

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/buildinfo"
	"go.opentelemetry.io/otel"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhealth/otelhealth/healthcheck/internal/answer"
	"github.com/otelhealth/otelhealth/healthcheck/internal/attr"
	"github.com/otelhealth/otelhealth/healthcheck/internal/collect"
	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/internal/export"
	"github.com/otelhealth/otelhealth/healthcheck/internal/judge"
	"github.com/otelhealth/otelhealth/healthcheck/internal/operator"
	"github.com/otelhealth/otelhealth/healthcheck/internal/run"
)

// setupLimit ends a Start whose MeterProvider does not answer.
const setupLimit = 10 * time.Second

// Start validates the configuration, judges once, and goes on judging in the
// background. source is a cumulative reader of MeterProvider. Call it once the
// instruments that rules read have been made, such as by telemetry's Handler: until
// then those rules are unknown. The end of ctx means draining: /ready answers 503
// while everything goes on; [Monitor.Stop] ends it.
//
// All errors of the configuration are returned at once, each naming its field.
func (m *Monitor) Start(ctx context.Context, source Source) error {
	if m.started.Swap(true) {
		return errors.New("healthcheck: Start was called before")
	}
	taken := map[string]bool{}
	errs := []error{validate(m.Checks, taken)}
	for _, h := range m.heartbeats {
		if p := badName(h.name, taken); p != "" {
			errs = append(errs, fmt.Errorf("Heartbeat(%q): the name %s", h.name, p))
		}
		if h.stall < 0 {
			errs = append(errs, fmt.Errorf("Heartbeat(%q): stall %v is negative", h.name, h.stall))
		}
	}
	if source == nil {
		errs = append(errs, errors.New("source: is nil; give Start the reader that /metrics uses"))
	}
	m.Logger = cmp.Or(m.Logger, slog.Default())
	known := func(name string) bool { return taken[name] }
	var err error
	if m.envEffects, err = operator.ParseOverrides(os.Getenv("HEALTH_EFFECTS"), known); err != nil {
		errs = append(errs, fmt.Errorf("HEALTH_EFFECTS: %w", err))
	}
	m.overrides.Store(&operator.Overrides{})
	if len(m.envEffects) > 0 {
		m.setOverrides(nil)
	}
	files, apply, bad := m.loadFiles(known)
	if err := errors.Join(append(errs, bad...)...); err != nil {
		m.started.Store(false) // nothing has begun
		return fmt.Errorf("healthcheck: %w", err)
	}
	apply()
	if m.MeterProvider == nil {
		m.MeterProvider = otel.GetMeterProvider()
	}
	if m.TracerProvider == nil {
		m.TracerProvider = otel.GetTracerProvider()
	}
	m.stopping = make(chan struct{})
	m.ended = ctx.Done()
	m.service.Store(&service{who: answer.Who{Name: buildinfo.Name(), Version: buildinfo.Version()}})

	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	m.stop = sync.OnceFunc(func() { close(m.stopping); cancel() })

	// Whatever asks the provider can hang in somebody's callback.
	ready := make(chan error, 1)
	go func() { ready <- m.setup(work, source) }()
	limit := time.NewTimer(setupLimit)
	defer limit.Stop()
	select {
	case err := <-ready:
		if err != nil {
			m.stop()
			return fmt.Errorf("healthcheck: %w", err)
		}
	case <-limit.C:
		m.stop()
		return fmt.Errorf("healthcheck: the MeterProvider has not answered for %v: does a callback hang?", setupLimit)
	}

	m.teller.Begin(m.Logger)
	m.judge()
	m.wg.Go(func() { m.judgeLoop() })
	go m.collector.Loop(work)
	if len(files) > 0 {
		go operator.Watch(work, files, m.Logger)
	}
	for _, begin := range m.waiting {
		begin(work)
	}
	context.AfterFunc(ctx, m.Drain)
	return nil
}

// compile binds each check to its evidence.
func (m *Monitor) compile() {
	for _, c := range m.Checks { // a copy: the user's may change
		s, begin, _ := m.bind(c)
		m.judging.Subjects = append(m.judging.Subjects, s)
		m.waiting = append(m.waiting, begin)
	}
	for _, h := range m.heartbeats {
		m.judging.Subjects = append(m.judging.Subjects, &judge.Subject{
			Name: h.name, Role: Vital, ComponentType: "component", Assess: judge.Beats{Stall: h.stall, Beats: h.since}.Assess})
	}
}

// bind makes a subject of a check. begin has it run; end takes it out again.
func (m *Monitor) bind(c Check) (s *judge.Subject, begin func(context.Context), end func()) {
	s = &judge.Subject{Name: c.Name, Role: c.Role, ComponentType: c.ComponentType}
	spread := spread(m.service.Load().instance, c.Name)
	if c.Func == nil {
		limit := c.limit()
		sampler := evidence.NewSampler(limit, c.Role == Core && limit.Indicator.Windowed(), m.created.Cumulates)
		s.Limit, s.Assess = limit, judge.NewRule(limit, c.For, c.KeepFor, sampler, m.created.Has, time.Now(), spread).Assess
		return s, func(context.Context) {}, m.collector.Add(sampler)
	}
	tracer := m.TracerProvider.Tracer(attr.Scope, trace.WithSchemaURL(semconv.SchemaURL))
	r := run.New(c.toRun(), spread, tracer, m.instruments.RecordRun, m.kickJudge)
	s.Awaited, s.Interval, s.Timeout, s.Assess = true, c.interval(), c.timeout(), judge.Runs{Runner: r}.Assess
	stop := func() {}
	return s, func(ctx context.Context) {
		ctx, stop = context.WithCancel(ctx)
		m.wg.Go(func() { r.Loop(ctx) })
	}, func() { stop() }
}

// addCheck has one more check judged while the Monitor runs: the proof that it can be.
// Names are not looked at, nor whether a limit is a boundary.
func (m *Monitor) addCheck(ctx context.Context, c Check) (remove func()) {
	s, begin, end := m.bind(c)
	m.judgingNow.Lock()
	m.judging.Subjects = append(m.judging.Subjects, s)
	m.judgingNow.Unlock()
	begin(ctx)
	m.kickJudge()
	return func() {
		end()
		m.judgingNow.Lock()
		m.judging.Subjects = slices.DeleteFunc(m.judging.Subjects, func(o *judge.Subject) bool { return o == s })
		m.judgingNow.Unlock()
		m.instruments.Forget(s)
		m.kickJudge()
	}
}

// setup creates the instruments and takes the first samples.
func (m *Monitor) setup(ctx context.Context, source Source) error {
	m.collector = collect.New(source, &m.created, m.Logger, m.collected)
	if err := m.collector.Collect(ctx); errors.Is(err, sdkmetric.ErrReaderNotRegistered) {
		return fmt.Errorf("source: %w: it belongs to no MeterProvider, as where the SDK is disabled", err)
	} else if err != nil { // who we are, and whether we are alone
		return fmt.Errorf("source: %w", err)
	}
	if len(m.collector.Metric("health.lifecycle.status")) > 0 {
		return errors.New("MeterProvider: another Monitor exports to it already; one process, one Monitor")
	}
	var timeouts []float64
	for _, c := range m.Checks {
		if c.Func != nil {
			timeouts = append(timeouts, c.timeout().Seconds())
		}
	}
	var err error
	m.instruments, err = export.New(m.MeterProvider, timeouts)
	if err != nil {
		return err
	}
	m.compile()
	if err := m.instruments.Observing(m.MeterProvider, m.observe); err != nil {
		return err
	}
	if err := m.collector.Collect(ctx); err != nil {
		return fmt.Errorf("source: %w", err)
	}
	// Our own counter shows whether the reader is the provider's, and cumulative.
	all := m.collector.Metric("health.probe.requests")
	if len(all) == 0 {
		return errors.New("source: does not show what MeterProvider records: is it the reader of another provider, or does a view drop health.*?")
	}
	for _, own := range all {
		if _, _, err := evidence.Points(own.Data); err != nil {
			return fmt.Errorf("source: %w", err)
		}
	}
	return nil
}

// service is who answers, read from the resource that is exported with the
// metrics.
type service struct {
	who      answer.Who
	instance string
}

// collected takes over the resource and lets the judge see the new readings.
func (m *Monitor) collected(rm *metricdata.ResourceMetrics) {
	if s := m.service.Load(); s.instance == "" && rm.Resource != nil {
		host, _ := os.Hostname() // empty will do: it only spreads the checks
		found := service{s.who, host}
		for _, kv := range rm.Resource.Attributes() {
			switch kv.Key {
			case semconv.ServiceNameKey:
				found.who.Name = kv.Value.AsString()
			case semconv.ServiceVersionKey:
				found.who.Version = cmp.Or(kv.Value.AsString(), found.who.Version)
			case semconv.ServiceInstanceIDKey:
				found.instance = kv.Value.AsString()
			}
		}
		m.service.Store(&found)
	}
	m.kickJudge()
}

// spread maps an instance and a check to [0, 1), the same at every start.
func spread(instance, name string) float64 {
	h := fnv.New32a()
	fmt.Fprint(h, instance, "\x00", name)
	return float64(h.Sum32()) / (1 << 32)
}
