package telemetry

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/keepalive"
)

// patience is how long a batch of spans or log records is retried by default. The specification's
// 10 s would lose them while a collector restarts. Metrics need no such time, because they are
// cumulative.
const patience = time.Minute

// By default the exporters wait 5 s to 30 s between attempts, and gRPC waits up to 120 s between
// connections. So a collector that is back would look dead for minutes.
const (
	retryFirst, retryMost = 500 * time.Millisecond, 2 * time.Second
	attemptLimit          = 10 * time.Second
	deadPeer              = 20 * time.Second // without an acknowledgement of sent data
	pingEvery             = 6 * time.Minute  // collectors close connections with more than one ping in 5 min
)

// dialOptions returns the options of each exporter's connection. Every failed attempt calls report.
func dialOptions(report func(error)) []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: retryFirst, Multiplier: 1.6, Jitter: .2, MaxDelay: retryMost},
			MinConnectTimeout: 5 * time.Second,
		}),
		// Timeout is also the kernel's timeout, because a collector on a dead node sends no reset.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingEvery, Timeout: deadPeer}),
		// An attempt without an answer must not use up the time of the others. The first failed
		// attempt is reported, and not only the last one after a minute.
		grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			attempt, cancel := context.WithTimeout(ctx, attemptLimit)
			defer cancel()
			err := invoke(attempt, method, req, reply, cc, opts...)
			if err != nil && ctx.Err() == nil {
				report(err)
			}
			return err
		}),
	}
}

// exportInterval is the default of OTEL_METRIC_EXPORT_INTERVAL. With the specification's 60 s
// nobody would notice an outage for a minute. Dashboards and alerts rely on 15 s.
const exportInterval = 15 * time.Second

// metricReader exports metrics by OTLP.
func metricReader(ctx context.Context, out *outcomes) (sdkmetric.Reader, error) {
	x, err := otlpmetricgrpc.New(ctx, otlpmetricgrpc.WithDialOption(dialOptions(out.errorLogger.Handle)...),
		otlpmetricgrpc.WithRetry(otlpmetricgrpc.RetryConfig{Enabled: true, InitialInterval: retryFirst, MaxInterval: retryMost}))
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	var options []sdkmetric.PeriodicReaderOption
	if isUnset("OTEL_METRIC_EXPORT_INTERVAL") {
		options = append(options, sdkmetric.WithInterval(exportInterval))
	}
	return exportingReader{sdkmetric.NewPeriodicReader(metricExporter{x, &out.metrics}, options...), &out.metrics}, nil
}

// spanProcessor exports spans by OTLP in batches.
func spanProcessor(ctx context.Context, out *outcomes, details bool) (sdktrace.SpanProcessor, error) {
	options := []otlptracegrpc.Option{otlptracegrpc.WithDialOption(dialOptions(out.errorLogger.Handle)...),
		otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{Enabled: true, InitialInterval: retryFirst, MaxInterval: retryMost})}
	var batch []sdktrace.BatchSpanProcessorOption
	if isUnset("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT") {
		options = append(options, otlptracegrpc.WithTimeout(patience))
	}
	if isUnset("OTEL_BSP_EXPORT_TIMEOUT") {
		batch = append(batch, sdktrace.WithExportTimeout(patience))
	}
	otlp, err := otlptracegrpc.New(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	var x sdktrace.SpanExporter = spanExporter{otlp, &out.traces}
	if !details {
		x = redactor{x}
	}
	return exportingSpans{sdktrace.NewBatchSpanProcessor(x, batch...), &out.traces}, nil
}

// logProcessor exports log records by OTLP in batches.
func logProcessor(ctx context.Context, out *outcomes) (sdklog.Processor, error) {
	options := []otlploggrpc.Option{otlploggrpc.WithDialOption(dialOptions(out.errorLogger.Handle)...),
		otlploggrpc.WithRetry(otlploggrpc.RetryConfig{Enabled: true, InitialInterval: retryFirst, MaxInterval: retryMost})}
	var batch []sdklog.BatchProcessorOption
	if isUnset("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT") {
		options = append(options, otlploggrpc.WithTimeout(patience))
	}
	if isUnset("OTEL_BLRP_EXPORT_TIMEOUT") {
		batch = append(batch, sdklog.WithExportTimeout(patience))
	}
	x, err := otlploggrpc.New(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("logs: %w", err)
	}
	return exportingLogs{eventNames{sdklog.NewBatchProcessor(logExporter{x, &out.logs}, batch...)}, &out.logs}, nil
}

func isUnset(names ...string) bool {
	for _, name := range names {
		if strings.TrimSpace(os.Getenv(name)) != "" {
			return false
		}
	}
	return true
}
