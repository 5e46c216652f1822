package healthcheck

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/otelhealth/otelhealth/healthcheck/cfgerrors"
	"github.com/otelhealth/otelhealth/healthcheck/internal/answer"
	"github.com/otelhealth/otelhealth/healthcheck/internal/buildinfo"
	"github.com/otelhealth/otelhealth/healthcheck/internal/collect"
	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/internal/export"
	"github.com/otelhealth/otelhealth/healthcheck/internal/guard"
	"github.com/otelhealth/otelhealth/healthcheck/internal/operator"
	"github.com/otelhealth/otelhealth/healthcheck/internal/peers"
)

// running has everything that one Start made. Its fields are set before the loops begin.
type running struct {
	pipeline    Pipeline
	ctx         context.Context // of checks and collections
	cancel      func()
	tracer      trace.Tracer
	instruments *export.Instruments
	log         *guard.Writer      // of all our lines
	logger      *slog.Logger       // the same, for lines that may wait
	counting    guard.Site         // counts changes; views and exemplars of users run there
	collector   *collect.Collector // nil without a Reader
	files       []*operator.File
	peers       *peers.Asker   // nil without Config.Peers
	maintenance string         // the one that was logged last; empty for none. Monitor.judging guards it
	loops       sync.WaitGroup // runners and judge; not the collector, because it may hang for ever

	release   func()        // gives the MeterProvider and the Reader back
	connected chan struct{} // closed when the provider has answered
	abandoned atomic.Bool   // the Start has failed, so later steps are undone
	unobserve func()        // unregisters the callback; guarded by Monitor.mu
}

const (
	// startPatience is how long Start waits for the MeterProvider. A slow callback delays
	// readiness, not Start.
	startPatience = 3 * time.Second

	// setupLimit is how long AddRule waits for the MeterProvider.
	setupLimit = 10 * time.Second
)

// setup connects the Monitor to the pipeline, and binds every entry to its evidence. Every call of the
// provider may hang in a foreign callback. So these calls run in a goroutine, and it may outlast Start.
// Mistakes that it finds after Start are logged.
func (m *Monitor) setup(r *running) (err error) {
	p := r.pipeline
	r.tracer = m.tracerOf(r)
	m.registry.Ask(p.Reader)
	if p.Reader != nil {
		r.collector = collect.New(p.Reader, &m.registry, r.logger, m.collected)
	}
	r.instruments = export.New(m.timeouts())

	r.connected = make(chan struct{})
	connected, verified, bound := make(chan error, 1), make(chan error, 1), make(chan struct{})
	go func() {
		err := <-guard.Start(r.ctx, func(context.Context) error { return m.connect(r) }, nil)
		close(r.connected)
		connected <- err
		<-bound
		if err == nil {
			err = <-guard.Start(r.ctx, func(context.Context) error { return m.verify(r) }, nil)
		}
		verified <- err
	}()
	patience := time.NewTimer(startPatience)
	defer patience.Stop()
	late, err := m.await(connected, patience.C)
	if err == nil {
		err = m.bindAll(r)
	}
	close(bound)
	if err == nil && !late {
		late, err = m.await(verified, patience.C)
	}
	if err != nil {
		m.undo(r)
		return err
	}
	if late {
		r.logger.Warn("the MeterProvider has not answered yet, so Start has not waited for it: does a callback hang?", "after", startPatience.String())
		go func() {
			if err := <-verified; err != nil && r.ctx.Err() == nil {
				r.logger.Error("healthcheck: "+err.Error(), "error", err.Error()) // the text is ours and not foreign
			}
		}()
	}
	return nil
}

// await waits for a step of Start. late means that the step has not ended yet and goes on.
func (m *Monitor) await(step <-chan error, patience <-chan time.Time) (late bool, err error) {
	select {
	case err = <-step:
		return false, err
	case <-patience:
		return true, nil
	case <-m.stopping:
		return false, fmt.Errorf("Start: %w", cfgerrors.ErrStopped)
	}
}

// tracerOf returns the tracer of the pipeline, or one without spans if the provider does not answer.
func (m *Monitor) tracerOf(r *running) trace.Tracer {
	tracer, err := guard.Ask(new(guard.Site), func() trace.Tracer {
		return r.pipeline.TracerProvider.Tracer(conventions.Scope, trace.WithSchemaURL(conventions.SchemaURL))
	})
	if err != nil {
		r.logger.Error("checks have no spans, because of the TracerProvider", "error", err.Error())
		return noop.NewTracerProvider().Tracer("")
	}
	return tracer
}

