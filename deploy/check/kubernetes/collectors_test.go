package kubernetes

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"
)

// all renders a directory and returns its objects of one kind.
func all[T runtime.Object](t *testing.T, dir string) (list []T) {
	t.Helper()
	for _, text := range documents(mustRender(t, dir)) {
		o, _, err := decoder.Decode(text, nil, nil)
		if err != nil {
			continue // a custom resource
		}
		if o, ok := o.(T); ok {
			list = append(list, o)
		}
	}
	return list
}

var envVariable = regexp.MustCompile(`\$\{env:(\w+)(:-([^}]*))?\}`)

// configuration returns the text of the collector's files with the variables filled in.
func configuration(t *testing.T, pod v1.PodSpec) string {
	t.Helper()
	c := pod.Containers[0]
	var text string
	for _, a := range c.Args {
		path := strings.TrimPrefix(a, "--config=")
		part, err := mountedText(t, pod, path)
		if err != nil {
			t.Errorf("%s: %v", a, err)
		}
		text += part + "\n"
	}
	env := map[string]string{}
	for _, e := range c.Env {
		env[e.Name] = e.Value
		if e.ValueFrom != nil {
			env[e.Name] = "somewhere"
		}
		if e.Name != "GOMEMLIMIT" && !strings.Contains(text, "${env:"+e.Name) {
			t.Errorf("%s: no file has ${env:%s}", c.Args, e.Name)
		}
	}
	return envVariable.ReplaceAllStringFunc(text, func(m string) string {
		part := envVariable.FindStringSubmatch(m)
		value, set := env[part[1]]
		if !set && part[2] == "" {
			t.Errorf("%s: %s is not set", c.Args, m)
		}
		if !set {
			value = part[3]
		}
		return value
	})
}

// mountedText returns the text of a file from a ConfigMap.
func mountedText(t *testing.T, pod v1.PodSpec, path string) (string, error) {
	t.Helper()
	for _, m := range pod.Containers[0].VolumeMounts {
		for _, v := range pod.Volumes {
			if m.Name != v.Name || v.ConfigMap == nil || m.MountPath != filepath.Dir(path) {
				continue
			}
			for _, from := range all[*v1.ConfigMap](t, "collector") {
				if text, ok := from.Data[filepath.Base(path)]; ok && from.Name == v.ConfigMap.Name {
					return text, nil
				}
			}
		}
	}
	return "", fmt.Errorf("no ConfigMap has this file")
}

// TestCollectors checks that each collector listens on its container's ports, on all addresses.
func TestCollectors(t *testing.T) {
	listens := regexp.MustCompile(`(?m)^\s+endpoint: (\S*):(\d+)$`)
	pods := map[string]v1.PodSpec{}
	for _, o := range all[*appsv1.DaemonSet](t, "collector") {
		pods[o.Name] = o.Spec.Template.Spec
	}
	for _, o := range all[*appsv1.StatefulSet](t, "collector") {
		pods[o.Name] = o.Spec.Template.Spec
	}
	if len(pods) != 2 {
		t.Errorf("%d collectors", len(pods))
	}
	for name, pod := range pods {
		var open []string
		for _, m := range listens.FindAllStringSubmatch(configuration(t, pod), -1) {
			if m[1] == "0.0.0.0" {
				open = append(open, m[2])
			}
		}
		for _, p := range pod.Containers[0].Ports {
			if !slices.Contains(open, fmt.Sprint(p.ContainerPort)) {
				t.Errorf("%s has the port %s, %d, but listens only on %v", name, p.Name, p.ContainerPort, open)
			}
		}
	}
}

// TestMonitoring checks two ways through the network. The demo's NetworkPolicy must let in the
// namespace of the collectors and Prometheus. The name of the gateways must resolve to their pods,
// not to one cluster IP, because agents choose a gateway for each trace.
func TestMonitoring(t *testing.T) {
	namespace := all[*appsv1.DaemonSet](t, "collector")[0].Namespace
	open := false
	for _, p := range all[*networkingv1.NetworkPolicy](t, "base") {
		for _, rule := range p.Spec.Ingress {
			for _, from := range rule.From {
				open = open || from.NamespaceSelector != nil && from.NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"] == namespace
			}
		}
	}
	if !open {
		t.Errorf("no NetworkPolicy lets %s in", namespace)
	}
	for _, s := range all[*v1.Service](t, "collector") {
		if s.Name == "otel-gateway-pods" && s.Spec.ClusterIP != v1.ClusterIPNone {
			t.Errorf("%s has a cluster IP, so all spans would go to one gateway", s.Name)
		}
	}
}

// TestServiceReachesAgent checks that the demo exports by gRPC to the agent's port on its own node.
func TestServiceReachesAgent(t *testing.T) {
	d, agents := all[*appsv1.Deployment](t, "overlays/otlp"), all[*appsv1.DaemonSet](t, "collector")
	if len(d) != 1 || len(agents) != 1 {
		t.Fatalf("%d Deployments, %d DaemonSets", len(d), len(agents))
	}
	values := map[string]string{}
	for _, e := range d[0].Spec.Template.Spec.Containers[0].Env {
		if e.ValueFrom != nil && e.ValueFrom.FieldRef != nil && e.ValueFrom.FieldRef.FieldPath == "status.hostIP" {
			e.Value = "node"
		}
		values[e.Name] = expansion.Expand(e.Value, expansion.MappingFuncFor(values))
	}
	got, port := values["OTEL_EXPORTER_OTLP_ENDPOINT"], int32(0)
	for _, p := range agents[0].Spec.Template.Spec.Containers[0].Ports {
		if p.Name == "otlp-grpc" {
			port = p.HostPort
		}
	}
	if want := fmt.Sprintf("http://node:%d", port); got != want {
		t.Errorf("the demo exports to %s, but the agent listens at %s", got, want)
	}
}
