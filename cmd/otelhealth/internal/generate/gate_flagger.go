package generate

import (
	"fmt"
	"net/url"
	"strings"
)

type (
	metricTemplate struct {
		Provider struct {
			Type    string `yaml:"type"`
			Address string `yaml:"address"`
		} `yaml:"provider"`
		Query string `yaml:"query"`
	}
	flaggerCanary struct {
		Target   targetRef       `yaml:"targetRef"`
		Deadline int             `yaml:"progressDeadlineSeconds"`
		Service  flaggerService  `yaml:"service"`
		Analysis flaggerAnalysis `yaml:"analysis"`
	}
	targetRef struct {
		Version string `yaml:"apiVersion,omitempty"`
		Kind    string `yaml:"kind,omitempty"`
		Name    string `yaml:"name"`
	}
	flaggerService struct {
		Port int `yaml:"port"`
	}
	flaggerAnalysis struct {
		Interval   string           `yaml:"interval"`
		Threshold  int              `yaml:"threshold"`
		MaxWeight  int              `yaml:"maxWeight"`
		StepWeight int              `yaml:"stepWeight"`
		Metrics    []flaggerMetric  `yaml:"metrics"`
		Webhooks   []flaggerWebhook `yaml:"webhooks"`
	}
	flaggerMetric struct {
		Name      string            `yaml:"name"`
		Template  metadata          `yaml:"templateRef"`
		Range     flaggerRange      `yaml:"thresholdRange"`
		Interval  string            `yaml:"interval"`
		Variables map[string]string `yaml:"templateVariables"`
	}
	flaggerRange struct {
		Max float64 `yaml:"max"`
	}
	flaggerWebhook struct {
		Name string `yaml:"name"`
		Type string `yaml:"type"`
		Mute bool   `yaml:"muteAlert"`
		URL  string `yaml:"url"`
	}
)

const flaggerHead = `# MetricTemplates, and a Canary whose analysis uses them. If you have a Canary already, copy its analysis.
# Flagger has no inconclusive result: a query without an answer is a failed check, and several of these
# roll back. So here a query without an answer counts as 0, and webhooks hold the rollout instead. They
# ask Prometheus directly. It answers 422 while a measure has not enough data.
#
# It needs the label %s on the service's series. It shows only that the canary is not worse
# than the primary during the analysis, not that it is good.
`

// flagger returns MetricTemplates and a Canary.
func (g gate) flagger(o gateOptions) (string, error) {
	pods := scope{canary: "%s-[0-9a-z]+-[0-9a-z]+", stable: "%s-primary-[0-9a-z]+-[0-9a-z]+"}
	of := func(job, name string) ([]measure, error) {
		g.scope = scope{job, fmt.Sprintf(pods.canary, name), fmt.Sprintf(pods.stable, name)}
		return g.measures()
	}
	measures, err := of("{{ variables.job }}", "{{ target }}")
	if err != nil {
		return "", err
	}
	own, err := of(o.job, o.name) // the addresses of webhooks are no templates
	if err != nil {
		return "", err
	}
	analysis := flaggerAnalysis{Interval: duration(g.interval), Threshold: 3, MaxWeight: 50, StepWeight: 10}
	var objects []manifest
	for n, m := range measures {
		name := "otelhealth-" + m.name
		t := metricTemplate{Query: "(\n" + indent(m.expr, "  ") + ") or on () vector(0)"}
		t.Provider.Type, t.Provider.Address = "prometheus", o.prometheus
		objects = append(objects, manifest{"flagger.app/v1beta1", "MetricTemplate", metadata{name, o.namespace}, t})
		analysis.Metrics = append(analysis.Metrics, flaggerMetric{Name: name, Template: metadata{name, o.namespace}, Interval: duration(g.window),
			Range: flaggerRange{m.most()}, Variables: map[string]string{"job": o.job}})
		for _, hook := range [][2]string{{"confirm-traffic-increase", own[n].orIdle()}, {"confirm-promotion", own[n].expr}} {
			address := strings.TrimSuffix(o.prometheus, "/") + "/api/v1/query?query=" + url.QueryEscape(unlessTold(hook[1]))
			analysis.Webhooks = append(analysis.Webhooks, flaggerWebhook{m.name + "-" + hook[0], hook[0], true, address})
		}
	}
	objects = append(objects, manifest{"flagger.app/v1beta1", "Canary", metadata{o.name, o.namespace}, flaggerCanary{
		Target: targetRef{"apps/v1", "Deployment", o.name}, Deadline: int(g.hold.Seconds()), Service: flaggerService{o.port}, Analysis: analysis}})
	return manifests(strings.TrimSuffix(fmt.Sprintf(flaggerHead, g.dialect.label("k8s_pod_name")), "\n"), objects...)
}

// most is the limit for Flagger. A measure fails from its limit on, but Flagger only fails values over the limit.
// So for a count it is 0.5 lower.
func (m measure) most() float64 {
	if m.limit >= 1 {
		return m.limit - .5
	}
	return m.limit
}

// orIdle also answers while the canary has no traffic at all. Flagger asks before the first step, and
// without that step the canary never gets any.
func (m measure) orIdle() string {
	if m.needs == "" {
		return m.expr
	}
	return fmt.Sprintf("(%s) or on () (vector(0) unless on () %s > 0)", m.expr, m.needs)
}

// unlessTold is a query that fails while another has no answer, because then two series match one.
func unlessTold(expr string) string {
	return fmt.Sprintf(`vector(1) + on () (vector(1) or label_replace(vector(1) unless on () (%s), "cannot", "tell", "", ""))`, strings.Join(strings.Fields(expr), " "))
}
