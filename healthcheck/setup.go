package healthcheck

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhealth/otelhealth/healthcheck/cfgerrors"
	"github.com/otelhealth/otelhealth/healthcheck/internal/answer"
	"github.com/otelhealth/otelhealth/healthcheck/internal/buildinfo"
	"github.com/otelhealth/otelhealth/healthcheck/internal/collect"
	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/internal/export"
	"github.com/otelhealth/otelhealth/healthcheck/internal/operator"
)

// running has everything that one Start made. Its fields are set before the loops begin.
type running struct {
	pipeline    Pipeline
	ctx         context.Context // of checks and collections
	cancel      func()
	tracer      trace.Tracer
	instruments *export.Instruments
	log         export.Log
	collector   *collect.Collector // nil without a Reader
	files       []*operator.File
	loops       sync.WaitGroup // runners and judge, not the collector, because it may hang for ever

	abandoned bool   // the Start has failed, so later steps are undone
	unobserve func() // unregisters the callback
}

// setupLimit is how long Start waits for the MeterProvider.
const setupLimit = 10 * time.Second

// setupWithin sets up, and gives up after limit, because every call of the provider can hang in a
// foreign callback.
func (m *Monitor) setupWithin(limit time.Duration, r *running) (err error) {
	ready := make(chan error, 1)
	go func() { ready <- m.setup(r) }()
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	select {
	case err = <-ready:
	case <-timeout.C:
		err = fmt.Errorf("the MeterProvider has not answered for %v: does a callback hang?", limit)
	case <-m.stopping:
		err = fmt.Errorf("Start: %w", cfgerrors.ErrStopped)
	}
	if err != nil {
		m.undo(r)
	}
	return err
}

// undo undoes a failed Start, so that the next one is like the first.
func (m *Monitor) undo(r *running) {
	r.cancel()
	m.mu.Lock()
	r.abandoned = true
	unobserve, queues := r.unobserve, slices.Clone(m.queues)
	for _, e := range m.entries {
		if e.subject != nil {
			e.end()
			e.subject, e.sampler = nil, nil
		}
	}
	m.mu.Unlock()
	m.judging.Lock()
	m.judge.Subjects = nil
	m.judging.Unlock()
	if unobserve != nil {
		unobserve()
	}
	for _, q := range queues {
		q.unexport()
	}
}

// collectOnce collects, but waits no longer than limit, because a collection can hang in a foreign
// callback. Rules report missing metrics by themselves.
func (r *running) collectOnce(limit time.Duration) {
	ctx, cancel := context.WithTimeout(r.ctx, limit)
	go func() {
		defer cancel()
		_ = r.collector.Collect(ctx) // was logged
	}()
	<-ctx.Done()
}

// setup creates the instruments, binds each entry to its evidence and takes the first
// samples.
func (m *Monitor) setup(r *running) error {
	p := r.pipeline
	r.tracer = p.TracerProvider.Tracer(conventions.Scope, trace.WithSchemaURL(conventions.SchemaURL))
	m.registry.Ask(p.Reader)
	if p.Reader != nil {
		r.collector = collect.New(p.Reader, &m.registry, p.Logger, m.collected)
		if err := r.collector.Collect(r.ctx); errors.Is(err, sdkmetric.ErrReaderNotRegistered) {
			return &cfgerrors.Error{Field: "Reader", Problem: err.Error() + ": it belongs to no MeterProvider, or the SDK is disabled"}
		} else if err != nil {
			return fmt.Errorf("collecting from Reader: %w", err)
		}
		if len(r.collector.Metric("health.lifecycle.status")) > 0 {
			return &cfgerrors.Error{Field: "MeterProvider", Problem: "another Monitor exports to it already: use one MeterProvider for each Monitor"}
		}
	}
	var err error
	if r.instruments, err = export.New(p.MeterProvider, m.timeouts()); err != nil {
		return err
	}
	if err := m.bindAll(r); err != nil {
		return err
	}
	unobserve, err := r.instruments.Observing(p.MeterProvider, m.observe(r))
	if err != nil {
		return err
	}
	m.mu.Lock()
	r.unobserve = unobserve
	abandoned := r.abandoned
	m.mu.Unlock()
	if abandoned {
		unobserve()
		return cfgerrors.ErrStopped // setupWithin has returned already
	}
	if r.collector == nil {
		return nil
	}
	if err := r.collector.Collect(r.ctx); err != nil {
		return fmt.Errorf("collecting from Reader: %w", err)
	}
	return errors.Join(r.cumulative(), m.mismatches())
}

// timeouts returns the timeouts of the checks in seconds, because they become bucket boundaries.
func (m *Monitor) timeouts() (all []float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.entries {
		if e.check != nil {
			all = append(all, e.check.withDefaults(m.config.Defaults).withDefaults(builtIn).runFunc().Timeout.Seconds())
		}
	}
	return all
}

func (m *Monitor) bindAll(r *running) error {
	m.mu.Lock()
	queues := slices.Clone(m.queues)
	m.mu.Unlock()
	for _, q := range queues {
		if err := q.export(r.pipeline.MeterProvider); err != nil {
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.abandoned {
		return cfgerrors.ErrStopped // setupWithin has returned already
	}
	for _, e := range m.entries {
		if e.rule != nil && r.collector == nil { // added since the configuration was validated
			return needsReader(e.name)
		}
		m.bind(e, r)
	}
	m.wantMetrics()
	return nil
}

// cumulative checks by our own counter that the reader belongs to the provider and is cumulative.
func (r *running) cumulative() error {
	all := r.collector.Metric("health.probe.requests")
	if len(all) == 0 {
		return &cfgerrors.Error{Field: "Reader", Problem: "does not have the metrics of MeterProvider: is it the reader of another provider, or does a view drop health.*?"}
	}
	for _, own := range all {
		if _, _, err := evidence.Points(own.Data); err != nil {
			return &cfgerrors.Error{Field: "Reader", Problem: err.Error()}
		}
	}
	return nil
}

// mismatches returns how rules do not fit their metrics, as far as these exist.
func (m *Monitor) mismatches() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var errs []error
	for _, e := range m.entries {
		if e.sampler != nil {
			errs = append(errs, m.mismatch(e))
		}
	}
	return errors.Join(errs...)
}

// identity is the answering service and its instance, from the exported resource.
type identity struct {
	service  answer.Service
	instance string
}

// collected takes over the resource and asks for a judgement of the new readings.
func (m *Monitor) collected(rm *metricdata.ResourceMetrics) {
	if s := m.identity.Load(); s.instance == "" && rm.Resource != nil {
		host, _ := os.Hostname() // may be empty, because it only spreads the checks
		found := identity{s.service, host}
		for _, kv := range rm.Resource.Attributes() {
			switch kv.Key {
			case conventions.ServiceName:
				if name := kv.Value.AsString(); buildinfo.IsName(name) && !strings.HasPrefix(name, "unknown_service") { // the SDK's word for none
					found.service.Name = name
				}
			case conventions.ServiceVersion:
				if version := kv.Value.AsString(); buildinfo.IsName(version) {
					found.service.Version = version
				}
			case conventions.ServiceInstanceID:
				if id := kv.Value.AsString(); buildinfo.IsName(id) {
					found.instance = id
				}
			}
		}
		m.identity.Store(&found)
	}
	m.askJudge()
}
