package lint

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// readPeers finds Peers in the composite literals of healthcheck.Config in a package; empty if there is
// none, or if it is no constant.
func readPeers(dir string) (peers string, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return "", err
	}
	for _, file := range files {
		if m, _ := filepath.Match("*_test.go", filepath.Base(file)); m {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return "", err
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			kv, ok := n.(*ast.KeyValueExpr)
			if !ok {
				return true
			}
			if key, is := kv.Key.(*ast.Ident); is && key.Name == "Peers" {
				if s, constant := text(kv.Value); constant {
					peers = s
				}
			}
			return true
		})
	}
	return peers, nil
}

// lintPeers finds a reason why the instances of a workload can't ask each other. They would leave then,
// as without peers, in the outage for which peers are there.
func (s system) lintPeers(w workload, c container, find finder) {
	at, set := c.arg("peers")
	if !set {
		at = s.peers
	}
	if at == "" {
		return
	}
	at, _, _ = strings.Cut(at, "/")
	host, port, err := net.SplitHostPort(at)
	number, err2 := strconv.Atoi(port)
	if err != nil || err2 != nil {
		find("%s asks its peers at %q, which is no name with a port", c.Name, at)
		return
	}
	if net.ParseIP(host) != nil {
		return
	}
	if _, ok := c.port(number); !ok {
		find("%s asks its peers at port %d, but has no such port: a headless Service does not translate ports", c.Name, number)
		return
	}
	name, _, _ := strings.Cut(host, ".")
	n := slices.IndexFunc(s.services, func(v service) bool { return v.Metadata.Name == name })
	if n < 0 {
		find("%s asks its peers at %s, but there is no Service %s", c.Name, host, name)
		return
	}
	v := s.services[n]
	if v.Spec.ClusterIP != "None" {
		find("%s asks its peers at %s, but Service %s is not headless: set clusterIP: None", c.Name, host, name)
	}
	if !v.Spec.PublishNotReady {
		find("%s asks its peers at %s, but Service %s hides instances that are not ready: set publishNotReadyAddresses: true", c.Name, host, name)
	}
	labels := w.Spec.Template.Metadata.Labels
	if !(selector{MatchLabels: v.Spec.Selector}).selects(labels) {
		find("%s asks its peers at %s, but Service %s does not select its pods", c.Name, host, name)
	}
	own := func(p policyPeer) bool { return p.hasPods(w) }
	if !s.lets(w, "Ingress", number, "TCP", own) {
		find("%s asks its peers at port %d, but %s let its own pods in", c.Name, number, dont(s.governing(w, "Ingress")))
	}
	if !s.lets(w, "Egress", number, "TCP", own) {
		find("%s asks its peers at port %d, but %s let it out to its own pods", c.Name, number, dont(s.governing(w, "Egress")))
	}
	anybody := func(policyPeer) bool { return true }
	if !s.lets(w, "Egress", 53, "UDP", anybody) && !s.lets(w, "Egress", 53, "TCP", anybody) {
		find("%s looks up its peers at %s, but %s let it out to DNS, port 53", c.Name, host, dont(s.governing(w, "Egress")))
	}
}
