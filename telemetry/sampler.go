package telemetry

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// healthSampler keeps every run of a health check, because these are few and people look for them.
// All other spans go to the configured sampler.
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

// parseSampler reads OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG.
func parseSampler(name, arg string) (sdktrace.Sampler, error) {
	ratio := 1.0
	if strings.HasSuffix(name, "traceidratio") && arg != "" {
		r, err := strconv.ParseFloat(arg, 64)
		if err != nil || !(r >= 0 && r <= 1) {
			return nil, fmt.Errorf("OTEL_TRACES_SAMPLER_ARG=%q is not a number from 0 to 1", arg)
		}
		ratio = r
	}
	var root sdktrace.Sampler
	switch strings.TrimPrefix(name, "parentbased_") {
	case "always_on":
		root = sdktrace.AlwaysSample()
	case "always_off":
		root = sdktrace.NeverSample()
	case "traceidratio":
		root = sdktrace.TraceIDRatioBased(ratio)
	default:
		return nil, errors.New("is not supported; use always_on, always_off, traceidratio or one of them after parentbased_")
	}
	if strings.HasPrefix(name, "parentbased_") {
		root = sdktrace.ParentBased(root)
	}
	return root, nil
}
