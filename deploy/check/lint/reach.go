package main

import (
	"fmt"
	"slices"
)

// service sends what it gets to the pods that it selects.
type service struct {
	Metadata meta
	Spec     struct {
		Selector map[string]string
		Ports    []struct {
			Port   int
			Target any `yaml:"targetPort"`
		}
	}
}

// policy says who may reach the pods that it selects.
type policy struct {
	Metadata meta
	Spec     struct {
		PodSelector selector `yaml:"podSelector"`
		Ingress     []struct {
			From []struct {
				Pods       *selector `yaml:"podSelector"`
				Namespaces *selector `yaml:"namespaceSelector"`
			}
			Ports []struct{ Port any }
		}
	}
}

// lintService finds a Service that sends nowhere, which no server refuses: the
// kubelet's probes pass, and clients get no answer.
func (s system) lintService(v service, find finder) {
	if len(v.Spec.Selector) == 0 {
		return // somebody else's endpoints
	}
	pods := s.selected(selector{v.Spec.Selector})
	if len(pods) == 0 {
		find("selects nothing")
	}
	for _, w := range pods {
		for _, p := range v.Spec.Ports {
			target := p.Target
			if target == nil {
				target = p.Port
			}
			if !w.hasPort(target) {
				find("sends to the port %v of %s %s, which has none of that name or number", target, w.Kind, w.Metadata.Name)
			}
		}
	}
}

// lintPolicy finds a NetworkPolicy that keeps out whom it means to let in. Who is in
// another namespace is taken to be there.
func (s system) lintPolicy(p policy, find finder) {
	pods := s.selected(p.Spec.PodSelector)
	if len(pods) == 0 {
		find("selects nothing")
	}
	for _, rule := range p.Spec.Ingress {
		for _, from := range rule.From {
			if from.Pods != nil && from.Namespaces == nil && len(s.selected(*from.Pods)) == 0 {
				find("lets in pods with %v, of which there are none", from.Pods.MatchLabels)
			}
		}
		for _, port := range rule.Ports {
			if port.Port != nil && !slices.ContainsFunc(pods, func(w workload) bool { return w.hasPort(port.Port) }) {
				find("opens the port %v, which what it selects does not have", port.Port)
			}
		}
	}
	// Who is to be sent to must be let in, at least by somebody.
	for _, v := range s.services {
		for _, w := range pods {
			if len(v.Spec.Selector) == 0 || !(selector{v.Spec.Selector}).selects(w.Spec.Template.Metadata.Labels) {
				continue
			}
			for _, port := range v.Spec.Ports {
				if target := port.Target; target != nil && !p.opens(w, target) {
					find("opens %v to nobody, to which Service %s sends", target, v.Metadata.Name)
				}
			}
		}
	}
}

// opens reports whether a policy lets anybody reach a port.
func (p policy) opens(w workload, target any) bool {
	for _, rule := range p.Spec.Ingress {
		if len(rule.Ports) == 0 {
			return true
		}
		for _, port := range rule.Ports {
			a, _ := w.port(port.Port)
			b, _ := w.port(target)
			if port.Port == nil || a == b {
				return true
			}
		}
	}
	return false
}

func (s system) selected(by selector) (list []workload) {
	for _, w := range s.workloads {
		if by.selects(w.Spec.Template.Metadata.Labels) {
			list = append(list, w)
		}
	}
	return list
}

// port is the number of a port that one of the containers has.
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

// configMap has files for those who mount it.
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
