// Package telemetry records and exports: one call sets up OpenTelemetry metrics,
// traces and logs with OTLP over gRPC, and Prometheus' /metrics from the same
// aggregation. It knows nothing of health.
//
// It is configured by the standard OTEL_* variables; [Config] has what they have
// not. Without an OTLP endpoint nothing is dialled and /metrics works all the
// same. A collector that is away costs no request: recording does not block.
// Metrics are cumulative, so that its absence costs them resolution and no counts;
// spans and log records wait for a minute in queues of 2048 each, and what comes
// after that is dropped; telemetry.export.failures counts the exports that failed.
//
// # Concurrency and ownership
//
// Start once in a process: it replaces the global providers, the propagator and
// OpenTelemetry's error handler, and never puts them back. All methods of a
// Telemetry are safe for concurrent use. Close it last, after the server and the
// Monitor; what is recorded later is lost, and /metrics is empty then.
//
// # Units and errors
//
// Durations are seconds. Start reports every bad variable at once, by name, and
// has changed nothing then. What fails later, such as an export, is logged through
// Config.Logger, the first time at once and then rarely, and never breaks what was
// recorded.
package telemetry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/contrib/instrumentation/runtime"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otelhealth/otelhealth/internal/buildinfo"
)

// Config is what the OTEL_* variables don't say. The zero value is usable.
type Config struct {
	ServiceName    string // OTEL_SERVICE_NAME wins; the executable's name if both are empty
	ServiceVersion string // the build's version or commit if empty

	// View makes the provider's one view out of the package's own, each of which
	// matches one instrument: healthcheck.Monitor.View. The views apply as they
	// are if nil.
	View func(base ...sdkmetric.View) sdkmetric.View

	// Views are yours. They come before the package's; an instrument takes the
	// first that matches.
	Views []sdkmetric.View

	// SpanDetails exports what may hold a secret or tell of a person, and is left
	// out of spans otherwise: the texts of errors (status descriptions,
	// exception.message), URLs and paths, addresses of clients and servers, users,
	// headers and parameters of queries. error.type, http.route, codes and the
	// text of statements stay in any case.
	SpanDetails bool

	Logger *slog.Logger // slog.Default() if nil
}

// Telemetry is a running pipeline.
type Telemetry struct {
	MeterProvider  *sdkmetric.MeterProvider
	TracerProvider *sdktrace.TracerProvider
	LoggerProvider *sdklog.LoggerProvider // nil unless logs are exported

	// Logger writes where Config.Logger does and, if logs are exported, to OTLP
	// with the trace of the context. Records with event.name become events.
	Logger *slog.Logger

	// Exporting reports whether anything is exported by OTLP. If so there is
	// telemetry.export.failures, by signal and error.type, to judge.
	Exporting bool

	// Reader is the cumulative reader behind /metrics. Health is judged from it,
	// so that /metrics explains every verdict.
	Reader sdkmetric.Reader

	service  string
	registry *prometheus.Registry
	inflight *inflight
	log      *slog.Logger
}

// Start sets everything up and makes the providers and the propagator global, so
// that instrumented libraries find them. It dials in the background: a collector
// that is away is no error. All bad variables are reported at once.
func Start(cfg Config) (*Telemetry, error) {
	env, err := readEnvironment()
	if err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	local := cmp.Or(cfg.Logger, slog.Default())
	otel.SetErrorHandler(&complaints{log: local, say: map[string]*complaint{}})

	ctx := context.Background()
	res, err := identity(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("telemetry: resource: %w", err)
	}
	t := &Telemetry{registry: prometheus.NewRegistry(), log: local, Logger: local, Exporting: env.any()}
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
		return nil, fmt.Errorf("telemetry: /metrics: %w", err)
	}
	t.Reader = reader
	metrics := []sdkmetric.Option{sdkmetric.WithResource(res), sdkmetric.WithReader(reader)}
	traces := []sdktrace.TracerProviderOption{sdktrace.WithResource(res), sdktrace.WithSampler(healthSampler{env.sampler})}

	views := append(cfg.Views[:len(cfg.Views):len(cfg.Views)], ownViews...)
	if cfg.View != nil {
		views = []sdkmetric.View{cfg.View(views...)}
	}
	metrics = append(metrics, sdkmetric.WithView(views...))

	out := newOutcomes()
	if env.metrics {
		r, err := metricReader(ctx, out)
		if err != nil {
			return nil, fmt.Errorf("telemetry: %w", err)
		}
		metrics = append(metrics, sdkmetric.WithReader(r))
	}
	if env.traces {
		p, err := spanProcessor(ctx, out, cfg.SpanDetails)
		if err != nil {
			return nil, fmt.Errorf("telemetry: %w", err)
		}
		traces = append(traces, sdktrace.WithSpanProcessor(p))
	}
	if env.logs {
		p, err := logProcessor(ctx, out)
		if err != nil {
			return nil, fmt.Errorf("telemetry: %w", err)
		}
		t.LoggerProvider = sdklog.NewLoggerProvider(sdklog.WithResource(res), sdklog.WithProcessor(p))
		t.Logger = bridge(local.Handler(), t.LoggerProvider)
	}
	env.announce(local)

	t.MeterProvider = sdkmetric.NewMeterProvider(metrics...)
	t.TracerProvider = sdktrace.NewTracerProvider(traces...)
	if env.any() {
		if err := out.instrument(t.MeterProvider); err != nil {
			return nil, fmt.Errorf("telemetry: %w", err)
		}
	}
	if t.inflight, err = newInflight(t.MeterProvider); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	if err := runtime.Start(runtime.WithMeterProvider(t.MeterProvider)); err != nil { // go.*
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	otel.SetMeterProvider(t.MeterProvider)
	otel.SetTracerProvider(t.TracerProvider)
	otel.SetTextMapPropagator(env.propagator)
	return t, nil
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

// Metrics serves the process's metrics for Prometheus to scrape, with exemplars
// where the scraper speaks OpenMetrics.
func (t *Telemetry) Metrics() http.Handler {
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

// Shutdown exports what is left and ends the pipeline within ctx. Metrics,
// traces and logs end side by side under the one deadline, which holds even while a
// callback hangs.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	ends := []func(context.Context) error{t.TracerProvider.Shutdown, t.MeterProvider.Shutdown}
	if t.LoggerProvider != nil {
		ends = append(ends, t.LoggerProvider.Shutdown)
	}
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
