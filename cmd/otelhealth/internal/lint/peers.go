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

const packagePath = "github.com/otelhealth/otelhealth/healthcheck"

// readPeers finds Peers in the literals of healthcheck.Config in a package: a text, or a constant of the package.
// It returns "" if there is none, or if it is not constant.
func readPeers(dir string) (peers string, err error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return "", err
	}
	var files []*ast.File
	constants := map[string]string{}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return "", err
		}
		files = append(files, file)
		for _, d := range file.Decls {
			d, is := d.(*ast.GenDecl)
			if !is || d.Tok != token.CONST {
				continue
			}
			for _, spec := range d.Specs {
				spec := spec.(*ast.ValueSpec)
				for n, value := range spec.Values {
					if s, is := text(value); is {
						constants[spec.Names[n].Name] = s
					}
				}
			}
		}
	}
	for _, file := range files {
		name := imported(file, packagePath)
		ast.Inspect(file, func(n ast.Node) bool {
			literal, is := n.(*ast.CompositeLit)
			if !is || !isConfig(literal.Type, name) {
				return true
			}
			for _, e := range literal.Elts {
				kv, is := e.(*ast.KeyValueExpr)
				if !is {
					continue
				}
				if key, is := kv.Key.(*ast.Ident); !is || key.Name != "Peers" {
					continue
				}
				if s, is := text(kv.Value); is {
					peers = s
				} else if c, is := kv.Value.(*ast.Ident); is && constants[c.Name] != "" {
					peers = constants[c.Name]
				}
			}
			return true
		})
	}
	return peers, nil
}

// imported returns the name of a package in a file; empty if the file does not import it.
func imported(file *ast.File, path string) string {
	for _, i := range file.Imports {
		if p, err := strconv.Unquote(i.Path.Value); err != nil || p != path {
			continue
		}
		if i.Name != nil {
			return i.Name.Name
		}
		return path[strings.LastIndex(path, "/")+1:]
	}
	return ""
}

// isConfig reports whether a type is the Config of a package.
func isConfig(t ast.Expr, name string) bool {
	s, is := t.(*ast.SelectorExpr)
	if !is || s.Sel.Name != "Config" {
		return false
	}
	of, is := s.X.(*ast.Ident)
	return is && name != "" && of.Name == name
}

// lintPeers finds a reason why the instances of a workload can't ask each other. Then Peers has no effect in the
// outage for which it exists: all instances become not ready.
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
