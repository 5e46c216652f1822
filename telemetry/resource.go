package telemetry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otelhealth/otelhealth/internal/buildinfo"
)

// identity is the resource. Variables win over the configuration, and the configuration wins over
// the build.
func identity(ctx context.Context, cfg Config, env *environment) (*resource.Resource, error) {
	defaults := []attribute.KeyValue{semconv.ServiceVersion(cmp.Or(cfg.ServiceVersion, buildinfo.Version()))}
	if cfg.ServiceName != "" {
		defaults = append(defaults, semconv.ServiceName(cfg.ServiceName))
	}
	return resource.New(ctx,
		resource.WithService(), // unknown_service:EXECUTABLE, and a random service.instance.id
		resource.WithTelemetrySDK(),
		resource.WithAttributes(defaults...),
		resource.WithAttributes(env.resource...), // last, because the operator's settings win
	)
}

// readResource reads OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES. The SDK's own detector accepts an empty
// name, and a placeholder that was not replaced.
func (env *environment) readResource() {
	env.check("OTEL_RESOURCE_ATTRIBUTES", "the valid pairs and the defaults apply", func(v string) (err error) {
		env.resource, err = parseAttributes(v)
		return err
	})
	env.check("OTEL_SERVICE_NAME", useDefault, isReplaced)
	if name := env.valid("OTEL_SERVICE_NAME"); name != "" {
		env.resource = append(env.resource, semconv.ServiceName(name))
	}
}

// placeholder matches a variable that Kubernetes, a shell, Compose or a template should have replaced.
var placeholder = regexp.MustCompile(`\$\([^)]*\)|\$\{[^}]*\}|%\{[^}]*\}|\{\{[^}]*\}\}`)

func isReplaced(v string) error {
	if p := placeholder.FindString(v); p != "" {
		return fmt.Errorf("%s looks like a variable that was not replaced", p)
	}
	return nil
}

// identifying attributes have defaults. An empty value or a placeholder is worse than a default, because all
// instances would have the same one.
var identifying = []attribute.Key{semconv.ServiceNameKey, semconv.ServiceVersionKey, semconv.ServiceInstanceIDKey}

// parseAttributes returns the pairs that apply, and what is wrong with the others.
func parseAttributes(v string) (attrs []attribute.KeyValue, err error) {
	var problems []string
	for n, pair := range strings.Split(v, ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		name, text, ok := strings.Cut(pair, "=")
		key, text := attribute.Key(strings.TrimSpace(name)), strings.TrimSpace(text)
		if !ok || key == "" {
			problems = append(problems, fmt.Sprintf("pair %d is not key=value", n+1))
			continue
		}
		decoded, bad := url.PathUnescape(text)
		if missed := isReplaced(text); missed != nil {
			problems = append(problems, fmt.Sprintf("%s: %v", key, missed))
			if slices.Contains(identifying, key) {
				continue
			}
			decoded = text
		} else if bad != nil {
			problems = append(problems, fmt.Sprintf("the value of %s is not percent-encoded", key))
			decoded = text // as the SDK has it
		}
		if strings.TrimSpace(decoded) == "" && slices.Contains(identifying, key) {
			continue
		}
		attrs = append(attrs, key.String(decoded))
	}
	if len(problems) > 0 {
		err = errors.New(strings.Join(problems, "; "))
	}
	return attrs, err
}
