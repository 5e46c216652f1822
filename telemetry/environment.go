package telemetry

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// environment has the settings of the standard variables. The SDK and the exporters read most of
// them by themselves, but they only log a bad value. Here a bad value is an error, because nobody
// reads that log before an outage.
type environment struct {
	metrics, traces, logs bool // exported by OTLP
	disabled              bool
	propagator            propagation.TextMapPropagator
	sampler               sdktrace.Sampler
}

const prefixOTLP = "OTEL_EXPORTER_OTLP_"

func readEnvironment() (env environment, err error) {
	var errs []error
	check := func(name string, ok func(string) error) {
		if v := strings.TrimSpace(os.Getenv(name)); v != "" {
			if err := ok(v); err != nil {
				if strings.Contains(v, "@") || strings.HasSuffix(name, "HEADERS") {
					v = "…" // may contain a password
				}
				errs = append(errs, fmt.Errorf("%s=%q: %w", name, v, err))
			}
		}
	}
	for _, signal := range []string{"", "METRICS_", "TRACES_", "LOGS_"} {
		check(prefixOTLP+signal+"ENDPOINT", isEndpoint)
		check(prefixOTLP+signal+"PROTOCOL", isOneOf("grpc"))
		check(prefixOTLP+signal+"TIMEOUT", isMilliseconds)
		check(prefixOTLP+signal+"INSECURE", isBool)
		check(prefixOTLP+signal+"COMPRESSION", isOneOf("gzip", "none"))
		check(prefixOTLP+signal+"HEADERS", isHeaders)
		check(prefixOTLP+signal+"CERTIFICATE", isCertificates)
		check(prefixOTLP+signal+"CLIENT_CERTIFICATE", isFile)
		check(prefixOTLP+signal+"CLIENT_KEY", isFile)
	}
	for _, name := range []string{"OTEL_METRIC_EXPORT_INTERVAL", "OTEL_METRIC_EXPORT_TIMEOUT", "OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_EXPORT_TIMEOUT",
		"OTEL_BLRP_SCHEDULE_DELAY", "OTEL_BLRP_EXPORT_TIMEOUT"} {
		check(name, isMilliseconds)
	}
	for _, name := range []string{"OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
		"OTEL_BLRP_MAX_QUEUE_SIZE", "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE"} {
		check(name, isCount)
	}
	for _, of := range []string{"ATTRIBUTE_VALUE_LENGTH", "ATTRIBUTE_COUNT", "SPAN_ATTRIBUTE_VALUE_LENGTH", "SPAN_ATTRIBUTE_COUNT", "SPAN_EVENT_COUNT",
		"SPAN_LINK_COUNT", "EVENT_ATTRIBUTE_COUNT", "LINK_ATTRIBUTE_COUNT", "LOGRECORD_ATTRIBUTE_VALUE_LENGTH", "LOGRECORD_ATTRIBUTE_COUNT"} {
		check("OTEL_"+of+"_LIMIT", isCount)
	}
	check(prefixOTLP+"METRICS_TEMPORALITY_PREFERENCE", isOneOf("cumulative", "delta", "lowmemory"))
	check(prefixOTLP+"METRICS_DEFAULT_HISTOGRAM_AGGREGATION", isOneOf("explicit_bucket_histogram", "base2_exponential_bucket_histogram"))
	env.propagator = propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
	check("OTEL_PROPAGATORS", func(v string) (err error) {
		env.propagator, err = parsePropagators(v)
		return err
	})
	check("OTEL_METRICS_EXPORTER", isOneOf("otlp", "none"))
	check("OTEL_TRACES_EXPORTER", isOneOf("otlp", "none"))
	check("OTEL_LOGS_EXPORTER", isOneOf("otlp", "none"))
	check("OTEL_METRICS_EXEMPLAR_FILTER", isOneOf("trace_based", "always_on", "always_off"))
	check("OTEL_RESOURCE_ATTRIBUTES", isAttributes)
	check("OTEL_SDK_DISABLED", isBool)
	check("OTEL_TRACES_SAMPLER", func(v string) (err error) {
		env.sampler, err = parseSampler(v, strings.TrimSpace(os.Getenv("OTEL_TRACES_SAMPLER_ARG")))
		return err
	})
	if env.sampler == nil {
		env.sampler = sdktrace.ParentBased(sdktrace.AlwaysSample())
	}
	env.disabled = strings.EqualFold(strings.TrimSpace(os.Getenv("OTEL_SDK_DISABLED")), "true")
	env.metrics = !env.disabled && exports("METRICS")
	env.traces = !env.disabled && exports("TRACES")
	env.logs = !env.disabled && exports("LOGS")
	return env, errors.Join(errs...)
}

