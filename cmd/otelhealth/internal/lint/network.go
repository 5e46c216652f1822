package lint

import (
	"fmt"
	"slices"
)

// service forwards requests to the selected pods.
type service struct {
	Metadata meta
	Spec     struct {
		Selector        map[string]string
		ClusterIP       string `yaml:"clusterIP"`
		PublishNotReady bool   `yaml:"publishNotReadyAddresses"`
		Ports           []struct {
			Port   int
			Target any `yaml:"targetPort"`
		}
	}
}

// lintService finds a Service without a port behind it. The API server accepts it and the kubelet's
// probes pass, but clients get no answer.
func (s system) lintService(v service, find finder) {
	if len(v.Spec.Selector) == 0 {
		return // without a selector, somebody else manages the endpoints
	}
	pods := s.selected(selector{MatchLabels: v.Spec.Selector})
	if len(pods) == 0 {
		find("selects no pods")
	}
	for _, w := range pods {
		for _, p := range v.Spec.Ports {
			target := p.Target
			if target == nil {
				target = p.Port
			}
			if !w.hasPort(target) {
				find("sends to the port %v, but %s %s has no port of that name or number", target, w.Kind, w.Metadata.Name)
			}
		}
	}
}

func (s system) selected(by selector) (list []workload) {
	for _, w := range s.workloads {
		if by.selects(w.Spec.Template.Metadata.Labels) {
			list = append(list, w)
		}
	}
	return list
}

// port returns the number of a port of one of the containers.
func (w workload) port(p any) (int, bool) {
	for _, c := range w.Spec.Template.Spec.Containers {
		if n, ok := c.port(p); ok {
			return n, true
		}
	}
	return 0, false
}

func (w workload) hasPort(p any) bool {
	_, ok := w.port(p)
	return ok
}

// configMap has files for the pods that mount it.
type configMap struct {
	Metadata meta
	Data     map[string]string
}

func (s system) configMap(name string) (configMap, error) {
	i := slices.IndexFunc(s.configMaps, func(m configMap) bool { return m.Metadata.Name == name })
	if i < 0 {
		return configMap{}, fmt.Errorf("there is no ConfigMap %s", name)
	}
	return s.configMaps[i], nil
}
