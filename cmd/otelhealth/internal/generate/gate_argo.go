package generate

import (
	"fmt"
	"strings"
	"time"
)

// manifest is an object of Kubernetes. Its fields are in the order in which people read them.
type manifest struct {
	Version  string   `yaml:"apiVersion"`
	Kind     string   `yaml:"kind"`
	Metadata metadata `yaml:"metadata"`
	Spec     any      `yaml:"spec"`
}

type metadata struct {
	Name      string `yaml:"name"`
	Namespace string `yaml:"namespace,omitempty"`
}

type (
	analysisTemplate struct {
		Args    []argument       `yaml:"args"`
		Metrics []analysisMetric `yaml:"metrics"`
	}
	argument struct {
		Name  string `yaml:"name"`
		Value string `yaml:"value,omitempty"`
	}
	analysisMetric struct {
		Name              string           `yaml:"name"`
		InitialDelay      string           `yaml:"initialDelay"`
		Interval          string           `yaml:"interval"`
		Count             int              `yaml:"count"`
		SuccessesInARow   int              `yaml:"consecutiveSuccessLimit"`
		FailureLimit      int              `yaml:"failureLimit"`
		InconclusiveLimit int              `yaml:"inconclusiveLimit"`
		ErrorsInARow      int              `yaml:"consecutiveErrorLimit"`
		Success           string           `yaml:"successCondition"`
		Failure           string           `yaml:"failureCondition"`
		Provider          analysisProvider `yaml:"provider"`
	}
	analysisProvider struct {
		Prometheus struct {
			Address string `yaml:"address"`
			Query   string `yaml:"query"`
		} `yaml:"prometheus"`
	}
)

// errorsFor is how long Prometheus may be away. Argo asks again every ten seconds after an error.
const errorsFor = 5 * time.Minute

const argoHead = `# Use it in a Rollout, as steps[].analysis or as strategy.canary.analysis. The hashes choose the pods:
#
#   templates: [{templateName: %s}]
#   args:
#     - {name: canary-hash, valueFrom: {podTemplateHashValue: Latest}}
#     - {name: stable-hash, valueFrom: {podTemplateHashValue: Stable}}
#
# It needs Argo Rollouts 1.8, and the label %s on the service's series. It shows only that the
# canary is not worse than stable during the analysis, not that it is good.
`

// argo returns an AnalysisTemplate. An empty answer makes both conditions false, so Argo calls it
// inconclusive, and pauses the rollout instead of promoting or aborting it.
func (g gate) argo(o gateOptions) (string, error) {
	g.scope = scope{job: "{{args.job}}", canary: "{{args.rollout}}-{{args.canary-hash}}-.+", stable: "{{args.rollout}}-{{args.stable-hash}}-.+"}
	measures, err := g.measures()
	if err != nil {
		return "", err
	}
	count := int(g.hold / g.interval)
	t := analysisTemplate{Args: []argument{{"job", o.job}, {"rollout", o.name}, {"prometheus", o.prometheus}, {Name: "canary-hash"}, {Name: "stable-hash"}}}
	for _, m := range measures {
		a := analysisMetric{
			Name: m.name, InitialDelay: duration(m.since), Interval: duration(g.interval), Count: count,
			SuccessesInARow: g.successes, FailureLimit: m.fails, ErrorsInARow: int(errorsFor / (10 * time.Second)),
			// Without this limit, an analysis with only inconclusive answers would end with a success.
			InconclusiveLimit: count - g.successes,
			Success:           fmt.Sprintf("len(result) == 1 && result[0] < %g", m.limit),
			Failure:           fmt.Sprintf("len(result) == 1 && result[0] >= %g", m.limit),
		}
		a.Provider.Prometheus.Address = "{{args.prometheus}}"
		a.Provider.Prometheus.Query = m.expr
		t.Metrics = append(t.Metrics, a)
	}
	name := "otelhealth-" + o.name
	return manifests(strings.TrimSuffix(fmt.Sprintf(argoHead, name, g.dialect.label("k8s_pod_name")), "\n"),
		manifest{"argoproj.io/v1alpha1", "AnalysisTemplate", metadata{name, o.namespace}, t})
}
