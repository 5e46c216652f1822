// Package telemetry records and exports: one call sets up OpenTelemetry metrics, traces and
// logs with OTLP over gRPC, and Prometheus' /metrics from the same aggregation. It starts a
// healthcheck.Monitor on what it records:
//
//	health := healthcheck.New(healthcheck.Config{Rules: …})
//	tel, err := telemetry.Start(ctx, telemetry.Config{ServiceName: "orders", Health: health})
//	if err != nil {
//		return err
//	}
//	defer tel.Close()
//	srv.Handler = health.Wrap(tel.Instrument(mux))
//
// It is configured by the standard OTEL_* variables; [Config] has what they have
// not. Without an OTLP endpoint nothing is dialled and /metrics works all the
// same. A collector that is away costs no request: recording does not block.
// Metrics are cumulative, so that its absence costs them resolution and no counts;
// spans and log records wait for a minute in queues of 2048 each, and what comes
// after that is dropped; telemetry.export.failures counts the exports that failed.
//
// # Libraries
//
// Start changes nothing that is global to the process, unless Config.SetGlobals says so. Give
// an instrumented library the providers of its Telemetry. An HTTP client needs a propagator
// too, or the trace ends with its request:
//
//	otelhttp.NewTransport(nil, otelhttp.WithMeterProvider(tel.MeterProvider),
//		otelhttp.WithTracerProvider(tel.TracerProvider), otelhttp.WithPropagators(propagation.TraceContext{}))
//
// What is opened with the providers, such as a database, is there only after Start. Its check
// comes by health.Add, and a health.Hold keeps the process starting until then.
//
// # Concurrency and ownership
//
// Start may be called more than once, from any goroutine: services side by side in one
// process have a Telemetry and a Monitor each. The end of its ctx begins the drain of
// Config.Health and nothing else; exporting goes on until Close. All methods of a Telemetry
// may be called at any time, from any goroutine. Close stops Config.Health, exports what is
// left and ends everything that Start began. Call it last, after the servers; what is recorded
// later is lost, and /metrics is empty then.
//
// # Units and errors
//
// Durations are seconds. Start reports every bad variable at once, by name, and every mistake
// in Health as healthcheck's StartWith does. A Start that failed has changed nothing.
//
// An export that fails is logged through Config.Logger, the first time at once and then
// rarely, and never breaks what was recorded. Other errors of OpenTelemetry, such as those of
// an instrument's callback, go to its error handler. That one is global, so it is the
// process's own unless SetGlobals is set.
package telemetry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/contrib/instrumentation/runtime"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/internal/buildinfo"
)

// Config is what the OTEL_* variables don't say. The zero value is usable.
type Config struct {
	ServiceName    string // OTEL_SERVICE_NAME wins; unknown_service:EXECUTABLE if both are empty
	ServiceVersion string // the build's version or commit if empty

	// Health is started by Start: it judges by these metrics, and its verdicts go to these
	// providers. While something is exported it has one rule more, named telemetry. That rule
	// shows exports that failed in the last 2 minutes, and changes no answer. A check of that
	// name takes its place. None is started if nil.
	Health *healthcheck.Monitor

	// Views are yours. They come before the package's; an instrument takes the
	// first that matches.
	Views []sdkmetric.View

	// SpanDetails exports what may hold a secret or tell of a person, and is left
	// out of spans otherwise: the texts of errors (status descriptions,
	// exception.message), URLs and paths, addresses of clients and servers, users,
	// headers and parameters of queries. error.type, http.route, codes and the
	// text of statements stay in any case.
	SpanDetails bool

	// SetGlobals makes the providers, the propagator and the error handler OpenTelemetry's
	// global ones, for libraries that can't be given any. They are never put back, so set it
	// in one Start of the process.
	SetGlobals bool

	Logger *slog.Logger // slog.Default() if nil
}