// exports reports whether a signal has an endpoint and is not switched off.
func exports(signal string) bool {
	value := func(name string) string { return strings.TrimSpace(os.Getenv(name)) }
	set := value(prefixOTLP+"ENDPOINT") != "" || value(prefixOTLP+signal+"_ENDPOINT") != ""
	return set && !strings.EqualFold(value("OTEL_"+signal+"_EXPORTER"), "none")
}

func (env environment) any() bool { return env.metrics || env.traces || env.logs }

// announce logs in one line whether and which signals are exported.
func (env environment) announce(log *slog.Logger) {
	switch {
	case env.disabled:
		log.Info("OTLP export is off: OTEL_SDK_DISABLED is true; probes and /metrics work")
	case !env.any():
		log.Info("OTLP export is off: set OTEL_EXPORTER_OTLP_ENDPOINT, for example to http://localhost:4317, to switch it on")
	default:
		log.Info("OTLP export is on", "metrics", env.metrics, "traces", env.traces, "logs", env.logs)
	}
}

func isEndpoint(v string) error {
	u, err := url.Parse(v)
	if err == nil && u.Port() != "" {
		_, err = strconv.ParseUint(u.Port(), 10, 16)
	}
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return errors.New("is not a URL like http://localhost:4317 or https://collector:4317")
	}
	return nil
}

func isOneOf(values ...string) func(string) error {
	return func(v string) error {
		for _, ok := range values {
			if strings.EqualFold(v, ok) {
				return nil
			}
		}
		return fmt.Errorf("is not supported; use %s", strings.Join(values, ", "))
	}
}

func isMilliseconds(v string) error {
	if n, err := strconv.Atoi(v); err != nil || n <= 0 {
		return errors.New("is not a positive whole number of milliseconds")
	}
	return nil
}

func isCount(v string) error {
	if n, err := strconv.Atoi(v); err != nil || n <= 0 {
		return errors.New("is not a positive whole number")
	}
	return nil
}

func isBool(v string) error { return isOneOf("true", "false")(v) }

func isFile(v string) error {
	_, err := os.ReadFile(v)
	return err
}

func isHeaders(v string) error {
	if isAttributes(v) != nil {
		return errors.New("is not a list of key=value pairs, percent-encoded") // without the text, because it contains tokens
	}
	return nil
}

func isCertificates(v string) error {
	pem, err := os.ReadFile(v)
	if err == nil && !x509.NewCertPool().AppendCertsFromPEM(pem) {
		err = errors.New("has no certificate in PEM form")
	}
	return err
}

// parsePropagators reads OTEL_PROPAGATORS. It knows the propagators that need no further module.
func parsePropagators(v string) (propagation.TextMapPropagator, error) {
	var list []propagation.TextMapPropagator
	for _, name := range strings.Split(v, ",") {
		switch strings.TrimSpace(name) {
		case "tracecontext":
			list = append(list, propagation.TraceContext{})
		case "baggage":
			list = append(list, propagation.Baggage{})
		case "none":
		default:
			return nil, errors.New("is not supported; use tracecontext, baggage or none")
		}
	}
	return propagation.NewCompositeTextMapPropagator(list...), nil
}

func isAttributes(v string) error {
	for _, pair := range strings.Split(v, ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		key, value, ok := strings.Cut(pair, "=")
		if !ok || strings.TrimSpace(key) == "" {
			return fmt.Errorf("%q is not key=value", pair)
		}
		if _, err := url.PathUnescape(value); err != nil {
			return fmt.Errorf("%q is not percent-encoded", pair)
		}
	}
	return nil
}
