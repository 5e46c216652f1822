package telemetry

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// patience is how long a batch of spans or log records is retried by default. The specification's
// 10 s would lose them while a collector restarts. Metrics need no such time, because they are
// cumulative.
const patience = time.Minute

// These times are shorter than the defaults. The exporters would wait 5 s to 30 s between attempts, and gRPC
// up to 120 s between connections, so a collector that is back would look dead for minutes.
const (
	retryFirst, retryMost = 500 * time.Millisecond, 2 * time.Second
	attemptLimit          = 10 * time.Second
)

// exportInterval is the default of OTEL_METRIC_EXPORT_INTERVAL. With the specification's 60 s an outage would
// show only after a minute. Dashboards and alerts rely on 15 s.
const exportInterval = 15 * time.Second

// exportMetrics exports metrics by OTLP. It exports the collection's snapshots. If variables ask for other
// figures, it returns a reader of its own. others are producers of metrics for OTLP only.
func exportMetrics(ctx context.Context, env *environment, out *outcomes, c *collection, res *resource.Resource, others []sdkmetric.Producer) (own sdkmetric.Reader, err error) {
	otlp, err := newMetricExporter(ctx, env.metrics, out.errorLogger.Handle)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	if env.metrics.http {
		out.metrics.limit = env.metrics.limit(attemptLimit)
	}
	x := textMetrics{metricExporter{otlp, &out.metrics, deltas(otlp)}, &out.metrics}
	interval := cmp.Or(env.milliseconds("OTEL_METRIC_EXPORT_INTERVAL"), exportInterval)
	if shares(x) {
		c.deliver(x, res, &out.metrics, interval, others)
		return nil, nil
	}
	options := []sdkmetric.PeriodicReaderOption{sdkmetric.WithInterval(interval)}
	for _, p := range c.producers {
		options = append(options, sdkmetric.WithProducer(p))
	}
	for _, p := range others {
		options = append(options, sdkmetric.WithProducer(p))
	}
	return exportingReader{sdkmetric.NewPeriodicReader(x, options...), &out.metrics}, nil
}

// deltas reports whether an exporter wants deltas of an instrument.
func deltas(x sdkmetric.Exporter) bool {
	for kind := sdkmetric.InstrumentKindCounter; kind <= sdkmetric.InstrumentKindGauge; kind++ {
		if x.Temporality(kind) == metricdata.DeltaTemporality {
			return true
		}
	}
	return false
}

func newMetricExporter(ctx context.Context, s signal, report func(error)) (sdkmetric.Exporter, error) {
	if s.http {
		options := []otlpmetrichttp.Option{
			otlpmetrichttp.WithHTTPClient(newClient(s, report)), otlpmetrichttp.WithTLSClientConfig(nil), // newClient has it
			otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig{Enabled: true, InitialInterval: retryFirst, MaxInterval: retryMost}),
		}
		if s.gzip {
			options = append(options, otlpmetrichttp.WithCompression(otlpmetrichttp.GzipCompression))
		}
		return otlpmetrichttp.New(ctx, options...)
	}
	options := []otlpmetricgrpc.Option{
		otlpmetricgrpc.WithDialOption(dialOptions(s, report)...), otlpmetricgrpc.WithTLSCredentials(s.credentials()),
		otlpmetricgrpc.WithRetry(otlpmetricgrpc.RetryConfig{Enabled: true, InitialInterval: retryFirst, MaxInterval: retryMost}),
	}
	if s.gzip {
		options = append(options, otlpmetricgrpc.WithCompressor("gzip"))
	}
	return otlpmetricgrpc.New(ctx, options...)
}

// spanProcessor exports spans by OTLP in batches.
func spanProcessor(ctx context.Context, env *environment, out *outcomes, rules spanRules) (sdktrace.SpanProcessor, error) {
	otlp, err := newSpanExporter(ctx, env.traces, out.errorLogger.Handle)
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	if env.traces.http {
		out.traces.limit = env.traces.limit(patience)
	}
	q := env.queue("OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE")
	batch := []sdktrace.BatchSpanProcessorOption{
		sdktrace.WithExportTimeout(env.batchTimeout("OTEL_BSP_EXPORT_TIMEOUT", env.traces)),
		sdktrace.WithMaxQueueSize(q.size()), sdktrace.WithMaxExportBatchSize(q.batch),
	}
	if env.isInvalid("OTEL_BSP_SCHEDULE_DELAY") {
		batch = append(batch, sdktrace.WithBatchTimeout(sdktrace.DefaultScheduleDelay*time.Millisecond))
	}
	g := newGate(&out.traces, q.items())
	x := gatedSpanExporter{textSpans{spanExporter{otlp, &out.traces}, &out.traces}, g}
	return exportingSpans{gatedSpans{sdktrace.NewBatchSpanProcessor(x, batch...), g, rules}, &out.traces}, nil
}