// Telemetry is a running pipeline.
type Telemetry struct {
	MeterProvider  metric.MeterProvider
	TracerProvider trace.TracerProvider

	// Logger writes where Config.Logger does and, if logs are exported, to OTLP
	// with the trace of the context. Records with event.name become events.
	Logger *slog.Logger

	// Reader is the cumulative reader behind /metrics. Health is judged from it,
	// so that /metrics explains every verdict.
	Reader sdkmetric.Reader

	service    string
	propagator propagation.TextMapPropagator
	registry   *prometheus.Registry
	inflight   *inflight
	log        *slog.Logger
	complaints *complaints

	// What Shutdown ends; nil if it was never begun.
	health  *healthcheck.Monitor
	metrics *sdkmetric.MeterProvider
	traces  *sdktrace.TracerProvider
	logs    *sdklog.LoggerProvider
	ending  sync.Once
}

// Start sets everything up and starts Config.Health. It dials in the background: a collector
// that is away is no error.
func Start(ctx context.Context, cfg Config) (*Telemetry, error) {
	env, err := readEnvironment()
	if err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	local := cmp.Or(cfg.Logger, slog.Default())
	t := &Telemetry{
		Logger: local, log: local, registry: prometheus.NewRegistry(), propagator: env.propagator,
		complaints: &complaints{log: local, say: map[string]*complaint{}},
	}
	if err := t.build(context.WithoutCancel(ctx), cfg, env); err != nil {
		t.abandon()
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	if cfg.Health != nil {
		if err := t.startHealth(ctx, cfg.Health, env.any()); err != nil {
			t.abandon()
			return nil, err // it says whose it is
		}
	}
	if cfg.SetGlobals {
		t.setGlobals()
	}
	return t, nil
}

// build makes the providers and their instruments. After an error, Shutdown ends what is
// there.
func (t *Telemetry) build(ctx context.Context, cfg Config, env environment) error {
	res, err := identity(ctx, cfg)
	if err != nil {
		return fmt.Errorf("resource: %w", err)
	}
	for _, kv := range res.Attributes() {
		if kv.Key == semconv.ServiceNameKey {
			t.service = kv.Value.AsString()
		}
	}
	reader, err := otelprom.New(
		otelprom.WithRegisterer(t.registry),
		otelprom.WithTranslationStrategy(otlptranslator.UnderscoreEscapingWithSuffixes),
	)
	if err != nil {
		return fmt.Errorf("/metrics: %w", err)
	}
	t.Reader = reader

	out := newOutcomes(t.complaints)
	t.traces = sdktrace.NewTracerProvider(sdktrace.WithResource(res), sdktrace.WithSampler(healthSampler{env.sampler}))
	t.TracerProvider = t.traces
	if env.traces {
		p, err := spanProcessor(ctx, out, cfg.SpanDetails)
		if err != nil {
			return err
		}
		t.traces.RegisterSpanProcessor(p)
	}
	if env.logs {
		p, err := logProcessor(ctx, out)
		if err != nil {
			return err
		}
		t.logs = sdklog.NewLoggerProvider(sdklog.WithResource(res), sdklog.WithProcessor(p))
		t.Logger = bridge(t.log.Handler(), t.logs)
	}
	metrics := []sdkmetric.Option{sdkmetric.WithResource(res), sdkmetric.WithReader(reader), sdkmetric.WithView(cfg.views()...)}
	if env.metrics {
		r, err := metricReader(ctx, out)
		if err != nil {
			return err
		}
		metrics = append(metrics, sdkmetric.WithReader(r))
	}
	t.metrics = sdkmetric.NewMeterProvider(metrics...)
	t.MeterProvider = t.metrics
	env.announce(t.log)

	if env.any() {
		if err := out.instrument(t.metrics); err != nil {
			return err
		}
	}
	if t.inflight, err = newInflight(t.metrics); err != nil {
		return err
	}
	t.Instrument(http.NotFoundHandler()) // makes the instruments of requests, or rules on them would miss them at first

	return runtime.Start(runtime.WithMeterProvider(t.metrics)) // go.*
}

// views are the user's and the package's, through those of Health.
func (cfg *Config) views() []sdkmetric.View {
	views := slices.Concat(cfg.Views, ownViews)
	if cfg.Health != nil {
		return []sdkmetric.View{cfg.Health.View(views...)}
	}
	return views
}

// exportRule is for people: a dead collector moves no traffic.
var exportRule = rule.Rule{
	Name: "telemetry", Value: rule.Increase("telemetry.export.failures"), Window: 2 * time.Minute,
	Fail: rule.Above(0), OnFail: healthcheck.ShowOnly,
}

// startHealth starts the Monitor on this pipeline.
func (t *Telemetry) startHealth(ctx context.Context, health *healthcheck.Monitor, exporting bool) error {
	remove := func() {}
	if exporting {
		// An error means that the name is taken, and then the user's own check has it, or
		// that health can't start, and then StartWith says so.
		if r, err := health.AddRule(exportRule); err == nil {
			remove = r
		}
	}
	err := health.StartWith(ctx, healthcheck.Pipeline{
		Reader: t.Reader, MeterProvider: t.MeterProvider, TracerProvider: t.TracerProvider, Logger: t.Logger,
	})
	if err != nil {
		remove()
		return err
	}
	t.health = health
	return nil
}

func (t *Telemetry) setGlobals() {
	otel.SetErrorHandler(t.complaints)
	otel.SetMeterProvider(t.MeterProvider)
	otel.SetTracerProvider(t.TracerProvider)
	otel.SetTextMapPropagator(t.propagator)
	if t.logs != nil {
		otel.SetLoggerProvider(t.logs)
	}
}

// abandon ends what a Start that failed has begun.
func (t *Telemetry) abandon() {
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	_ = t.Shutdown(ctx) // the error that counts is the first
}

// identity is the resource: variables first, then the configuration, then the
// build.
func identity(ctx context.Context, cfg Config) (*resource.Resource, error) {
	defaults := []attribute.KeyValue{
		semconv.ServiceName(cmp.Or(cfg.ServiceName, buildinfo.Name())),
		semconv.ServiceVersion(cmp.Or(cfg.ServiceVersion, buildinfo.Version())),
	}
	return resource.New(ctx,
		resource.WithService(), // a random service.instance.id
		resource.WithTelemetrySDK(),
		resource.WithAttributes(defaults...),
		resource.WithFromEnv(), // last: the operator's word is the last
	)
}

// MetricsHandler serves the process's metrics for Prometheus to scrape, with exemplars
// where the scraper speaks OpenMetrics.
func (t *Telemetry) MetricsHandler() http.Handler {
	return promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{
		EnableOpenMetrics:   true,
		ErrorHandling:       promhttp.ContinueOnError, // one bad series must not hide the others
		ErrorLog:            errorLog{t.log},
		MaxRequestsInFlight: 4,
		Timeout:             10 * time.Second,
	})
}

