package kubernetes

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"go.yaml.in/yaml/v3"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	v1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/warning"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/core"
	"k8s.io/kubernetes/pkg/registry/apps/daemonset"
	"k8s.io/kubernetes/pkg/registry/apps/deployment"
	"k8s.io/kubernetes/pkg/registry/apps/statefulset"
	"k8s.io/kubernetes/pkg/registry/batch/job"
	"k8s.io/kubernetes/pkg/registry/core/configmap"
	"k8s.io/kubernetes/pkg/registry/core/service"
	"k8s.io/kubernetes/pkg/registry/core/serviceaccount"
	"k8s.io/kubernetes/pkg/registry/networking/networkpolicy"
	"k8s.io/kubernetes/pkg/registry/policy/poddisruptionbudget"
	"k8s.io/kubernetes/pkg/registry/scheduling/priorityclass"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	sigsyaml "sigs.k8s.io/yaml"

	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	_ "k8s.io/kubernetes/pkg/apis/batch/install"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	_ "k8s.io/kubernetes/pkg/apis/networking/install"
	_ "k8s.io/kubernetes/pkg/apis/policy/install"
	_ "k8s.io/kubernetes/pkg/apis/scheduling/install"
)

const root = "../../.."

// strategies are the API server's checks and defaults of each kind.
var strategies = map[string]rest.RESTCreateStrategy{
	"ConfigMap":           configmap.Strategy,
	"DaemonSet":           daemonset.Strategy,
	"Deployment":          deployment.Strategy,
	"Job":                 job.Strategy,
	"NetworkPolicy":       networkpolicy.Strategy,
	"PodDisruptionBudget": poddisruptionbudget.Strategy,
	"Service":             service.Strategy,
	"PriorityClass":       priorityclass.Strategy,
	"ServiceAccount":      serviceaccount.Strategy,
	"StatefulSet":         statefulset.Strategy,
}

var decoder = serializer.NewCodecFactory(legacyscheme.Scheme, serializer.EnableStrict).UniversalDeserializer()

// warnings collects the API server's warnings.
type warnings []string

func (w *warnings) AddWarning(_, text string) { *w = append(*w, text) }

// create does what the API server does with a new object, except admission and storing.
func create(text []byte) error {
	external, kind, err := decoder.Decode(text, nil, nil)
	if runtime.IsNotRegisteredError(err) {
		return createCustom(text)
	}
	if err != nil {
		return err
	}
	strategy := strategies[kind.Kind]
	if strategy == nil {
		return fmt.Errorf("%s: this test has no strategy for it", kind)
	}
	legacyscheme.Scheme.Default(external)
	obj, err := legacyscheme.Scheme.ConvertToVersion(external, schema.GroupVersion{Group: kind.Group, Version: runtime.APIVersionInternal})
	if err != nil {
		return err
	}
	m, err := meta.Accessor(obj)
	if err != nil {
		return err
	}
	namespace := m.GetNamespace()
	if namespace == "" && strategy.NamespaceScoped() {
		namespace = metav1.NamespaceDefault
		m.SetNamespace(namespace)
	}
	rest.FillObjectMetaSystemFields(m)
	if s, ok := obj.(*core.Service); ok && s.Spec.ClusterIP != "" { // the server does this to every request
		s.Spec.ClusterIPs = []string{s.Spec.ClusterIP}
	}
	var warned warnings
	ctx := warning.WithWarningRecorder(context.Background(), &warned)
	ctx = request.WithRequestInfo(request.WithNamespace(ctx, namespace), &request.RequestInfo{
		IsResourceRequest: true, Verb: "create", APIGroup: kind.Group, APIVersion: kind.Version,
	})
	if err := rest.BeforeCreate(strategy, ctx, obj); err != nil {
		return err
	}
	for _, w := range warned {
		err = errors.Join(err, errors.New("warning: "+w))
	}
	return err
}

// createCustom decodes a custom resource into its operator's types. It does not evaluate the
// schema's rules.
func createCustom(text []byte) error {
	var head metav1.TypeMeta
	if err := sigsyaml.Unmarshal(text, &head); err != nil {
		return err
	}
	types := map[string]any{"PodMonitor": &monitoringv1.PodMonitor{}, "PrometheusRule": &monitoringv1.PrometheusRule{}}
	into := types[head.Kind]
	if into == nil || head.APIVersion != "monitoring.coreos.com/v1" {
		return fmt.Errorf("%s %s is not known", head.APIVersion, head.Kind)
	}
	return sigsyaml.UnmarshalStrict(text, into)
}

