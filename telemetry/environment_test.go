package telemetry

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// invalid are variables and values that a platform may set.
var invalid = map[string]string{
	"OTEL_EXPORTER_OTLP_ENDPOINT":                              "user:hunter2@collector:4317",
	"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT":                      "localhost:4317",
	"OTEL_EXPORTER_OTLP_PROTOCOL":                              "http/json",
	"OTEL_EXPORTER_OTLP_LOGS_PROTOCOL":                         "carrier pigeon",
	"OTEL_EXPORTER_OTLP_TIMEOUT":                               "5s",
	"OTEL_EXPORTER_OTLP_INSECURE":                              "yes",
	"OTEL_EXPORTER_OTLP_COMPRESSION":                           "zip",
	"OTEL_EXPORTER_OTLP_CERTIFICATE":                           "no-such-file",
	"OTEL_EXPORTER_OTLP_CLIENT_KEY":                            "no-such-file",
	"OTEL_METRIC_EXPORT_INTERVAL":                              "-1",
	"OTEL_BSP_SCHEDULE_DELAY":                                  "0",
	"OTEL_BSP_MAX_QUEUE_SIZE":                                  "-5",
	"OTEL_BSP_MAX_EXPORT_BATCH_SIZE":                           "many",
	"OTEL_BLRP_MAX_QUEUE_SIZE":                                 "-5",
	"OTEL_PROPAGATORS":                                         "tracecontext,b3",
	"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT":                          "abc",
	"OTEL_EXPORTER_OTLP_HEADERS":                               "Authorization: Basic hunter2",
	"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT":                         "http://localhost:99999",
	"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE":        "sideways",
	"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": "nonsense",
	"OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE":                    "/dev/null",
	"OTEL_METRICS_EXPORTER":                                    "statsd",
	"OTEL_METRICS_EXEMPLAR_FILTER":                             "some",
	"OTEL_RESOURCE_ATTRIBUTES":                                 "a",
	"OTEL_SERVICE_NAME":                                        "$(NAME)",
	"OTEL_SDK_DISABLED":                                        "1",
	"OTEL_TRACES_SAMPLER":                                      "jaeger_remote",
	"OTEL_CONFIG_FILE":                                         "otel.yaml",
}