type errorLog struct{ log *slog.Logger }

func (l errorLog) Println(v ...any) { l.log.Warn("/metrics", "error", fmt.Sprint(v...)) }

// closeLimit is how long Close waits for the last export.
const closeLimit = 3 * time.Second

// Close is Shutdown within 3 s. What could not be exported is logged.
func (t *Telemetry) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	err := t.Shutdown(ctx)
	if err != nil {
		t.log.Warn("the last telemetry was not exported", "error", err)
	}
	return err
}

// Shutdown stops Config.Health, exports what is left and ends the pipeline within ctx.
// Metrics, traces and logs end side by side under the one deadline, which holds even while a
// callback hangs. Calls after the first, of Close too, wait for its end and do nothing.
func (t *Telemetry) Shutdown(ctx context.Context) (err error) {
	t.ending.Do(func() { err = t.shutdown(ctx) })
	return err
}

func (t *Telemetry) shutdown(ctx context.Context) error {
	var errs []error
	if t.health != nil { // before the others, which export its last verdict
		errs = append(errs, together(ctx, func(context.Context) error { t.health.Stop(); return nil }))
	}
	var ends []func(context.Context) error
	if t.traces != nil {
		ends = append(ends, t.traces.Shutdown)
	}
	if t.metrics != nil {
		ends = append(ends, t.metrics.Shutdown)
	}
	if t.logs != nil {
		ends = append(ends, t.logs.Shutdown)
	}
	return errors.Join(append(errs, together(ctx, ends...))...)
}

// together calls side by side, and waits no longer than ctx allows.
func together(ctx context.Context, ends ...func(context.Context) error) error {
	results := make(chan error, len(ends))
	for _, end := range ends {
		go func() { results <- end(ctx) }()
	}
	var errs []error
	for range ends {
		select {
		case err := <-results:
			errs = append(errs, err)
		case <-ctx.Done():
			return errors.Join(append(errs, ctx.Err())...)
		}
	}
	return errors.Join(errs...)
}
