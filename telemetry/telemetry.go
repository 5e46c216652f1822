// Package telemetry records and exports telemetry. One call sets up OpenTelemetry metrics, traces and
// logs with OTLP over gRPC or HTTP, and Prometheus' /metrics from the same aggregation. It also starts
// a healthcheck.Monitor on the recorded metrics:
//
//	health := healthcheck.New(healthcheck.Config{Rules: …})
//	tel, err := telemetry.Start(ctx, telemetry.Config{ServiceName: "orders", Health: health})
//	if err != nil {
//		return err
//	}
//	defer tel.Close()
//	srv.Handler = health.Wrap(tel.Instrument(mux))
//
// The standard OTEL_* variables configure it, and [Config] has further settings. Without an OTLP
// endpoint it opens no connection, and /metrics works. If the collector is away, requests don't
// wait, because recording does not block. Metrics are cumulative, so they lose resolution but no
// counts. Spans and log records wait for a minute, in one queue each, of 2048 items and 16 MiB. If a
// queue is full, further items are dropped. telemetry.export.failures counts failed exports, and
// telemetry.items.lost counts items that did not arrive.
//
// # Libraries
//
// Start changes no globals of the process, unless Config.SetGlobals is set. Give an instrumented
// library the providers of its Telemetry. An HTTP client needs a propagator too, or the trace ends
// with its request:
//
//	otelhttp.NewTransport(nil, otelhttp.WithMeterProvider(tel.MeterProvider),
//		otelhttp.WithTracerProvider(tel.TracerProvider), otelhttp.WithPropagators(propagation.TraceContext{}))
//
// A database or another client that uses the providers can be opened only after Start. Add its
// check by health.Add, and let a health.Hold keep the process starting until then.
//
// # Concurrency and ownership
//
// Start may be called more than once, from any goroutine. Several services in one process have a
// Telemetry and a Monitor each. The end of Start's ctx begins the drain of Config.Health and nothing
// else. Exports continue until Close. All methods of a Telemetry may be called at any time, from any
// goroutine. Close stops Config.Health, exports the remaining data and ends everything that Start
// began. Call it last, after the servers. After Close, data is lost and /metrics is empty.
//
// # Units and errors
//
// Durations are seconds. Start returns every mistake in Health as healthcheck's StartWith does. A
// failed Start has changed nothing, but Config.Readers can't be used again.
//
// The environment never prevents a start, because a platform sets it without a release of the
// service. An invalid or unsupported variable is logged as an error, by name. It is also a series of
// telemetry.environment.invalid, and Health shows it as a rule named telemetry-environment that
// changes no answer. The variable's default applies, or the supported names of a list. If an endpoint,
// a header or a certificate is invalid, the signals that use it are not exported. With Config.Strict,
// Start returns all invalid variables as an error.
//
// A failed export is logged through Config.Logger, the first time at once, and then at most once a
// minute. It does not affect recorded data. Other errors of OpenTelemetry go to its global error
// handler. Start replaces that handler only with SetGlobals.
//
// An instrument's callback may fail, panic or hang. Then only its own instruments are missing, also in
// Config.Readers. The failure is logged and counted like a failed export, by the type of its error. A
// collection waits 500 ms for a callback. After that it uses the last values, for 15 s.
package telemetry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/contrib/instrumentation/runtime"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/cfgerrors"
	"github.com/otelhealth/otelhealth/healthcheck/promhealth"
	"github.com/otelhealth/otelhealth/internal/guard"
)

