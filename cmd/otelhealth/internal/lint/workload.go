package lint

import (
	"slices"
	"strings"
	"time"
)

type meta struct {
	Name        string
	Labels      map[string]string
	Annotations map[string]string
}

type selector struct {
	MatchLabels map[string]string `yaml:"matchLabels"`
	Expressions []struct {
		Key, Operator string
		Values        []string
	} `yaml:"matchExpressions"`
}

func (s selector) selects(labels map[string]string) bool {
	for _, e := range s.Expressions {
		value, has := labels[e.Key]
		in := has && slices.Contains(e.Values, value)
		switch e.Operator {
		case "In":
			has = in
		case "NotIn":
			has = !in
		case "DoesNotExist":
			has = !has
		}
		if !has {
			return false
		}
	}
	for k, v := range s.MatchLabels {
		if labels[k] != v {
			return false
		}
	}
	return true
}

type workload struct {
	Kind     string
	Metadata meta
	Spec     struct {
		Replicas *int
		Template struct {
			Metadata meta
			Spec     struct {
				Grace    *int `yaml:"terminationGracePeriodSeconds"`
				Security struct {
					NonRoot bool `yaml:"runAsNonRoot"`
					User    int  `yaml:"runAsUser"`
					Group   int  `yaml:"fsGroup"`
				} `yaml:"securityContext"`
				Containers []container
				Volumes    []volume
			}
		}
		Claims []struct{ Metadata meta } `yaml:"volumeClaimTemplates"`
	}
}

type volume struct {
	Name      string
	ConfigMap *struct {
		Name  string
		Items []struct{ Key string }
	} `yaml:"configMap"`
	Claim *struct{} `yaml:"persistentVolumeClaim"`
}

// replicas is 1 by default, as in Kubernetes.
func (w workload) replicas() int {
	if w.Spec.Replicas == nil {
		return 1
	}
	return *w.Spec.Replicas
}

// ending is the time after the drain, in healthcheck, the demo and telemetry.
const ending = 10*time.Second + // requests in flight
	1*time.Second + // jobs
	3*time.Second // the last export

// lintEnd compares the time of a termination with the grace period.
func (w workload) lintEnd(c container, find finder) {
	grace := 30 * time.Second
	if g := w.Spec.Template.Spec.Grace; g != nil {
		grace = time.Duration(*g) * time.Second
	}
	sleep := c.preStop()
	said, has := c.arg("drain")
	if !has {
		if sleep > grace {
			find("%s: preStop sleeps %v, longer than terminationGracePeriodSeconds %v", c.Name, sleep, grace)
		}
		return
	}
	drain, err := time.ParseDuration(said)
	if err != nil {
		find("%s: -drain: %v", c.Name, err)
		return
	}
	if all := sleep + drain + ending; all > grace {
		find("the kubelet kills %s during its shutdown: preStop %v, drain %v and %v for requests, jobs and telemetry make %v, but terminationGracePeriodSeconds is %v",
			c.Name, sleep, drain, ending, all, grace)
	}
	if p := c.Readiness; p != nil && sleep+drain < time.Duration(p.Period)*time.Second {
		find("%s drains for %v, less than the readiness probe's period of %d s: the prober may see it ready until it exits", c.Name, sleep+drain, p.Period)
	}
}

// lintOwner finds persistent volumes that belong to root in a pod that does not run as root.
func (w workload) lintOwner(find finder) {
	pod := w.Spec.Template.Spec
	if !pod.Security.NonRoot && pod.Security.User == 0 || pod.Security.Group != 0 {
		return
	}
	var claims []string
	for _, v := range pod.Volumes {
		if v.Claim != nil {
			claims = append(claims, v.Name)
		}
	}
	for _, t := range w.Spec.Claims {
		claims = append(claims, t.Metadata.Name)
	}
	if len(claims) > 0 {
		find("runs without root and has no fsGroup, so it can't write to: %s", strings.Join(claims, ", "))
	}
}