// TestStrict: with Config.Strict, Start returns all invalid variables at once, each by its name,
// without values that may contain a password.
func TestStrict(t *testing.T) {
	for k, v := range invalid {
		t.Setenv(k, v)
	}
	_, err := Start(t.Context(), Config{Strict: true})
	if err == nil {
		t.Fatal("no error")
	}
	for k := range invalid {
		if !strings.Contains(err.Error(), k+"=") {
			t.Errorf("the error does not name %s", k)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error tells the password: %v", err)
	}
}

// TestInvalidVariables: no variable keeps a service from starting, alone or with all others. It is
// logged, exported and shown, and changes no answer.
func TestInvalidVariables(t *testing.T) {
	try := func(t *testing.T, env map[string]string) {
		health := healthcheck.New(healthcheck.Config{})
		tel, log := start(t, Config{Health: health}, env)
		exported := series(t, tel, "telemetry.environment.invalid")
		for name := range env {
			if strings.Count(log.String(), "variable="+name+" ") != 1 {
				t.Errorf("%s is not in the log once: %s", name, log)
			}
			if exported["telemetry.variable="+name] != 1 {
				t.Errorf("%s is not exported: %v", name, exported)
			}
		}
		if len(exported) != len(env) {
			t.Errorf("exported: %v", exported)
		}
		v := health.Verdict()
		shown := result(v, "telemetry-environment")
		if shown == nil || shown.State != verdict.Fail || v.Readiness.State != verdict.Pass {
			t.Fatalf("shown: %+v; readiness: %+v", shown, v.Readiness)
		}
		if len(env) == 1 {
			for name := range env {
				if !strings.Contains(shown.Reason, name[:min(len(name), 36)]) { // a reason is short
					t.Errorf("%s is not in the reason: %s", name, shown.Reason)
				}
			}
		}
		if body := scrape(t, tel); strings.Contains(body+log.String(), "hunter2") {
			t.Error("a password came out")
		}
	}
	for name, value := range invalid {
		t.Run(name, func(t *testing.T) { try(t, map[string]string{name: value}) })
	}
	t.Run("all", func(t *testing.T) { try(t, invalid) })
}

// TestNoInvalidVariables: a good environment has no series, and no rule.
func TestNoInvalidVariables(t *testing.T) {
	health := healthcheck.New(healthcheck.Config{})
	tel, _ := start(t, Config{Health: health, Strict: true}, map[string]string{
		"OTEL_PROPAGATORS": "tracecontext", "OTEL_METRICS_EXPORTER": "prometheus", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "-1",
		"OTEL_EXPORTER_OTLP_HEADERS": "a=b,", "OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": ".5"})
	if result(health.Verdict(), "telemetry-environment") != nil || strings.Contains(scrape(t, tel), "telemetry_environment") {
		t.Error("it is shown")
	}
}

// TestCautions: if metrics may be missing with a valid value although all exports succeed, there is one warning at
// start, with the name. The variable does not count as invalid.
func TestCautions(t *testing.T) {
	const temporality, interval = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "OTEL_METRIC_EXPORT_INTERVAL"
	for _, c := range []struct {
		variable, value, more string
		warned                bool
	}{
		{temporality, "delta", "", true},
		{temporality, " LowMemory", "", true},
		{temporality, "cumulative", "", false},
		{temporality, "delta", "OTEL_METRICS_EXPORTER=none", false},
		{interval, "60001", "", true},
		{interval, "60000", "", false},
	} {
		t.Run(c.variable+" "+c.value+c.more, func(t *testing.T) {
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:1")
			t.Setenv(c.variable, c.value)
			if name, v, ok := strings.Cut(c.more, "="); ok {
				t.Setenv(name, v)
			}
			var log syncBuffer
			env := readEnvironment()
			env.announce(slog.New(slog.NewTextHandler(&log, nil)))
			if n := strings.Count(log.String(), "level=WARN"); len(env.invalid) != 0 || (n == 1) != c.warned || n > 1 {
				t.Errorf("%d warnings: %s", n, log.String())
			}
			if c.warned && !strings.Contains(log.String(), "variable="+c.variable+" ") {
				t.Errorf("it does not name the variable: %s", log.String())
			}
		})
	}
}

// TestOutcomes: what happens if a variable is invalid.
func TestOutcomes(t *testing.T) {
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"
	for _, c := range []struct {
		name string
		env  map[string]string
		want string // exported signals
	}{
		{"endpoint", map[string]string{}, "grpc grpc grpc"},
		{"no endpoint", map[string]string{endpoint: ""}, "off off off"},
		{"disabled", map[string]string{"OTEL_SDK_DISABLED": "TRUE"}, "off off off"},
		{"not disabled", map[string]string{"OTEL_SDK_DISABLED": "1"}, "grpc grpc grpc"},
		{"http", map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, "http/protobuf http/protobuf http/protobuf"},
		{"http for one", map[string]string{"OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "http/protobuf"}, "grpc grpc http/protobuf"},
		{"grpc for one", map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc"}, "http/protobuf grpc http/protobuf"},
		{"json", map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, "http/protobuf http/protobuf http/protobuf"},
		{"unknown protocol", map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "quic"}, "grpc grpc grpc"},
		{"bad endpoint of one", map[string]string{"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "collector:4317"}, "grpc grpc off"},
		{"bad endpoint", map[string]string{endpoint: "collector:4317", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://localhost:4317"}, "off off grpc"},
		{"bad headers", map[string]string{"OTEL_EXPORTER_OTLP_HEADERS": "secret"}, "off off off"},
		{"bad headers of one", map[string]string{"OTEL_EXPORTER_OTLP_METRICS_HEADERS": "a b=c"}, "off grpc grpc"},
		{"one of its own", map[string]string{"OTEL_EXPORTER_OTLP_HEADERS": "secret", "OTEL_EXPORTER_OTLP_METRICS_HEADERS": "a=b"}, "grpc off off"},
		{"bad certificate", map[string]string{endpoint: "https://localhost:4317", "OTEL_EXPORTER_OTLP_CERTIFICATE": "/dev/null"}, "off off off"},
		{"certificate without TLS", map[string]string{"OTEL_EXPORTER_OTLP_CERTIFICATE": "/dev/null"}, "grpc grpc grpc"},
		{"certificate without a key", map[string]string{endpoint: "https://localhost:4317", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": "environment.go"}, "off off off"},
		{"none", map[string]string{"OTEL_TRACES_EXPORTER": "none"}, "grpc off grpc"},
		{"none of several", map[string]string{"OTEL_TRACES_EXPORTER": "none,console"}, "grpc off grpc"},
		{"console", map[string]string{"OTEL_TRACES_EXPORTER": "console"}, "grpc grpc grpc"},
		{"scraped", map[string]string{"OTEL_METRICS_EXPORTER": "prometheus"}, "off grpc grpc"},
		{"scraped and exported", map[string]string{"OTEL_METRICS_EXPORTER": "otlp, prometheus"}, "grpc grpc grpc"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv(endpoint, "http://localhost:4317")
			for k, v := range c.env {
				t.Setenv(k, v)
			}
			env := readEnvironment()
			if got := fmt.Sprint(env.metrics.LogValue(), env.traces.LogValue(), env.logs.LogValue()); got != c.want {
				t.Errorf("%s; want %s", got, c.want)
			}
		})
	}
}

// TestCertificateFiles: a certificate without its key is logged once for all signals.
func TestCertificateFiles(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "https://localhost:4317")
	t.Setenv("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "environment.go")
	env := readEnvironment()
	if len(env.invalid) != 1 || !strings.Contains(env.invalid[0].Error(), "CLIENT_KEY") {
		t.Errorf("invalid: %v", env.invalid)
	}
}

func TestTimeouts(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "7000")
	t.Setenv("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "9000")
	t.Setenv("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "soon")
	t.Setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "GZIP")
	env := readEnvironment()
	if got := []time.Duration{env.metrics.limit(1), env.traces.limit(1), env.logs.limit(1)}; !slices.Equal(got, []time.Duration{7e9, 7e9, 9e9}) {
		t.Errorf("timeouts: %v", got)
	}
	if !env.metrics.gzip {
		t.Error("no compression")
	}
}

// TestPropagators: the known propagators of a list apply, even if another one is not known.
func TestPropagators(t *testing.T) {
	for v, want := range map[string]string{"": "baggage traceparent tracestate", "tracecontext,b3": "traceparent tracestate", "none": "", "b3": "", "baggage,,": "baggage"} {
		t.Setenv("OTEL_PROPAGATORS", v)
		got := readEnvironment().propagator.Fields()
		slices.Sort(got)
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%q: %s; want %s", v, s, want)
		}
	}
}

func TestSampler(t *testing.T) {
	for _, c := range []struct {
		name, arg, want string
		checks          bool // the runs of checks are kept
	}{
		{"", "", "ParentBased{root:AlwaysOnSampler", true},
		{"always_on", "", "AlwaysOnSampler", true},
		{"always_off", "", "AlwaysOffSampler", false},
		{"traceidratio", "0.25", "TraceIDRatioBased{0.25}", true},
		{"traceidratio", "0", "TraceIDRatioBased{0}", false},
		{"parentbased_traceidratio", "0", "ParentBased{root:TraceIDRatioBased{0}", false},
		{"traceidratio", "", "TraceIDRatioBased{1}", true},
		{"traceidratio", "x", "TraceIDRatioBased{1}", true},
		{"traceidratio", "-1", "TraceIDRatioBased{1}", true},
		{"traceidratio", "NaN", "TraceIDRatioBased{1}", true},
		{"parentbased_always_off", "", "ParentBased{root:AlwaysOffSampler", false},
		{"parentbased_traceidratio", "0.25", "ParentBased{root:TraceIDRatioBased{0.25}", true},
		{"sometimes", "", "ParentBased{root:AlwaysOnSampler", true},
	} {
		t.Setenv("OTEL_TRACES_SAMPLER", c.name)
		t.Setenv("OTEL_TRACES_SAMPLER_ARG", c.arg)
		s := readEnvironment().sampler
		if !strings.HasPrefix(s.Description(), c.want) {
			t.Errorf("%s %s: %s; want %s", c.name, c.arg, s.Description(), c.want)
		}
		decided := s.ShouldSample(sdktrace.SamplingParameters{
			ParentContext: t.Context(), Name: "health.check database", Attributes: []attribute.KeyValue{checkName.String("database")},
		}).Decision
		if kept := decided == sdktrace.RecordAndSample; kept != c.checks {
			t.Errorf("%s %s: the runs of checks are kept: %v", c.name, c.arg, kept)
		}
	}
}

// TestSecretsInValues: a value that may be a secret is not in the log, in the error of Strict, in a
// metric, or in the response.
func TestSecretsInValues(t *testing.T) {
	for name, value := range map[string]string{
		"OTEL_EXPORTER_OTLP_CLIENT_KEY":  "-----BEGIN PRIVATE KEY-----hunter2", // the content instead of the path
		"OTEL_EXPORTER_OTLP_CERTIFICATE": "hunter2\nhunter2",
		"OTEL_EXPORTER_OTLP_ENDPOINT":    "https://u:hunter2@host:99999",
		"OTEL_TRACES_EXPORTER":           "https://u:hunter2@host",
		"OTEL_PROPAGATORS":               "https://u:hunter2@host",
		"OTEL_RESOURCE_ATTRIBUTES":       "a=b,https://u:hunter2@host,token=hunter2%zz",
		"OTEL_EXPORTER_OTLP_HEADERS":     "Authorization: Basic hunter2",
	} {
		t.Run(name, func(t *testing.T) {
			health := healthcheck.New(healthcheck.Config{})
			tel, log := start(t, Config{Health: health}, map[string]string{name: value})
			_, err := Start(t.Context(), Config{Strict: true})
			out := log.String() + fmt.Sprint(err) + result(health.Verdict(), "telemetry-environment").Reason
			for series := range series(t, tel, "telemetry.environment.invalid") {
				out += series
			}
			if err == nil || strings.Contains(out, "hunter2") || !strings.Contains(out, name) {
				t.Error(out)
			}
		})
	}
}

// TestSamplerCase: the sampler's name is in any case, as the other names are.
func TestSamplerCase(t *testing.T) {
	t.Setenv("OTEL_TRACES_SAMPLER", "Always_Off")
	if e := readEnvironment(); len(e.invalid) != 0 || e.sampler.Description() != "AlwaysOffSampler" {
		t.Errorf("%v, %s", e.invalid, e.sampler.Description())
	}
}
