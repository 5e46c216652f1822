package generate

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// capacityShare is the share of a pod's capacity at which another pod is wanted.
const capacityShare = .7

// demand returns queries over all pods, and the target of a pod's queue. The queue has no series while no
// pod runs.
func (o gateOptions) demand(d dialect) (queue, jobs string, target float64, err error) {
	of := fmt.Sprintf("job=%q,queue_name=%q", o.job, o.queue)
	if queue, err = d.query(fmt.Sprintf("sum(max by (instance) (last_over_time(queue_length{%s}[1m])))", of)); err != nil {
		return "", "", 0, err
	}
	jobs, err = d.query("sum(" + d.counts("queue_wait_duration_seconds", of, "2m") + ")")
	return queue, jobs, o.queueShare * o.queueLimit, err
}

// behavior is the HPA's. It adds pods in steps, because a new pod needs a while to help. It removes few at a
// time, because a queue is empty as soon as there are enough pods, and would grow again.
type behavior struct {
	Up   policies `yaml:"scaleUp"`
	Down policies `yaml:"scaleDown"`
}

type policies struct {
	Window   *int     `yaml:"stabilizationWindowSeconds,omitempty"`
	Policies []policy `yaml:"policies"`
}

type policy struct {
	Type   string `yaml:"type"`
	Value  int    `yaml:"value"`
	Period int    `yaml:"periodSeconds"`
}

func slowly() behavior {
	none, ten := 0, 600
	return behavior{policies{&none, []policy{{"Percent", 100, 60}, {"Pods", 2, 60}}}, policies{&ten, []policy{{"Pods", 1, 300}}}}
}

type (
	scaledObject struct {
		Target   targetRef `yaml:"scaleTargetRef"`
		Min      int       `yaml:"minReplicaCount"`
		Max      int       `yaml:"maxReplicaCount"`
		Polling  int       `yaml:"pollingInterval"`
		Fallback fallback  `yaml:"fallback"`
		Advanced struct {
			HPA struct {
				Behavior behavior `yaml:"behavior"`
			} `yaml:"horizontalPodAutoscalerConfig"`
		} `yaml:"advanced"`
		Triggers []trigger `yaml:"triggers"`
	}
	fallback struct {
		Failures int    `yaml:"failureThreshold"`
		Replicas int    `yaml:"replicas"`
		Behavior string `yaml:"behavior"`
	}
	trigger struct {
		Type       string          `yaml:"type"`
		Name       string          `yaml:"name"`
		MetricType string          `yaml:"metricType"`
		Metadata   triggerMetadata `yaml:"metadata"`
	}
	triggerMetadata struct {
		Server     string `yaml:"serverAddress"`
		Query      string `yaml:"query"`
		Threshold  string `yaml:"threshold"`
		IgnoreNull string `yaml:"ignoreNullValues"` // "true" would take silence for an empty queue
	}
)

const kedaHead = `# The target is %s items a pod: a queue rule warns at %s.
# minReplicaCount must not be 0, because without a pod the queue has no series.
`

// keda returns a ScaledObject.
func (o gateOptions) keda(d dialect) (string, error) {
	queue, jobs, most, err := o.demand(d)
	if err != nil {
		return "", err
	}
	s := scaledObject{Target: targetRef{Name: o.name}, Min: o.minReplicas, Max: o.maxReplicas, Polling: 15,
		Fallback: fallback{4, min(o.maxReplicas, 2*o.minReplicas), "currentReplicasIfHigher"}}
	s.Advanced.HPA.Behavior = slowly()
	add := func(name, query string, threshold float64) {
		s.Triggers = append(s.Triggers, trigger{"prometheus", name, "AverageValue", triggerMetadata{o.prometheus, query, number(threshold), "false"}})
	}
	if o.podCapacity > 0 {
		add("jobs", jobs, capacityShare*o.podCapacity)
	}
	add("queue", queue, most)
	return manifests(strings.TrimSuffix(fmt.Sprintf(kedaHead, number(most), number(o.queueLimit)), "\n"),
		manifest{"keda.sh/v1alpha1", "ScaledObject", metadata{o.name, o.namespace}, s})
}

type (
	autoscaler struct {
		Target   targetRef   `yaml:"scaleTargetRef"`
		Min      int         `yaml:"minReplicas"`
		Max      int         `yaml:"maxReplicas"`
		Behavior behavior    `yaml:"behavior"`
		Metrics  []hpaMetric `yaml:"metrics"`
	}
	hpaMetric struct {
		Type     string `yaml:"type"`
		External struct {
			Metric struct {
				Name string `yaml:"name"`
			} `yaml:"metric"`
			Target struct {
				Type         string `yaml:"type"`
				AverageValue string `yaml:"averageValue"`
			} `yaml:"target"`
		} `yaml:"external"`
	}
)

const hpaHead = `# The target is %s items a pod: a queue rule warns at %s.
# An adapter must serve the external metrics. Their names contain the service, because a selector can't
# have the slash of a job. In the configuration of prometheus-adapter:
#
#   externalRules:
`

const hpaRule = `#     - seriesQuery: '%s'
#       name: {as: %s}
#       resources: {namespaced: false}
#       metricsQuery: '%s'
`

// hpa returns a HorizontalPodAutoscaler.
func (o gateOptions) hpa(d dialect) (string, error) {
	queue, jobs, most, err := o.demand(d)
	if err != nil {
		return "", err
	}
	s := autoscaler{Target: targetRef{"apps/v1", "Deployment", o.name}, Min: o.minReplicas, Max: o.maxReplicas, Behavior: slowly()}
	head := fmt.Sprintf(hpaHead, number(most), number(o.queueLimit))
	add := func(name, series, query string, threshold float64) {
		var m hpaMetric
		m.Type, m.External.Metric.Name = "External", "otelhealth_"+strings.ReplaceAll(o.name, "-", "_")+"_"+name
		m.External.Target.Type, m.External.Target.AverageValue = "AverageValue", number(threshold)
		s.Metrics = append(s.Metrics, m)
		selector := fmt.Sprintf(`{__name__=%q,job=%q}`, d.metric(series), o.job)
		head += fmt.Sprintf(hpaRule, selector, m.External.Metric.Name, strings.ReplaceAll(query, "'", "''"))
	}
	if o.podCapacity > 0 {
		add("jobs", d.part("queue_wait_duration_seconds", "_count"), jobs, capacityShare*o.podCapacity)
	}
	add("queue", "queue_length", queue, most)
	return manifests(strings.TrimSuffix(head, "\n"), manifest{"autoscaling/v2", "HorizontalPodAutoscaler", metadata{o.name, o.namespace}, s})
}

// number formats a target as a quantity of Kubernetes, with three digits after the point at most.
func number(v float64) string { return strconv.FormatFloat(math.Round(v*1000)/1000, 'f', -1, 64) }
