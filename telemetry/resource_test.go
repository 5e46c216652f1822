package telemetry

import (
	"regexp"
	"strings"
	"testing"
)

// TestIdentity: an empty variable or a placeholder never becomes the name of a service or an instance. A value that looks
// like a placeholder is an invalid variable.
func TestIdentity(t *testing.T) {
	const random = `[0-9a-f]{8}-[0-9a-f-]{27}`
	for _, c := range []struct {
		attributes, name  string // variables
		service, instance string // patterns
		invalid           string // a variable
		problem           string
	}{
		{service: "orders", instance: random},
		{attributes: "service.name=,service.instance.id= ,service.version=", service: "orders", instance: random},
		{attributes: "service.name=a,service.instance.id=7", service: "a", instance: "7"},
		{attributes: "service.name=a", name: "b", service: "b", instance: random},
		{attributes: "service.instance.id=$(POD_UID)", service: "orders", instance: random, invalid: "OTEL_RESOURCE_ATTRIBUTES", problem: "service.instance.id: $(POD_UID) looks like a variable"},
		{attributes: "k=v,service.instance.id=${POD_UID}", service: "orders", instance: random, invalid: "OTEL_RESOURCE_ATTRIBUTES", problem: "${POD_UID}"},
		{attributes: "service.instance.id=x.%{POD_UID}", service: "orders", instance: random, invalid: "OTEL_RESOURCE_ATTRIBUTES", problem: "%{POD_UID}"},
		{attributes: "service.name={{ .Name }},service.instance.id=$(A).$(B)", service: "orders", instance: random, invalid: "OTEL_RESOURCE_ATTRIBUTES", problem: "{{ .Name }}"},
		{attributes: "k8s.pod.name=$(POD)", service: "orders", instance: random, invalid: "OTEL_RESOURCE_ATTRIBUTES", problem: "k8s.pod.name: $(POD)"},
		{attributes: "service.instance.id=%24(x)", service: "orders", instance: `\$\(x\)`},
		{attributes: "service.instance.id=costs$5", service: "orders", instance: `costs\$5`},
		{name: "${NAME}", service: "orders", instance: random, invalid: "OTEL_SERVICE_NAME", problem: "${NAME}"},
		{name: "  ", service: "orders", instance: random},
		{attributes: "broken,service.name=a,p=100%", service: "a", instance: random, invalid: "OTEL_RESOURCE_ATTRIBUTES", problem: "pair 1 is not key=value; the value of p is not percent-encoded"},
	} {
		t.Run(c.attributes+" "+c.name, func(t *testing.T) {
			tel, log := start(t, Config{ServiceName: "orders", ServiceVersion: "1.2"}, map[string]string{"OTEL_RESOURCE_ATTRIBUTES": c.attributes, "OTEL_SERVICE_NAME": c.name})
			info := regexp.MustCompile(`(?m)^target_info\{.*$`).FindString(scrape(t, tel))
			for label, want := range map[string]string{"service_name": c.service, "service_instance_id": c.instance, "service_version": "1.2"} {
				if !regexp.MustCompile(`[{,]` + label + `="` + want + `"`).MatchString(info) {
					t.Errorf("%s is not %s: %s", label, want, info)
				}
			}
			got := series(t, tel, environmentInvalid)
			if c.invalid == "" {
				if len(got) != 0 {
					t.Errorf("invalid: %v", got)
				}
				return
			}
			if len(got) != 1 || got["telemetry.variable="+c.invalid] != 1 || !strings.Contains(log.String(), c.problem) {
				t.Errorf("invalid: %v; the log: %s", got, log)
			}
		})
	}
}

// TestNoName: without any name it is that of the executable, also if the variable is unexpanded.
func TestNoName(t *testing.T) {
	for _, name := range []string{"", "$(NAME)"} {
		tel, _ := start(t, Config{}, map[string]string{"OTEL_SERVICE_NAME": name})
		if !strings.HasPrefix(tel.service, "unknown_service:") || strings.Contains(tel.service, "$") {
			t.Errorf("%q: %q", name, tel.service)
		}
	}
}
