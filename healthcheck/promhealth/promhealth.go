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
// Rules use the names and labels on /metrics, also labels of a wrapped Registerer. If a
// name ends in _seconds, _milliseconds, _microseconds or _nanoseconds, also before _total or _sum,
// that is its unit, and a bound on it is a time.Duration. Any other bound is a number.
//
// # What is evidence
//
//   - Counters: Increase, and Ratio of two.
//   - Gauges and untyped metrics: Last, TimeSince, TimeUntil, and Ratio of two Last.
//   - Histograms: Quantile, ShareAbove and Increase. A limit must be one of the histogram's own
//     bucket boundaries, because nobody can add one here. Start says so, or AddRule, if the
//     histogram has been registered and, in case of a vec, has a child. If it gets its first child
//     later, the rule says so. The share beyond such a limit lies between two numbers: the rule
//     fails if the lower is too high, passes if the upper is low enough, and warns otherwise.
//   - Native histograms: the same, and a limit may be any number. It is moved up to the next
//     boundary of the native buckets, by 9 % at most if NativeHistogramBucketFactor is 1.1. A
//     histogram that has both kinds of buckets is read by its classic ones.
//   - Summaries: each quantile is a gauge that has the label quantile, so write
//     rule.Last("x_seconds").Where("quantile", "0.99"). It goes back to normal when MaxAge of the
//     summary has passed, which is 10 minutes by default.
//   - The names x_count and x_sum of a histogram or a summary x: counters.
//   - What healthcheck.Monitor.Queue makes: queue_length, queue_capacity and
//     queue_wait_duration_seconds, whose buckets get the limits of rules. They are registered
//     with the first queue.
//
// Requests to /metrics and to the probes are evidence too if they pass the middleware that measures
// requests. Mount them outside of it, or exclude them by WhereNot.
//
// # What is not
//
// The metrics health_* are the verdict, and a rule on them is an error. A collector whose Describe
// sends nothing (client_golang calls it unchecked) can't be found, so a rule on its metrics is
// unknown.
//
// # Late or missing
//
// A metric is known as soon as it is registered. So a vec without children passes, with no value,
// and so does a summary without observations. A metric that is not registered is unknown at once.
// It is searched again after 1 s, 2 s, 4 s and so on, up to every 30 s. Every search also compares
// the known collectors with the registry, so that an unregistered or replaced metric is no longer
// judged. A new series of a counter counts from zero if it was created since the last collection.
// If it does not say when, its first value is its beginning.
//
// Only the collectors of the metrics in rules are asked, at most once a second, and each at most
// 1/50 of the time. The whole registry is never gathered. If such a collector panics or returns an
// error, only the rules on it are unknown. While a collector is slow its last result counts. When
// that is 10 s old, the rules on it are unknown. No judgement, scrape or Stop waits for a
// collector. Describe must not block, as client_golang requires too. Only *prometheus.Registry and
// prometheus.Gatherers can be asked for some of their metrics. Any other Gatherer is gathered
// whole, within the same limits, and its metrics are known once they have a series.
//
// # The verdict in the registry
//
// The metrics are health_check_status, health_probe_status and so on, as the README lists them,
// without scope labels and without target_info. They stay after Stop, so that the last scrape shows
// the end. The next Start in the same registry replaces them. The serviceId in responses is the
// service.name of OTEL_RESOURCE_ATTRIBUTES or OTEL_SERVICE_NAME, or else the name of the
// executable. A name that looks unexpanded, such as $(POD_NAME), does not apply.
//
// # Concurrency
//
// Start may be called from any goroutine. Metrics may be registered, unregistered, changed and
// scraped meanwhile, and while the Monitor runs.
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

// Join makes a Registry of two halves. health_* is registered in the first one, and rules read the
// second. So two Monitors can share a registry, each with its own label:
//
//	promhealth.Join(prometheus.WrapRegistererWith(prometheus.Labels{"service": "orders"}, reg), reg)
//
// The second half may also be prometheus.Gatherers.
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
		return &cfgerrors.Error{Field: "Registry", Problem: "is a nil pointer, or has a nil half"}
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
		err := guard.Call(ctx, func(context.Context) error { // a judgement has made its goroutine
			return register(r, newMonitorCollector(m, in.ManualReader, family.isQueue))
		})
		if err != nil {
			lines.Write(ctx, slog.LevelWarn,
				"the queues of a Monitor are not on /metrics, because another metric has one of their names", slog.String("error", guard.Text(err)))
		}
	})
	return nil
}

// hasNil reports whether a Registry or one of its halves is nil.
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
	return errors.New("another Monitor is in this registry already; for two in a process, write for each promhealth.Join(prometheus.WrapRegistererWith(prometheus.Labels{…}, reg), reg)")
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
			log.Warn("the name of the service looks like a variable that was not replaced, so it does not apply", "variable", variable)
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
