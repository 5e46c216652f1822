package lint

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// asking has three pods that ask each other at port 8000.
const asking = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: orders }
spec:
  template:
    metadata: { labels: { app: orders, tier: web } }
    spec:
      containers:
        - { name: orders, args: ["-peers=orders-peers:8000"], ports: [{ name: http, containerPort: 8000 }] }
---
apiVersion: v1
kind: Service
metadata: { name: orders-peers }
spec: { clusterIP: None, publishNotReadyAddresses: true, selector: { app: orders }, ports: [{ port: 8000, targetPort: http }] }
`

// policyOf is one NetworkPolicy of these pods.
func policyOf(name, spec string) string {
	return "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: { name: " + name + " }\nspec: { podSelector: { matchLabels: { app: orders } }, " + spec + " }\n"
}

// TestPolicies: the policies that select a pod add up, in both directions.
func TestPolicies(t *testing.T) {
	const (
		none  = "policyTypes: [Ingress]"
		own   = "ingress: [{ from: [{ podSelector: { matchLabels: { app: orders } } }], ports: [{ port: http }] }]"
		in    = "let its own pods in"
		out   = "does not let it out to its own pods"
		dns   = "does not let it out to DNS"
		to    = "policyTypes: [Egress], egress: "
		pods  = "{ podSelector: { matchLabels: { app: orders } } }"
		toDNS = "{ to: [{ namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: kube-system } } }], ports: [{ port: 53, protocol: UDP }] }"
	)
	block := func(cidr string, except ...string) string {
		return "ingress: [{ from: [{ ipBlock: { cidr: " + cidr + ", except: [" + strings.Join(except, ", ") + "] } }] }]"
	}
	for _, c := range []struct {
		what     string
		policies []string
		want     []string
	}{
		{"no policy", nil, nil},
		{"nothing comes in", []string{none}, []string{in, "to nobody"}},
		{"nothing comes in, and another policy lets the own pods in", []string{none, own}, nil},
		{"the same, the other way round", []string{own, none}, nil},
		{"two let nobody in", []string{none, none}, []string{"NetworkPolicies p0 and p1 don't let its own pods in", "NetworkPolicy p0: opens the port http to nobody"}},
		{"one for another port, and one for other pods", []string{"ingress: [{ ports: [{ port: 9 }] }]", "ingress: [{ from: [{ namespaceSelector: { matchLabels: { name: ingress } } }] }]"},
			[]string{in, "opens the port 9, but"}},
		{"all pods of all namespaces", []string{"ingress: [{ from: [{ namespaceSelector: {} }] }]"}, nil},
		{"all pods of the namespace", []string{"ingress: [{ from: [{ podSelector: {} }] }]"}, nil},
		{"others by an expression", []string{"ingress: [{ from: [{ podSelector: { matchExpressions: [{ key: tier, operator: NotIn, values: [web] }] } }] }]"}, []string{in, "lets in pods with"}},
		{"the own pods by an expression", []string{"ingress: [{ from: [{ podSelector: { matchExpressions: [{ key: tier, operator: In, values: [web] }, { key: app, operator: Exists }, { key: old, operator: DoesNotExist }] } }] }]"}, nil},
		{"a range of ports", []string{"ingress: [{ ports: [{ port: 7000, endPort: 9000 }] }]"}, []string{"opens the port 7000, but"}},
		{"UDP alone", []string{"ingress: [{ ports: [{ port: 8000, protocol: UDP }] }]"}, []string{in, "to nobody"}},
		{"a block of all", []string{block("0.0.0.0/0")}, nil},
		{"a block of the pods, perhaps", []string{block("10.2.0.0/16")}, nil},
		{"a block of the internet", []string{block("0.0.0.0/0", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")}, []string{in}},
		{"a public block", []string{block("203.0.113.0/24")}, []string{in}},
		{"a block without a part of the pods", []string{block("0.0.0.0/0", "10.2.3.0/24")}, nil},
		{"types say that it is about egress alone", []string{"policyTypes: [Egress], egress: [{}]"}, nil},
		{"egress without types", []string{own[:len(own)-1] + "], egress: [{ to: [" + pods + "] }, " + toDNS + "]"}, nil},
		{"nothing goes out", []string{to + "[]"}, []string{out, dns}},
		{"out to the internet and DNS alone", []string{to + "[" + toDNS + ", { to: [{ ipBlock: { cidr: 0.0.0.0/0, except: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16] } }] }]"}, []string{out}},
		{"out to the own pods alone", []string{to + "[{ to: [" + pods + "], ports: [{ port: http }] }]"}, []string{dns}},
		{"out to them and to DNS, by two policies", []string{to + "[{ to: [" + pods + "], ports: [{ port: http }] }]", to + "[" + toDNS + "]"}, nil},
		{"out to another port", []string{to + "[{ to: [" + pods + "], ports: [{ port: 5432 }] }, " + toDNS + "]"}, []string{out}},
	} {
		t.Run(c.what, func(t *testing.T) {
			text := asking
			for n, p := range c.policies {
				text += policyOf("p"+string(rune('0'+n)), p)
			}
			file := filepath.Join(t.TempDir(), "all.yaml")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := read("", "", []string{file})
			if err != nil {
				t.Fatal(err)
			}
			found := slices.DeleteFunc(s.lint(), func(f string) bool {
				return !strings.Contains(f, "peers at") && !strings.Contains(f, "NetworkPolic")
			})
			if len(found) != len(c.want) {
				t.Fatalf("found %q, want %q", found, c.want)
			}
			for n, want := range c.want {
				if !strings.Contains(found[n], want) {
					t.Errorf("found %q, want %q", found[n], want)
				}
			}
		})
	}
}
