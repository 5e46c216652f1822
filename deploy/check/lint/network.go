package main

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

// policy lists the clients that may reach the selected pods.
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

// lintService finds a Service without a port behind it. The API server accepts it and the kubelet's
// probes pass, but clients get no answer.
func (s system) lintService(v service, find finder) {
	if len(v.Spec.Selector) == 0 {
		return // without a selector, somebody else manages the endpoints
	}
	pods := s.selected(selector{v.Spec.Selector})
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

// lintPolicy finds a NetworkPolicy that blocks its intended clients. It assumes that clients in
// other namespaces exist.
func (s system) lintPolicy(p policy, find finder) {
	pods := s.selected(p.Spec.PodSelector)
	if len(pods) == 0 {
		find("selects no pods")
	}
	for _, rule := range p.Spec.Ingress {
		for _, from := range rule.From {
			if from.Pods != nil && from.Namespaces == nil && len(s.selected(*from.Pods)) == 0 {
				find("lets in pods with %v, but there are none", from.Pods.MatchLabels)
			}
		}
		for _, port := range rule.Ports {
			if port.Port != nil && !slices.ContainsFunc(pods, func(w workload) bool { return w.hasPort(port.Port) }) {
				find("opens the port %v, but its pods have no such port", port.Port)
			}
		}
	}
	// If a Service sends to a pod, the policy must let somebody in.
	for _, v := range s.services {
		for _, w := range pods {
			if len(v.Spec.Selector) == 0 || !(selector{v.Spec.Selector}).selects(w.Spec.Template.Metadata.Labels) {
				continue
			}
			for _, port := range v.Spec.Ports {
				if target := port.Target; target != nil && !p.opens(w, target) {
					find("opens the port %v to nobody, but Service %s sends there", target, v.Metadata.Name)
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