// undo undoes a failed Start, so that the next one is like the first.
func (m *Monitor) undo(r *running) {
	r.abandoned.Store(true) // first, or a step that ends late would not be undone
	r.cancel()
	m.mu.Lock()
	unobserve, queues := r.unobserve, slices.Clone(m.queues)
	for _, e := range m.entries {
		if e.subject != nil {
			e.end()
			e.subject, e.sampler, e.loop, e.begun = nil, nil, nil, false
		}
	}
	m.mu.Unlock()
	m.judging.Lock()
	m.judge.Subjects = nil
	m.judging.Unlock()
	m.registry.Forget()
	m.identity.Store(unidentified(&m.config))
	if unobserve != nil {
		unobserve()
	}
	for _, q := range queues {
		q.unexport(r)
	}
}

// collectOnce collects, but waits no longer than limit, because a collection can hang in a foreign
// callback. It returns no error: a rule without its metric is unknown and gives the reason.
func (r *running) collectOnce(limit time.Duration) {
	ctx, cancel := context.WithTimeout(r.ctx, limit)
	go func() {
		defer cancel()
		_ = r.collector.Collect(ctx) // was logged
	}()
	<-ctx.Done()
}

// connect takes the first sample and creates the instruments.
func (m *Monitor) connect(r *running) error {
	p := r.pipeline
	if p.Reader != nil {
		if err := r.collector.Collect(r.ctx); guard.Is(err, sdkmetric.ErrReaderNotRegistered) {
			return &cfgerrors.Error{Field: "Reader", Problem: sdkmetric.ErrReaderNotRegistered.Error() + ": it belongs to no MeterProvider, or the SDK is disabled"}
		} else if err != nil {
			return notCollected(err)
		}
		var taken bool
		r.collector.Last("health.lifecycle.status", func(all []evidence.Metric) { taken = len(all) > 0 })
		if taken {
			return errOtherMonitor
		}
	}
	if err := r.instruments.Create(p.MeterProvider); err != nil {
		return provided(err)
	}
	if err := m.exportQueues(r); err != nil {
		return err
	}
	unobserve, err := r.instruments.Observing(p.MeterProvider, m.observe(r))
	if err != nil {
		return provided(err)
	}
	m.mu.Lock()
	r.unobserve = unobserve
	m.mu.Unlock()
	if r.abandoned.Load() {
		unobserve()
		return cfgerrors.ErrStopped // Start has returned already
	}
	return nil
}

// verify takes the second sample, and compares the rules with it.
func (m *Monitor) verify(r *running) error {
	if r.collector == nil {
		return nil
	}
	if err := r.collector.Collect(r.ctx); err != nil {
		return notCollected(err)
	}
	return errors.Join(r.cumulative(), m.mismatches())
}

// notCollected describes the error of a collection by its types. The text was written by a foreign
// callback and may contain a password.
func notCollected(err error) error {
	return fmt.Errorf("collecting from Reader returned nothing but an error: %s", guard.Kinds(err))
}

// provided keeps only the text of an error of the MeterProvider, because its methods are foreign code.
func provided(err error) error { return errors.New(guard.Text(err)) }

// exportQueues exports the queues that are not exported yet.
func (m *Monitor) exportQueues(r *running) error {
	m.mu.Lock()
	queues := slices.Clone(m.queues)
	m.mu.Unlock()
	for _, q := range queues {
		if !q.exported() {
			if err := q.export(r); err != nil {
				return provided(err)
			}
		}
	}
	return nil
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

// bindAll binds the present entries.
func (m *Monitor) bindAll(r *running) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.entries {
		if e.rule != nil && r.collector == nil { // added after the configuration was validated
			return needsReader(e.name)
		}
		m.bind(e, r)
	}
	m.wantMetrics()
	return nil
}

// cumulative checks by our own counter that the reader belongs to the provider and is cumulative.
func (r *running) cumulative() error {
	problem := "does not have the metrics of MeterProvider: is it the reader of another provider, or does a view drop health.*?"
	r.collector.Last("health.probe.requests", func(all []evidence.Metric) {
		if len(all) > 0 {
			problem = ""
		}
		for _, own := range all {
			if _, _, err := evidence.Points(own.Data); err != nil {
				problem = err.Error()
			}
		}
	})
	if problem != "" {
		return &cfgerrors.Error{Field: "Reader", Problem: problem}
	}
	return nil
}

// mismatches returns the errors of all rules that don't fit their metrics, as far as these exist.
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

// identity names the service and its instance, as in the exported resource.
type identity struct {
	service  answer.Service
	instance string
}

// unidentified is the identity before the first collection.
func unidentified(c *Config) *identity {
	return &identity{service: answer.Service{Name: buildinfo.Name(), Version: buildinfo.Version(), Terse: c.Terse}}
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
