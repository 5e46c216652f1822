package telemetry

import (
	"fmt"
	"log/slog"
	"reflect"
	"slices"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/cfgerrors"
	"github.com/otelhealth/otelhealth/healthcheck/promhealth"
)

// Config has settings beside the OTEL_* variables. The zero value is usable.
type Config struct {
	ServiceName    string // OTEL_SERVICE_NAME wins; unknown_service:EXECUTABLE if both are empty
	ServiceVersion string // the build's version or commit if empty

	// Health is started by Start on these metrics, and its verdicts are exported with them. If
	// anything is exported, Health gets one more rule, named telemetry. It shows failed exports of
	// the last 2 minutes, and changes no answer. A check of yours with that name replaces it. If
	// Health is nil, no Monitor is started.
	Health *healthcheck.Monitor

	// Registry is the registry of client_golang behind your own /metrics. If it is set, the metrics
	// of this package are in it until Close, and MetricsHandler serves it. Rules may read its other
	// metrics by their names on /metrics, as with promhealth, and OTLP exports them too. For the
	// default registry write promhealth.Join(prometheus.DefaultRegisterer,
	// prometheus.DefaultGatherer). A registry takes one Start at a time.
	Registry promhealth.Registry

	// Readers are further readers of the metrics, for example of another exporter. They don't have
	// the metrics of Registry and Producers. Close shuts them down, and so does a failed Start. Use a
	// reader in one Start only.
	Readers []sdkmetric.Reader

	// Producers are sources of further metrics. Rules read these, /metrics has them, and OTLP
	// exports them. /metrics leaves out those of OpenTelemetry's bridge from Prometheus. A Producer
	// must not gather Registry, and must not change what it has returned.
	Producers []sdkmetric.Producer

	// Views are your own views. They come before those of the package, because an instrument takes
	// the first view that matches. A view that matches many instruments is merged with those of the
	// package. Otherwise each Host header of a client would make a series. A view of one instrument
	// stays as it is.
	Views []sdkmetric.View

	// SpanDetails exports span attributes that may contain a secret or identify a person. Otherwise
	// spans lack them. They are the texts of errors (status descriptions, exception.message), URLs
	// and paths, addresses of clients and servers, users, headers, and parameters of queries.
	// error.type, http.route, codes and the text of statements are always exported.
	SpanDetails bool

	// SetGlobals makes the providers, the propagator and the error handler OpenTelemetry's global
	// ones, for libraries that take no providers. The globals are never restored, so set it in only
	// one Start of the process.
	SetGlobals bool

	// Strict makes Start return invalid environment variables as an error, for example in a test of
	// a deployment. Without Strict they are logged and shown, and the service starts.
	Strict bool

	Logger *slog.Logger // slog.Default() if nil
}

// validate returns all mistakes in the configuration.
func (cfg *Config) validate() (errs []error) {
	if cfg.Registry != nil && isNil(cfg.Registry) {
		errs = append(errs, &cfgerrors.Error{Field: "Registry", Problem: "is a nil pointer"})
	}
	for n, r := range cfg.Readers {
		if isNil(r) {
			errs = append(errs, &cfgerrors.Error{Field: fmt.Sprintf("Readers[%d]", n), Problem: "is nil"})
		}
	}
	for n, p := range cfg.Producers {
		if p == nil {
			errs = append(errs, &cfgerrors.Error{Field: fmt.Sprintf("Producers[%d]", n), Problem: "is nil"})
		}
	}
	for n, v := range cfg.Views {
		if v == nil {
			errs = append(errs, &cfgerrors.Error{Field: fmt.Sprintf("Views[%d]", n), Problem: "is nil"})
		}
	}
	return errs
}

// isNil reports whether v is nil, or a nil pointer in an interface.
func isNil(v any) bool {
	return v == nil || reflect.ValueOf(v).Kind() == reflect.Pointer && reflect.ValueOf(v).IsNil()
}

// views returns the user's and the package's views as one. It also applies the Monitor's view, that of
// Health or of a Monitor without rules, because that one reserves no memory for exemplars that don't exist.
func (cfg *Config) views(own *advice) sdkmetric.View {
	health := cfg.Health
	if health == nil {
		health = healthcheck.New(healthcheck.Config{})
	}
	return own.advising(health.View(slices.Concat(guarded(cfg.Views, own), ownViews, []sdkmetric.View{own.view})...))
}
