// Package promhealth judges a service by its metrics in a registry of client_golang, and exports
// the verdict in the same registry. The service needs no OpenTelemetry:
//
//	health := healthcheck.New(healthcheck.Config{
//		Checks: []healthcheck.Check{{Name: "database", Func: db.PingContext}},
//		Rules: []rule.Rule{{
//			Name:  "latency",
//			Value: rule.Quantile(.99, "http_request_duration_seconds"),
//			Fail:  rule.Above(500 * time.Millisecond),
//		}},
//	})
//	if err := promhealth.Start(ctx, health, nil); err != nil { // nil: the default registry
//		return err
//	}
//	return health.ListenAndServe(&http.Server{Addr: ":8000", Handler: health.Wrap(mux)})
//
// # Names and units
//
// Rules use the names and labels on /metrics, including the labels of a wrapped Registerer. If a
// name ends in _seconds, _milliseconds, _microseconds or _nanoseconds, also before _total or _sum,
// that is its unit, and a bound on it is a time.Duration. Any other bound is a number.
//
// # What is evidence
//
//   - Counters: Increase, and Ratio of two.
//   - Gauges and untyped metrics: Last, TimeSince, TimeUntil, and Ratio of two Last.
//   - Histograms: Quantile, ShareAbove and Increase. A limit must be one of the histogram's own
//     bucket boundaries, because the Monitor can't add one. If it is not, Start and AddRule return an
//     error, as long as the histogram is registered and, if it is a vec, has a child. If the first
//     child comes later, the reason of the rule names the mistake. Then only two numbers are known,
//     and the share beyond the limit lies between them. The rule fails if both are beyond the limit,
//     passes if both are within, and otherwise warns.
//   - Native histograms: the same, but a limit may be any number. It is moved up to the next
//     boundary of the native buckets, by 9 % at most if NativeHistogramBucketFactor is 1.1. If a
//     histogram has both kinds of buckets, the classic ones are read.
//   - Summaries: each quantile is a gauge with the label quantile, so write
//     rule.Last("x_seconds").Where("quantile", "0.99"). A high quantile stays high until MaxAge of the
//     summary has passed, 10 minutes by default.
//   - The names x_count and x_sum of a histogram or a summary x: counters.
//   - Queues of healthcheck.Monitor.Queue: queue_length, queue_capacity and
//     queue_wait_duration_seconds. The limits of rules become buckets of the last one. These metrics
//     are registered with the first queue.
//
// Requests to /metrics and to the probes are evidence too if they pass the middleware that measures
// requests. Mount /metrics and the probes outside of it, or exclude them by WhereNot.
//
// # What is not evidence
//
// The metrics health_* are the verdict, and a rule on them is an error. A collector whose Describe
// sends nothing (client_golang calls it unchecked) can't be found, so a rule on its metrics is
// unknown.
//
// # Late or missing
//
// A metric is known as soon as it is registered. So a rule on a vec without children passes, with no
// value, and so does one on a summary without observations. If a metric is not registered, its rule is
// unknown at once. The registry is searched again after 1 s, 2 s, 4 s and so on, up to every 30 s. Every
// search also finds out which known metrics were unregistered or replaced, so that these are no longer
// judged. A new series of a counter counts from zero if it was created since the last collection.
// If its creation time is unknown, it counts from its first value.
//
// Only the collectors of the metrics in rules are asked, at most once a second, and each at most
// 1/50 of the time. The whole registry is never gathered. If such a collector panics or returns an
// error, only the rules on it are unknown. While a collector is slow, its last result counts. When
// the result is 10 s old, the rules on it are unknown. No judgement, scrape or Stop waits for a
// collector. Describe must not block, as client_golang requires too. Only *prometheus.Registry and
// prometheus.Gatherers can be asked for some of their metrics. Any other Gatherer is gathered
// whole, within the same limits, and its metrics are known once they have a series.
//
// # The verdict in the registry
//
// The metrics are health_check_status, health_probe_status and so on. docs/metrics.md lists them. They have
// no scope labels, and there is no target_info. They stay after Stop, so that the last scrape shows
// the end. The next Start in the same registry replaces them. The serviceId in responses is the
// service.name of OTEL_RESOURCE_ATTRIBUTES or OTEL_SERVICE_NAME, or else the name of the
// executable. A name that looks like a variable that was not replaced, such as $(POD_NAME), is ignored.
//
// # Concurrency
//
// Start may be called from any goroutine. Metrics may be registered, unregistered, changed and
// scraped at any time.
package promhealth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"reflect"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/cfgerrors"
	"github.com/otelhealth/otelhealth/healthcheck/internal/buildinfo"
	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
	"github.com/otelhealth/otelhealth/healthcheck/internal/guard"
)

// A Registry has the metrics of a service: a *prometheus.Registry, or controller-runtime's
// metrics.Registry.
type Registry interface {
	prometheus.Registerer
	prometheus.Gatherer
}

// Join makes a Registry of two parts: health_* is registered in r, and rules read g. So two Monitors can
// share a registry, each with its own label:
//
//	promhealth.Join(prometheus.WrapRegistererWith(prometheus.Labels{"service": "orders"}, reg), reg)
//
// g may also be prometheus.Gatherers.
func Join(r prometheus.Registerer, g prometheus.Gatherer) Registry { return joined{r, g} }

