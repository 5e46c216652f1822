package lint

import (
	"net/netip"
	"slices"
	"strings"
)

// policy lists the peers with which the selected pods may communicate. If several policies select a pod,
// traffic is allowed if one of them allows it. If none selects a pod for a direction, all traffic is allowed.
type policy struct {
	Metadata meta
	Spec     struct {
		PodSelector selector `yaml:"podSelector"`
		Types       []string `yaml:"policyTypes"`
		Ingress     []policyRule
		Egress      []policyRule
	}
}

type policyRule struct {
	From, To []policyPeer
	Ports    []policyPort
}

type policyPeer struct {
	Pods       *selector `yaml:"podSelector"`
	Namespaces *selector `yaml:"namespaceSelector"`
	Block      *ipBlock  `yaml:"ipBlock"`
}

type policyPort struct {
	Port     any
	End      int `yaml:"endPort"`
	Protocol string
}

type ipBlock struct {
	CIDR   string `yaml:"cidr"`
	Except []string
}

// governs reports whether the policy closes a direction of its pods, except for its rules.
func (p policy) governs(direction string) bool {
	if len(p.Spec.Types) > 0 {
		return slices.Contains(p.Spec.Types, direction)
	}
	return direction == "Ingress" || len(p.Spec.Egress) > 0
}

func (p policy) rules(direction string) []policyRule {
	if direction == "Egress" {
		return p.Spec.Egress
	}
	return p.Spec.Ingress
}

func (r policyRule) peers(direction string) []policyPeer {
	if direction == "Egress" {
		return r.To
	}
	return r.From
}

// opens reports whether a rule opens a port of the workload for a protocol.
func (r policyRule) opens(w workload, number int, protocol string) bool {
	return len(r.Ports) == 0 || slices.ContainsFunc(r.Ports, func(p policyPort) bool {
		if p.Protocol != protocol && (p.Protocol != "" || protocol != "TCP") {
			return false
		}
		n, fixed := p.Port.(int)
		if !fixed {
			n, _ = w.port(p.Port)
		}
		return p.Port == nil || n == number || fixed && n <= number && number <= p.End
	})
}

// hasPods reports whether pods of the workload may be among the peers. The pods' addresses are not known, so
// any block of private addresses counts. A rule for selected namespaces does not count, because lint assumes
// other namespaces. A rule for all namespaces does.
func (p policyPeer) hasPods(w workload) bool {
	switch {
	case p.Block != nil:
		return p.Block.private()
	case p.Namespaces != nil && !p.Namespaces.selects(map[string]string{}):
		return false
	}
	return p.Pods == nil || p.Pods.selects(w.Spec.Template.Metadata.Labels)
}

// privates are the networks that pods usually have their addresses from.
var privates = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("fc00::/7"),
}

// private reports whether a block has private addresses that are not excepted.
func (b *ipBlock) private() bool {
	block, err := netip.ParsePrefix(b.CIDR)
	if err != nil {
		return true // the API server reports it
	}
	return slices.ContainsFunc(privates, func(private netip.Prefix) bool {
		part := private
		if block.Bits() > private.Bits() {
			part = block
		}
		return block.Overlaps(private) && !slices.ContainsFunc(b.Except, func(text string) bool {
			e, err := netip.ParsePrefix(text)
			return err == nil && e.Bits() <= part.Bits() && e.Overlaps(part)
		})
	})
}

// governing are the policies that close a direction of a workload's pods.
func (s system) governing(w workload, direction string) (list []policy) {
	for _, p := range s.policies {
		if p.governs(direction) && p.Spec.PodSelector.selects(w.Spec.Template.Metadata.Labels) {
			list = append(list, p)
		}
	}
	return list
}

// lets reports whether the policies of a workload let its pods speak with peers in a direction, at a port.
func (s system) lets(w workload, direction string, number int, protocol string, peer func(policyPeer) bool) bool {
	all := s.governing(w, direction)
	return len(all) == 0 || slices.ContainsFunc(all, func(p policy) bool {
		return slices.ContainsFunc(p.rules(direction), func(r policyRule) bool {
			peers := r.peers(direction)
			return r.opens(w, number, protocol) && (len(peers) == 0 || slices.ContainsFunc(peers, peer))
		})
	})
}

// dont writes "NetworkPolicy a does not", or "NetworkPolicies a and b don't".
func dont(all []policy) string {
	var names []string
	for _, p := range all {
		names = append(names, p.Metadata.Name)
	}
	if len(names) == 1 {
		return "NetworkPolicy " + names[0] + " does not"
	}
	return "NetworkPolicies " + strings.Join(names, " and ") + " don't"
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
	// If a Service sends to a pod, the policies must let somebody in. Report it once, for the first policy.
	for _, v := range s.services {
		for _, w := range pods {
			all := s.governing(w, "Ingress")
			if len(all) == 0 || all[0].Metadata.Name != p.Metadata.Name || len(v.Spec.Selector) == 0 || !(selector{MatchLabels: v.Spec.Selector}).selects(w.Spec.Template.Metadata.Labels) {
				continue
			}
			for _, port := range v.Spec.Ports {
				if target := port.Target; target != nil && !s.reachable(w, target) {
					find("opens the port %v to nobody, but Service %s sends there", target, v.Metadata.Name)
				}
			}
		}
	}
}

// reachable reports whether anybody may reach a port of the workload.
func (s system) reachable(w workload, target any) bool {
	n, _ := w.port(target)
	return s.lets(w, "Ingress", n, "TCP", func(policyPeer) bool { return true })
}
