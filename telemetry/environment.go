package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// environment has the settings of the standard variables. The SDK and the exporters read most of them
// too, but each logs a bad value in its own way, or not at all. Here each bad value is known by name. A
// bad value never prevents a start, because the platform sets variables without a release of the
// service.
type environment struct {
	metrics, traces, logs signal
	disabled              bool
	propagator            propagation.TextMapPropagator
	sampler               sdktrace.Sampler
	resource              []attribute.KeyValue // of OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME
	invalid               []*invalidVariable
}

// invalidVariable is an error of one variable.
type invalidVariable struct {
	name, value string // value may be hidden
	problem     error
	outcome     string // what happens instead
}

func (v *invalidVariable) Error() string { return fmt.Sprintf("%s=%q: %v", v.name, v.value, v.problem) }

const (
	useDefault = "the default applies"
	leaveOut   = "the names that are supported apply"
)

// value returns a variable's value; empty if it is not set, or empty.
func value(name string) string { return strings.TrimSpace(os.Getenv(name)) }

// check notes a variable as invalid, unless it is empty or valid accepts it.
func (env *environment) check(name, outcome string, valid func(string) error) {
	v := value(name)
	if v == "" {
		return
	}
	err := valid(v)
	if err == nil {
		return
	}
	if isSecret(name, v) {
		v = "…"
		if !strings.HasSuffix(name, "HEADERS") && name != "OTEL_RESOURCE_ATTRIBUTES" { // their problems have no value
			err = errors.New("is invalid; it is not shown, because it may contain a secret")
		}
	}
	env.add(&invalidVariable{name, v, err, outcome})
}

// isSecret reports whether a value may contain a password, a token or a key.
func isSecret(name, v string) bool {
	return strings.ContainsAny(v, "@\n\r") || strings.Contains(v, "-----BEGIN") || strings.HasSuffix(name, "HEADERS") || name == "OTEL_RESOURCE_ATTRIBUTES"
}

func (env *environment) add(v *invalidVariable) {
	if !env.isInvalid(v.name) {
		env.invalid = append(env.invalid, v)
	}
}

// valid returns the value of the first variable that is set and valid; empty if there is none.
func (env *environment) valid(names ...string) string {
	for _, name := range names {
		if v := value(name); v != "" && !env.isInvalid(name) {
			return v
		}
	}
	return ""
}

func (env *environment) isInvalid(name string) bool {
	return slices.ContainsFunc(env.invalid, func(v *invalidVariable) bool { return v.name == name })
}

// milliseconds returns the first valid time; 0 if there is none.
func (env *environment) milliseconds(names ...string) time.Duration {
	n, _ := strconv.Atoi(env.valid(names...)) // was checked
	return time.Duration(n) * time.Millisecond
}

func readEnvironment() *environment {
	env := &environment{}
	env.checkOTLP()
	for _, name := range []string{"OTEL_METRIC_EXPORT_INTERVAL", "OTEL_METRIC_EXPORT_TIMEOUT", "OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_EXPORT_TIMEOUT",
		"OTEL_BLRP_SCHEDULE_DELAY", "OTEL_BLRP_EXPORT_TIMEOUT"} {
		env.check(name, useDefault, isMilliseconds)
	}
	for _, name := range []string{"OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
		"OTEL_BLRP_MAX_QUEUE_SIZE", "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE"} {
		env.check(name, useDefault, isCount)
	}
	for _, of := range []string{"ATTRIBUTE_VALUE_LENGTH", "ATTRIBUTE_COUNT", "SPAN_ATTRIBUTE_VALUE_LENGTH", "SPAN_ATTRIBUTE_COUNT", "SPAN_EVENT_COUNT",
		"SPAN_LINK_COUNT", "EVENT_ATTRIBUTE_COUNT", "LINK_ATTRIBUTE_COUNT", "LOGRECORD_ATTRIBUTE_VALUE_LENGTH", "LOGRECORD_ATTRIBUTE_COUNT"} {
		env.check("OTEL_"+of+"_LIMIT", useDefault, isLimit)
	}
	env.check(prefixOTLP+"METRICS_TEMPORALITY_PREFERENCE", useDefault, isOneOf("cumulative", "delta", "lowmemory"))
	env.check(prefixOTLP+"METRICS_DEFAULT_HISTOGRAM_AGGREGATION", useDefault, isOneOf("explicit_bucket_histogram", "base2_exponential_bucket_histogram"))
	env.check("OTEL_METRICS_EXEMPLAR_FILTER", useDefault, isOneOf("trace_based", "always_on", "always_off"))
	env.readResource()
	env.check("OTEL_SDK_DISABLED", useDefault, isBool)
	for _, name := range []string{"OTEL_CONFIG_FILE", "OTEL_EXPERIMENTAL_CONFIG_FILE"} {
		env.check(name, "variables alone apply", func(string) error { return errors.New("configuration files are not supported") })
	}
	env.propagator = propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
	env.check("OTEL_PROPAGATORS", leaveOut, func(v string) (err error) {
		env.propagator, err = parsePropagators(v)
		return err
	})
	env.readSampler()
	env.disabled = strings.EqualFold(env.valid("OTEL_SDK_DISABLED"), "true")
	env.metrics, env.traces, env.logs = env.signal("METRICS"), env.signal("TRACES"), env.signal("LOGS")
	return env
}