func render(dir string) ([]byte, error) {
	m, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(root, "deploy/kubernetes", dir))
	if err != nil {
		return nil, err
	}
	return m.AsYaml()
}

func mustRender(t *testing.T, dir string) []byte {
	t.Helper()
	text, err := render(dir)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// documents splits a YAML stream. It does not decode, so duplicate fields stay visible.
func documents(text []byte) [][]byte { return bytes.Split(text, []byte("\n---\n")) }

var dirs = []string{"base", "overlays/otlp", "overlays/scrape", "overlays/podmonitor", "collector", "prometheus", "load"}

// TestManifests: the API server accepts each rendered object without a warning.
func TestManifests(t *testing.T) {
	want := map[string]int{"base": 7, "overlays/otlp": 7, "overlays/scrape": 7, "overlays/podmonitor": 8, "collector": 11, "prometheus": 5, "load": 1}
	for _, dir := range dirs {
		list := documents(mustRender(t, dir))
		if len(list) != want[dir] {
			t.Errorf("%s: %d objects, want %d", dir, len(list), want[dir])
		}
		for _, text := range list {
			if err := create(text); err != nil {
				t.Errorf("%s: %v in\n%s", dir, err, text)
			}
		}
	}
	for _, path := range []string{"grafana/alerts/kubernetes/prometheusrule.yaml", "grafana/alerts/mimir/kubernetes/prometheusrule.yaml"} {
		text, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range documents(text) {
			if err := create(text); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
}

// TestPriority checks that the PriorityClass exists, because the API server refuses a pod with an
// unknown class.
func TestPriority(t *testing.T) {
	made, wanted := map[string]bool{}, ""
	for _, text := range documents(mustRender(t, "collector")) {
		obj, _, err := decoder.Decode(text, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		switch obj := obj.(type) {
		case *schedulingv1.PriorityClass:
			made[obj.Name] = true
		case *appsv1.DaemonSet:
			wanted = obj.Spec.Template.Spec.PriorityClassName
		}
	}
	if wanted == "" || !made[wanted] {
		t.Errorf("the agent wants the class %q, but the manifests have %v", wanted, made)
	}
}

// TestApplyKeepsMaintenance computes the patch of kubectl apply during maintenance. A new version
// must not end the maintenance.
func TestApplyKeepsMaintenance(t *testing.T) {
	maps := objects[*v1.ConfigMap](t)
	if len(maps) != 1 {
		t.Fatalf("%d ConfigMaps", len(maps))
	}
	live := maps[0].DeepCopy()
	live.Data = map[string]string{"maintenance": `{"reason": "upgrade", "until": "2026-12-01T18:00:00Z"}`, "overrides": "latency=show"}
	var texts [2][]byte
	for i, m := range []*v1.ConfigMap{maps[0], live} {
		var err error
		if texts[i], err = json.Marshal(m); err != nil {
			t.Fatal(err)
		}
	}
	schema, err := strategicpatch.NewPatchMetaFromStruct(&v1.ConfigMap{})
	if err != nil {
		t.Fatal(err)
	}
	patch, err := strategicpatch.CreateThreeWayMergePatch(texts[0], texts[0], texts[1], schema, true)
	if err != nil || string(patch) != "{}" {
		t.Errorf("apply would overwrite the operators' entries: %s, %v", patch, err)
	}
}

// TestImages: every image has a tag other than latest. Otherwise the kubelet asks the registry even
// if the node has the image.
func TestImages(t *testing.T) {
	images := 0
	for _, dir := range dirs {
		for _, text := range documents(mustRender(t, dir)) {
			o, _, err := decoder.Decode(text, nil, nil)
			if err != nil {
				continue // a custom resource
			}
			legacyscheme.Scheme.Default(o)
			var pod v1.PodSpec
			switch o := o.(type) {
			case *appsv1.Deployment:
				pod = o.Spec.Template.Spec
			case *appsv1.StatefulSet:
				pod = o.Spec.Template.Spec
			case *appsv1.DaemonSet:
				pod = o.Spec.Template.Spec
			case *batchv1.Job:
				pod = o.Spec.Template.Spec
			}
			for _, c := range pod.Containers {
				images++
				if c.ImagePullPolicy != v1.PullIfNotPresent {
					t.Errorf("%s: %s is pulled %s", dir, c.Image, c.ImagePullPolicy)
				}
			}
		}
	}
	if images != 8 {
		t.Errorf("%d images, want 8", images)
	}
}

// TestNamespace checks that docs/kubernetes.md creates the collectors' namespace. No manifest has it,
// because kubectl delete -k would delete everything in it.
func TestNamespace(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs/kubernetes.md"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(mustRender(t, "collector"))
	if strings.Contains(text, "kind: Namespace") || !strings.Contains(text, "namespace: monitoring") {
		t.Error("the collectors are not in namespace monitoring, or the manifests create it")
	}
	create, apply := bytes.Index(page, []byte("kubectl create namespace monitoring")), bytes.Index(page, []byte("kubectl apply -k deploy/kubernetes/collector"))
	if create < 0 || apply < create {
		t.Error("docs/kubernetes.md does not create the namespace before its first use")
	}
}

func TestManifestsRefused(t *testing.T) {
	tests := []struct{ name, dir, old, new, want string }{
		{"unknown field", "base", "periodSeconds: 10", "periodSecond: 10", `unknown field "spec.template.spec.containers[0].livenessProbe.periodSecond"`},
		{"field twice", "base", "periodSeconds: 10", "periodSeconds: 10\n          periodSeconds: 6", "already set in map"},
		{"wrong type", "base", "replicas: 3", "replicas: three", "replicas"},
		{"unknown kind", "base", "kind: PodDisruptionBudget", "kind: PodDisruptionBuget", "not known"},
		{"selector of other pods", "base", "matchLabels:\n      app.kubernetes.io/name: demo\n  strategy", "matchLabels:\n      app.kubernetes.io/name: dmeo\n  strategy", "selector"},
		{"unmounted volume", "base", "- mountPath: /data\n          name: data", "- mountPath: /data\n          name: date", "Not found"},
		{"preStop over the grace period", "base", "seconds: 5\n", "seconds: 50\n", "less than terminationGracePeriodSeconds (35)"},
		{"liveness that needs two successes", "base", "path: /health\n            port: http", "path: /health\n            port: http\n          successThreshold: 2", "must be 1"},
		{"both limits in a budget", "base", "maxUnavailable: 1\n  selector", "maxUnavailable: 1\n  minAvailable: 1\n  selector", "cannot be both set"},
		{"port twice", "base", "containerPort: 8001", "containerPort: 8000", "duplicate port"},
		{"unknown field of a PodMonitor", "overlays/podmonitor", "scrapeTimeout:", "scrapeTimeouts:", "scrapeTimeouts"},
		{"one host port twice", "collector", "hostPort: 4318", "hostPort: 4317", "Duplicate value"},
		{"unknown policy", "collector", "unhealthyPodEvictionPolicy: AlwaysAllow", "unhealthyPodEvictionPolicy: Always", "Unsupported value"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			good := string(mustRender(t, tt.dir))
			bad := strings.Replace(good, tt.old, tt.new, 1)
			if bad == good {
				t.Fatalf("%q is not in\n%s", tt.old, good)
			}
			var err error
			for _, text := range documents([]byte(bad)) {
				err = errors.Join(err, create(text))
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one that says %s", err, tt.want)
			}
		})
	}
}

// TestOnePath: each overlay exports metrics one way. With two ways every series appears twice.
func TestOnePath(t *testing.T) {
	push, scrape := []byte("OTEL_EXPORTER_OTLP_ENDPOINT"), []byte("kind: PodMonitor")
	for dir, want := range map[string][2]bool{"base": {false, false}, "overlays/otlp": {true, false}, "overlays/scrape": {false, false}, "overlays/podmonitor": {false, true}} {
		text := mustRender(t, dir)
		if got := [2]bool{bytes.Contains(text, push), bytes.Contains(text, scrape)}; got != want || bytes.Contains(text, []byte("prometheus.io/scrape")) {
			t.Errorf("%s: push and scrape are %v, want %v", dir, got, want)
		}
	}
	// Both overlays together contain the same objects twice, and kustomize refuses that.
	fs := filesys.MakeFsOnDisk()
	dir, err := os.MkdirTemp(filepath.Join(root, "deploy/kubernetes"), "both-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	both := "resources: [../overlays/otlp, ../overlays/podmonitor]\n"
	if err := fs.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(both)); err != nil {
		t.Fatal(err)
	}
	if _, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(fs, dir); err == nil || !strings.Contains(err.Error(), "already registered id") {
		t.Errorf("both overlays at once: %v", err)
	}
}

// TestCopies checks that copies equal the originals. kubectl reads nothing outside of a directory.
func TestCopies(t *testing.T) {
	for name, dir := range map[string]string{
		"otel-collector-config.yaml": "deploy/kubernetes/collector/gateway", "otel-collector-traces.yaml": "deploy/kubernetes/collector/gateway",
		"prometheus.yaml": "deploy/kubernetes/prometheus", "grafana/alerts/otelhealth.yaml": "deploy/kubernetes/prometheus",
	} {
		whole, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		copied, err := os.ReadFile(filepath.Join(root, dir, filepath.Base(name)))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(whole, copied) {
			t.Errorf("%s has changed; run cp %[1]s %s/", name, dir)
		}
	}
}

// TestDeadNode: pods of a dead node are deleted after half a minute, and the manifest's comment says
// so. The demo makes no load of its own, and nothing delays the readiness probe.
func TestDeadNode(t *testing.T) {
	for _, d := range all[*appsv1.Deployment](t, "overlays/otlp") {
		spec := d.Spec.Template.Spec
		tolerated := map[string]int64{}
		for _, toleration := range spec.Tolerations {
			if toleration.TolerationSeconds != nil {
				tolerated[toleration.Key] = *toleration.TolerationSeconds
			}
		}
		if want := map[string]int64{"node.kubernetes.io/not-ready": 30, "node.kubernetes.io/unreachable": 30}; !maps.Equal(tolerated, want) {
			t.Errorf("%s tolerates %v, want %v", d.Name, tolerated, want)
		}
		c := spec.Containers[0]
		if !slices.Contains(c.Args, "-load=0") {
			t.Errorf("%s makes load of its own: %v", d.Name, c.Args)
		}
		if c.ReadinessProbe.InitialDelaySeconds != 0 {
			t.Errorf("readiness is delayed by %d s at every start, though the startup probe gates it", c.ReadinessProbe.InitialDelaySeconds)
		}
	}
}

// TestReachable checks names between objects, because the API server does not.
func TestReachable(t *testing.T) {
	text := mustRender(t, "collector")
	var services, claims []string
	for _, one := range documents(text) {
		var o struct {
			Kind     string
			Metadata struct{ Name, Namespace string }
			Spec     struct {
				ServiceName string `yaml:"serviceName"`
			}
		}
		if err := yaml.Unmarshal(one, &o); err != nil {
			t.Fatal(err)
		}
		if o.Metadata.Namespace != "monitoring" && o.Kind != "PriorityClass" { // the demo's NetworkPolicy lets in this namespace
			t.Errorf("%s %s is in namespace %q", o.Kind, o.Metadata.Name, o.Metadata.Namespace)
		}
		if o.Kind == "Service" {
			services = append(services, o.Metadata.Name)
		}
		if o.Spec.ServiceName != "" {
			claims = append(claims, o.Spec.ServiceName)
		}
	}
	var agent struct {
		Exporters struct {
			Gateway struct{ Endpoint string } `yaml:"otlp_grpc/gateway"`
			Traces  struct {
				Resolver struct {
					DNS struct{ Hostname, Port string }
				}
			} `yaml:"load_balancing/traces"`
		}
	}
	config, err := os.ReadFile(filepath.Join(root, "deploy/kubernetes/collector/agent/agent.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(config, &agent); err != nil {
		t.Fatal(err)
	}
	dns := agent.Exporters.Traces.Resolver.DNS
	for _, want := range []string{agent.Exporters.Gateway.Endpoint, "http://" + dns.Hostname + ":" + dns.Port, "http://" + strings.Join(claims, " ") + ":4317"} {
		name := strings.TrimSuffix(strings.TrimPrefix(want, "http://"), ":4317")
		if !slices.Contains(services, name) {
			t.Errorf("%s: no such Service; there are only %v, on 4317", want, services)
		}
	}
}