// Telemetry is a running pipeline.
type Telemetry struct {
	MeterProvider metric.MeterProvider

	// TracerProvider makes spans. Without an endpoint for traces it records none. They still have an
	// identity and the sampling flag, for log lines and for calls to other services.
	TracerProvider trace.TracerProvider

	// Logger writes to Config.Logger. If logs are exported, it also writes to OTLP, with the trace
	// of the context. Records with event.name become events. The level is that of Config.Logger.
	Logger *slog.Logger

	// Reader is the cumulative reader behind rules, /metrics and OTLP. So /metrics and the exported
	// metrics explain every verdict.
	Reader sdkmetric.Reader

	service      string
	spanDetails  bool // Config.SpanDetails
	propagator   propagation.TextMapPropagator
	registry     prometheus.Gatherer  // behind /metrics
	evidence     sdkmetric.Reader     // for Health: Reader, and the other metrics of Config.Registry
	entered      *registration        // in Config.Registry; nil without one
	native       []sdkmetric.Producer // of the other metrics of Config.Registry, for OTLP
	inflight     *inflight
	duration     *duration
	routes       routes
	lines        *guard.Writer // of our own log lines
	log          *slog.Logger  // for these
	panics       guard.Site    // the lines about panics of handlers, which are exported too
	errorLogger  *errorLogger
	outcomes     *outcomes
	faults       *faults // of code that collections call
	scrapeErrors *scrapeErrors
	conflicts    nameConflicts

	// Shutdown ends these. They are nil if Start has not made them.
	health  *healthcheck.Monitor
	metrics *sdkmetric.MeterProvider
	traces  *sdktrace.TracerProvider
	logs    *sdklog.LoggerProvider
	loggers textScopes // logs, for everybody
	ending  sync.Once
}

