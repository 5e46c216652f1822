package lint

import (
	"slices"
	"strconv"
	"strings"
)

type budget struct {
	Metadata meta
	Spec     struct {
		MinAvailable   any    `yaml:"minAvailable"`
		MaxUnavailable any    `yaml:"maxUnavailable"`
		Unhealthy      string `yaml:"unhealthyPodEvictionPolicy"`
		Selector       selector
	}
}

func (s system) lintBudget(b budget, find finder) {
	if b.Spec.Unhealthy != "AlwaysAllow" {
		find("unhealthyPodEvictionPolicy is not AlwaysAllow: a pod that never becomes ready blocks the drain of its node")
	}
	selected := false
	for _, w := range s.workloads {
		if !b.Spec.Selector.selects(w.Spec.Template.Metadata.Labels) {
			continue
		}
		selected = true
		least := w.replicas()
		for _, h := range s.scalers {
			if h.Spec.Target.Kind == w.Kind && h.Spec.Target.Name == w.Metadata.Name {
				least = h.min()
			}
		}
		if n, ok := count(b.Spec.MinAvailable, least); ok && n >= least {
			find("minAvailable is %v, but %s %s may have only %d pods: no pod can ever be evicted", b.Spec.MinAvailable, w.Kind, w.Metadata.Name, least)
		}
		if b.Spec.MaxUnavailable == 0 || b.Spec.MaxUnavailable == "0%" {
			find("no pod of %s %s can ever be evicted", w.Kind, w.Metadata.Name)
		}
	}
	if !selected {
		find("selects no pods")
	}
}

// count returns a number, or a percentage of all, rounded up as the API server does.
func count(v any, all int) (int, bool) {
	switch v := v.(type) {
	case int:
		return v, true
	case string:
		share, err := strconv.Atoi(strings.TrimSuffix(v, "%"))
		return (share*all + 99) / 100, err == nil
	}
	return 0, false
}

type scaler struct {
	Metadata meta
	Spec     struct {
		Target  struct{ Kind, Name string } `yaml:"scaleTargetRef"`
		Min     *int                        `yaml:"minReplicas"`
		Max     int                         `yaml:"maxReplicas"`
		Metrics []struct {
			Resource struct {
				Name   string
				Target struct{ Type string }
			}
		}
	}
}

func (s scaler) min() int {
	if s.Spec.Min == nil {
		return 1
	}
	return *s.Spec.Min
}

func (s system) lintScaler(h scaler, find finder) {
	i := slices.IndexFunc(s.workloads, func(w workload) bool {
		return w.Kind == h.Spec.Target.Kind && w.Metadata.Name == h.Spec.Target.Name
	})
	if i < 0 {
		find("scales %s %s, but that does not exist", h.Spec.Target.Kind, h.Spec.Target.Name)
		return
	}
	w := s.workloads[i]
	if w.Spec.Replicas != nil {
		find("%s %s sets replicas, so every apply would undo the scaling", w.Kind, w.Metadata.Name)
	}
	if h.min() > h.Spec.Max {
		find("minReplicas %d is more than maxReplicas %d", h.min(), h.Spec.Max)
	}
	for _, m := range h.Spec.Metrics {
		for _, c := range w.Spec.Template.Spec.Containers {
			if _, has := c.Resources.Requests[m.Resource.Name]; m.Resource.Target.Type == "Utilization" && !has {
				find("scales by the utilization of %s, but %s has no request for it", m.Resource.Name, c.Name)
			}
		}
	}
}