// readSampler reads OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG.
func (env *environment) readSampler() {
	name, ratio := "parentbased_always_on", 1.0
	env.check("OTEL_TRACES_SAMPLER", useDefault, func(v string) error {
		if err := isSampler(strings.ToLower(v)); err != nil {
			return err
		}
		name = strings.ToLower(v)
		return nil
	})
	if strings.HasSuffix(name, "traceidratio") {
		env.check("OTEL_TRACES_SAMPLER_ARG", useDefault, func(v string) error {
			r, err := strconv.ParseFloat(v, 64)
			if err != nil || !(r >= 0 && r <= 1) {
				return errors.New("is not a number from 0 to 1")
			}
			ratio = r
			return nil
		})
	}
	env.sampler = newSampler(name, ratio)
}

// refuse switches off a signal whose exporter can't be made, because exporters check endpoints more
// strictly than this file. It returns the error of a strict Start.
func (env *environment) refuse(s *signal, of string, err error, strict bool) error {
	name := prefixOTLP + of + "_ENDPOINT"
	if value(name) == "" {
		name = prefixOTLP + "ENDPOINT"
	}
	s.exported = false
	v := &invalidVariable{name, value(name), err, "the signals that use it are not exported"}
	if isSecret(name, v.value) {
		v.value, v.problem = "…", errors.New("can't be used by its exporter")
	}
	env.add(v)
	if strict {
		return v
	}
	return nil
}

// environmentInvalid is the name of an instrument.
const environmentInvalid = "telemetry.environment.invalid"

const attrVariable = attribute.Key("telemetry.variable")

// instrument exports the invalid variables, if there are any.
func (env *environment) instrument(mp metric.MeterProvider) error {
	if len(env.invalid) == 0 {
		return nil
	}
	meter := mp.Meter(scopeName, metric.WithSchemaURL(semconv.SchemaURL))
	_, err := meter.Int64ObservableUpDownCounter(environmentInvalid, metric.WithUnit("1"),
		metric.WithDescription("1 for each environment variable that is invalid or not supported."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			for _, v := range env.invalid {
				o.Observe(1, metric.WithAttributes(attrVariable.String(v.name)))
			}
			return nil
		}))
	return err
}

// strict returns all invalid variables as one error; nil if there is none.
func (env *environment) strict() error {
	var errs []error
	for _, v := range env.invalid {
		errs = append(errs, v)
	}
	return errors.Join(errs...)
}

// exports reports whether anything is exported.
func (env *environment) exports() bool {
	return env.metrics.exported || env.traces.exported || env.logs.exported
}

// announce logs in one line whether and which signals are exported, and each invalid variable.
func (env *environment) announce(log *slog.Logger) {
	for _, v := range env.invalid {
		log.Error("an environment variable is invalid, so "+v.outcome, "variable", v.name, "error", v.Error())
	}
	switch {
	case env.disabled:
		log.Info("OTLP export is off: OTEL_SDK_DISABLED is true; probes and /metrics work")
	case !env.exports():
		log.Info("OTLP export is off: set OTEL_EXPORTER_OTLP_ENDPOINT, for example to http://localhost:4317, to switch it on")
	default:
		log.Info("OTLP export is on", "metrics", env.metrics, "traces", env.traces, "logs", env.logs)
	}
	if env.metrics.exported {
		env.caution(log)
	}
}

// rarest is the longest interval of exports with which alerts and dashboards work. They read the last
// 2 minutes.
const rarest = time.Minute

// caution warns of valid values with which metrics may be missing in Prometheus although all exports
// succeed.
func (env *environment) caution(log *slog.Logger) {
	const temporality, interval = prefixOTLP + "METRICS_TEMPORALITY_PREFERENCE", "OTEL_METRIC_EXPORT_INTERVAL"
	if v := env.valid(temporality); v != "" && !strings.EqualFold(v, "cumulative") {
		log.Warn("metrics are exported as deltas, so a failed export loses its counts. Prometheus drops deltas without an error: unset the variable, "+
			"or use a collector with the processor deltatocumulative, as in otel-collector-config.yaml", "variable", temporality, "value", v)
	}
	if d := env.milliseconds(interval); d > rarest {
		log.Warn("metrics are exported so rarely that alerts and dashboards take the instance for gone; set at most 60000", "variable", interval, "value", d)
	}
}

// parsePropagators reads OTEL_PROPAGATORS. It knows the propagators that need no further module,
// and leaves out the others.
func parsePropagators(v string) (propagation.TextMapPropagator, error) {
	var list []propagation.TextMapPropagator
	var unknown []string
	for _, name := range strings.Split(v, ",") {
		switch name = strings.TrimSpace(name); name {
		case "tracecontext":
			list = append(list, propagation.TraceContext{})
		case "baggage":
			list = append(list, propagation.Baggage{})
		case "none", "":
		default:
			unknown = append(unknown, name)
		}
	}
	return propagation.NewCompositeTextMapPropagator(list...), notSupported(unknown, "tracecontext, baggage or none")
}

// notSupported is the error of names that are not supported; nil if there are none.
func notSupported(names []string, supported string) error {
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("%s is not supported; use %s", strings.Join(names, ", "), supported)
}