type joined struct {
	prometheus.Registerer
	prometheus.Gatherer
}

// Start registers health_* in r, and starts m as healthcheck.Monitor.StartWith does, with the same
// errors. If r is nil, it is the default registry of client_golang. If Start fails, nothing stays
// registered. A registry with the metrics of another Monitor is an error; see Join.
func Start(ctx context.Context, m *healthcheck.Monitor, r Registry) error {
	return StartWith(ctx, m, r, healthcheck.Pipeline{})
}

// StartWith is Start with the Logger and the TracerProvider of a Pipeline. Its Reader and its
// MeterProvider must be nil, because r takes their place.
func StartWith(ctx context.Context, m *healthcheck.Monitor, r Registry, p healthcheck.Pipeline) error {
	switch {
	case p.Reader != nil:
		return &cfgerrors.Error{Field: "Reader", Problem: "is set beside a registry: write health.StartWith and promhealth.Extend for both"}
	case p.MeterProvider != nil:
		return &cfgerrors.Error{Field: "MeterProvider", Problem: "is set beside a registry: write health.StartWith and promhealth.Extend for both"}
	}
	if r == nil {
		r = Join(prometheus.DefaultRegisterer, prometheus.DefaultGatherer)
	}
	if hasNil(r) {
		return &cfgerrors.Error{Field: "Registry", Problem: "is a nil pointer, or a part of it is"}
	}
	in := &reader{ManualReader: sdkmetric.NewManualReader(), families: newFamilies(r)}
	lines := guard.NewWriter(cmp.Or(p.Logger, slog.Default()))
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(in), sdkmetric.WithView(m.View(in.view)), sdkmetric.WithResource(service(lines.Logger())))
	verdicts := newMonitorCollector(m, in.ManualReader, family.isVerdict)
	if err := register(r, verdicts); err != nil {
		return fmt.Errorf("promhealth: %w", err)
	}
	p.Reader, p.MeterProvider = in, provider
	if err := m.StartWith(ctx, p); err != nil {
		r.Unregister(verdicts)
		return err
	}
	in.exportQueues(func() {
		err := guard.Call(ctx, func(context.Context) error { // a judgement has made the goroutine of this call
			return register(r, newMonitorCollector(m, in.ManualReader, family.isQueue))
		})
		if err != nil {
			lines.Write(ctx, slog.LevelWarn,
				"the queues of a Monitor are not on /metrics, because another metric has one of their names", slog.String("error", guard.Text(err)))
		}
	})
	return nil
}

// hasNil reports whether a Registry or one of its parts is nil.
func hasNil(r Registry) bool {
	if j, ok := r.(joined); ok {
		return isNil(j.Registerer) || isNil(j.Gatherer)
	}
	return isNil(r)
}

// isNil reports whether v is nil, or a nil pointer in an interface.
func isNil(v any) bool {
	return v == nil || reflect.ValueOf(v).Kind() == reflect.Pointer && reflect.ValueOf(v).IsNil()
}

// register registers the metrics of a Monitor. It replaces those of a stopped Monitor.
func register(r prometheus.Registerer, o *monitorCollector) error {
	err := r.Register(o)
	var already prometheus.AlreadyRegisteredError
	if !errors.As(err, &already) {
		if err != nil {
			err = fmt.Errorf("the metrics of the Monitor can't be registered; if one of two Monitors has a prometheus.WrapRegistererWith, the other needs one with the same labels and other values: %w", err)
		}
		return err
	}
	other, is := already.ExistingCollector.(*monitorCollector)
	switch {
	case !is:
		return err
	case other.stopped() && r.Unregister(other):
		return r.Register(o)
	case other.monitor == o.monitor:
		return fmt.Errorf("Start: %w", cfgerrors.ErrStarted)
	}
	return errors.New("another Monitor is in this registry already; for two Monitors in a process, use promhealth.Join(prometheus.WrapRegistererWith(prometheus.Labels{…}, reg), reg) for each")
}

// service is the resource. Without it the SDK would use unknown_service, because a service without
// OpenTelemetry does not set a name.
func service(log *slog.Logger) *resource.Resource {
	name := cmp.Or(buildinfo.Executable(), "service")
	consider := func(variable, said string) {
		switch said = strings.TrimSpace(said); {
		case buildinfo.IsName(said):
			name = said
		case said != "":
			log.Warn("the name of the service looks like a variable that was not replaced, so it is ignored", "variable", variable)
		}
	}
	const attributes, own = "OTEL_RESOURCE_ATTRIBUTES", "OTEL_SERVICE_NAME"
	for _, pair := range strings.Split(os.Getenv(attributes), ",") {
		if key, said, ok := strings.Cut(pair, "="); ok && strings.TrimSpace(key) == string(conventions.ServiceName) {
			if decoded, err := url.PathUnescape(said); err == nil && buildinfo.IsName(said) {
				said = decoded
			}
			consider(attributes, said)
		}
	}
	consider(own, os.Getenv(own)) // wins
	return resource.NewSchemaless(attribute.String(string(conventions.ServiceName), name))
}