// Start sets everything up and starts Config.Health. It connects in the background, so a missing
// collector does not make it fail.
func Start(ctx context.Context, cfg Config) (*Telemetry, error) {
	env := readEnvironment()
	errs := cfg.validate()
	if cfg.Strict {
		errs = append(errs, env.strict())
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	local := cmp.Or(cfg.Logger, slog.Default())
	lines := guard.NewWriter(local)
	t := &Telemetry{
		Logger: local, lines: lines, log: lines.Logger(), propagator: env.propagator, spanDetails: cfg.SpanDetails,
		errorLogger: &errorLogger{log: lines.Logger(), errors: map[string]*loggedError{}},
	}
	var err error
	if failed := guard.Inline(func() { err = t.build(context.WithoutCancel(ctx), cfg, env) }); failed != nil {
		err = failed // for example of a foreign Reader
	}
	if err != nil {
		t.abandon()
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	if cfg.Health != nil {
		if err := t.startHealth(ctx, cfg.Health, env); err != nil {
			t.abandon()
			return nil, err // the error names healthcheck
		}
	}
	if cfg.SetGlobals {
		t.setGlobals()
	}
	return t, nil
}

// build makes the providers and their instruments. After an error, Shutdown ends what exists.
func (t *Telemetry) build(ctx context.Context, cfg Config, env *environment) error {
	res, err := identity(ctx, cfg, env)
	if err != nil {
		return fmt.Errorf("resource: %w", err)
	}
	var texts mender
	if res = texts.resource(res); texts.texts > 0 {
		tellMended(t.errorLogger, "resource", &texts)
	}
	for _, kv := range res.Attributes() {
		if kv.Key == semconv.ServiceNameKey {
			t.service = kv.Value.AsString()
		}
	}
	out := newOutcomes(t.errorLogger)
	t.outcomes = out
	t.faults = &faults{count: out.uncollected, tell: t.errorLogger.Handle}
	metrics := newCollection(cfg, res, t.faults)
	if err := t.serveMetrics(cfg, metrics, res); err != nil {
		return err
	}

	t.traces = sdktrace.NewTracerProvider(sdktrace.WithResource(res), sdktrace.WithSampler(env.sampler))
	t.TracerProvider = newUnrecordedTracers(env.sampler)
	if env.traces.exported {
		t.TracerProvider = t.traces
		limits := env.bounds(spanValueLimit, "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT")
		p, err := spanProcessor(ctx, env, out, spanRules{limits, cfg.SpanDetails, t.service})
		if err == nil {
			t.traces.RegisterSpanProcessor(p)
		} else if err := env.refuse(&env.traces, "TRACES", err, cfg.Strict); err != nil {
			return err
		}
	}
	if env.logs.exported {
		limits := env.bounds(logValueLimit, "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT")
		p, err := logProcessor(ctx, env, out, limits)
		if err == nil {
			t.logs = sdklog.NewLoggerProvider(sdklog.WithResource(res), sdklog.WithProcessor(p))
			t.loggers = textScopes{t.logs, &out.logs}
			t.Logger = bridgeLogs(t.Logger.Handler(), t.logs, limits)
		} else if err := env.refuse(&env.logs, "LOGS", err, cfg.Strict); err != nil {
			return err
		}
	}
	var own advice
	options := []sdkmetric.Option{sdkmetric.WithResource(res), sdkmetric.WithReader(metrics), sdkmetric.WithView(cfg.views(&own))}
	if env.metrics.exported {
		second, err := exportMetrics(ctx, env, out, metrics, res, t.native)
		if err != nil {
			if err := env.refuse(&env.metrics, "METRICS", err, cfg.Strict); err != nil {
				return err
			}
		}
		if second != nil {
			t.log.Info("metrics are aggregated twice, because OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE or " +
				"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION asks for other figures than those of rules and /metrics")
			options = append(options, sdkmetric.WithReader(second))
		}
	}
	for _, r := range cfg.Readers { // the last ones, because the SDK shuts one down after the other
		options = append(options, sdkmetric.WithReader(usersReader{r}))
	}
	t.metrics = sdkmetric.NewMeterProvider(options...)
	t.MeterProvider = meterProvider{t.metrics, &own, t.faults, &sync.Map{}}
	env.announce(t.log)

	if err := out.instrument(t.metrics); err != nil {
		return err
	}
	if env.exports() {
		out.mendedResource(env, texts.texts)
	}
	if err := env.instrument(t.metrics); err != nil {
		return err
	}
	if t.inflight, err = newInflight(t.metrics); err != nil {
		return err
	}
	if t.duration, err = newDuration(t.metrics, t.service, cfg.Views); err != nil {
		return err
	}
	return runtime.Start(runtime.WithMeterProvider(t.metrics)) // go.*
}

// serveMetrics makes /metrics of the collection, and registers it in the registry of the service.
func (t *Telemetry) serveMetrics(cfg Config, metrics *collection, res *resource.Resource) error {
	scraped, err := newScraped(metrics, res)
	if err != nil {
		return fmt.Errorf("/metrics: %w", err)
	}
	own := prometheus.NewRegistry()
	own.MustRegister(scraped)
	t.registry, t.Reader, t.evidence = own, metrics, metrics
	t.scrapeErrors = &scrapeErrors{log: t.log, metrics: metrics, show: t.showConflicts, said: map[string]bool{}, known: map[string]bool{}}
	if cfg.Registry == nil {
		return nil
	}
	if t.entered, err = enter(cfg.Registry, scraped); err != nil {
		return &cfgerrors.Error{Field: "Registry", Problem: guard.Text(err)}
	}
	t.registry, t.evidence = cfg.Registry, promhealth.Extend(metrics, cfg.Registry)
	t.native = []sdkmetric.Producer{&foreign{all: cfg.Registry, limit: gatherLimit, report: func(err error) {
		t.outcomes.uncollected("registry_error")
		t.errorLogger.Handle(err)
	}}}
	return nil
}

// gatherLimit is shorter than the default of OTEL_METRIC_EXPORT_TIMEOUT, so that the other metrics are
// exported even if a collector hangs.
const gatherLimit = 5 * time.Second

func (t *Telemetry) setGlobals() {
	otel.SetErrorHandler(t.errorLogger)
	otel.SetMeterProvider(t.MeterProvider)
	otel.SetTracerProvider(t.TracerProvider)
	otel.SetTextMapPropagator(t.propagator)
	if t.logs != nil {
		otel.SetLoggerProvider(t.loggers)
	}
}