func newSpanExporter(ctx context.Context, s signal, report func(error)) (sdktrace.SpanExporter, error) {
	if s.http {
		options := []otlptracehttp.Option{
			otlptracehttp.WithHTTPClient(newClient(s, report)), otlptracehttp.WithTLSClientConfig(nil), // newClient has it
			otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: true, InitialInterval: retryFirst, MaxInterval: retryMost}),
		}
		if s.gzip {
			options = append(options, otlptracehttp.WithCompression(otlptracehttp.GzipCompression))
		}
		return otlptracehttp.New(ctx, options...)
	}
	options := []otlptracegrpc.Option{
		otlptracegrpc.WithDialOption(dialOptions(s, report)...), otlptracegrpc.WithTLSCredentials(s.credentials()),
		otlptracegrpc.WithTimeout(s.limit(patience)),
		otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{Enabled: true, InitialInterval: retryFirst, MaxInterval: retryMost}),
	}
	if s.gzip {
		options = append(options, otlptracegrpc.WithCompressor("gzip"))
	}
	return otlptracegrpc.New(ctx, options...)
}

// logProcessor exports log records by OTLP in batches.
func logProcessor(ctx context.Context, env *environment, out *outcomes, b bounds) (sdklog.Processor, error) {
	x, err := newLogExporter(ctx, env.logs, out.errorLogger.Handle)
	if err != nil {
		return nil, fmt.Errorf("logs: %w", err)
	}
	if env.logs.http {
		out.logs.limit = env.logs.limit(patience)
	}
	q := env.queue("OTEL_BLRP_MAX_QUEUE_SIZE", "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE")
	batch := []sdklog.BatchProcessorOption{
		sdklog.WithExportTimeout(env.batchTimeout("OTEL_BLRP_EXPORT_TIMEOUT", env.logs)),
		sdklog.WithMaxQueueSize(q.size()), sdklog.WithExportMaxBatchSize(q.batch),
	}
	g := newGate(&out.logs, q.items())
	exporter := gatedLogExporter{textLogs{logExporter{x, &out.logs}, &out.logs}, g}
	processor := eventNames{gatedLogs{sdklog.NewBatchProcessor(exporter, batch...), g, b}}
	return exportingLogs{processor, &out.logs, make(chan struct{}, 1)}, nil
}

func newLogExporter(ctx context.Context, s signal, report func(error)) (sdklog.Exporter, error) {
	if s.http {
		options := []otlploghttp.Option{
			otlploghttp.WithHTTPClient(newClient(s, report)), otlploghttp.WithTLSClientConfig(nil), // newClient has it
			otlploghttp.WithRetry(otlploghttp.RetryConfig{Enabled: true, InitialInterval: retryFirst, MaxInterval: retryMost}),
		}
		if s.gzip {
			options = append(options, otlploghttp.WithCompression(otlploghttp.GzipCompression))
		}
		return otlploghttp.New(ctx, options...)
	}
	options := []otlploggrpc.Option{
		otlploggrpc.WithDialOption(dialOptions(s, report)...), otlploggrpc.WithTLSCredentials(s.credentials()),
		otlploggrpc.WithTimeout(s.limit(patience)),
		otlploggrpc.WithRetry(otlploggrpc.RetryConfig{Enabled: true, InitialInterval: retryFirst, MaxInterval: retryMost}),
	}
	if s.gzip {
		options = append(options, otlploggrpc.WithCompressor("gzip"))
	}
	return otlploggrpc.New(ctx, options...)
}

// limit is the time of an export with all its attempts.
func (s signal) limit(byDefault time.Duration) time.Duration { return cmp.Or(s.timeout, byDefault) }

// attempt is the time of one attempt. If a longer time is configured, an attempt may take all of it.
func (s signal) attempt() time.Duration { return max(attemptLimit, s.timeout) }

// credentials are those of gRPC. They are always set, because a certificate in a variable would
// turn on TLS also for http://.
func (s signal) credentials() credentials.TransportCredentials {
	if s.tls == nil {
		return insecure.NewCredentials()
	}
	return credentials.NewTLS(s.tls.Clone())
}
