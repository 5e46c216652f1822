package telemetry

import (
	"fmt"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// healthSampler samples every run of a health check, because these are few, and needed in an outage. All
// other spans go to the configured sampler.
type healthSampler struct{ sdktrace.Sampler }

const checkName = attribute.Key("health.check.name")

func (s healthSampler) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	root := !trace.SpanContextFromContext(p.ParentContext).IsValid()
	if root && strings.HasPrefix(p.Name, "health.check ") {
		for _, kv := range p.Attributes {
			if kv.Key == checkName {
				return sdktrace.AlwaysSample().ShouldSample(p)
			}
		}
	}
	return s.Sampler.ShouldSample(p)
}

// samplers are the values of OTEL_TRACES_SAMPLER.
var samplers = []string{"always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"}

func isSampler(name string) error {
	if !slices.Contains(samplers, name) {
		return fmt.Errorf("is not supported; use %s", strings.Join(samplers, ", "))
	}
	return nil
}

// newSampler makes the sampler of a name in samplers. If a sampler never begins a trace, runs of checks are
// dropped too, because somebody has switched traces off.
func newSampler(name string, ratio float64) sdktrace.Sampler {
	root := sdktrace.AlwaysSample()
	kind, parentBased := strings.CutPrefix(name, "parentbased_")
	switch kind {
	case "always_off":
		root, ratio = sdktrace.NeverSample(), 0
	case "traceidratio":
		root = sdktrace.TraceIDRatioBased(ratio)
	}
	if parentBased {
		root = sdktrace.ParentBased(root)
	}
	if ratio == 0 {
		return root
	}
	return healthSampler{root}
}
