package gates

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kube-openapi/pkg/validation/strfmt"
	"k8s.io/kube-openapi/pkg/validation/validate"
	"sigs.k8s.io/yaml"
)

// keda is read for its CRD. Its code needs other versions of Kubernetes than Argo's.
const keda = "github.com/kedacore/keda/v2@v2.21.0"

var scaling = []string{"--queue", "jobs", "--queue-limit", "80", "--pod-capacity", "10"}

// TestHPA: Kubernetes' own type knows every field, and nothing of the target is over the limit.
func TestHPA(t *testing.T) {
	h := read[autoscalingv2.HorizontalPodAutoscaler](t, generate(t, append(scaling, "--hpa")...)[0])
	if len(h.Spec.Metrics) != 2 || *h.Spec.MinReplicas < 1 {
		t.Errorf("%+v", h.Spec)
	}
	for _, m := range h.Spec.Metrics {
		if got := m.External.Target.AverageValue.AsApproximateFloat64(); m.External.Target.Type != autoscalingv2.AverageValueMetricType || got >= 80 {
			t.Errorf("%s: %v", m.External.Metric.Name, got)
		}
	}
	// This is why the manifest has no selector.
	if _, err := metav1.LabelSelectorAsSelector(&metav1.LabelSelector{MatchLabels: map[string]string{"job": job}}); err == nil {
		t.Error("a selector can have a job now")
	}
}

// TestScaledObject: KEDA's CRD knows every field, and refuses what it should.
func TestScaledObject(t *testing.T) {
	out, err := exec.Command("go", "mod", "download", "-json", keda).Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(module.Dir, "config", "crd", "bases", "keda.sh_scaledobjects.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var crd struct {
		Spec struct {
			Versions []struct {
				Schema struct{ OpenAPIV3Schema spec.Schema }
			}
		}
	}
	if err := yaml.Unmarshal(text, &crd); err != nil {
		t.Fatal(err)
	}
	schema := crd.Spec.Versions[0].Schema.OpenAPIV3Schema
	problems := func(text string) string {
		var object map[string]any
		if err := yaml.Unmarshal([]byte(text), &object); err != nil {
			t.Fatal(err)
		}
		list := unknown(&schema, object, "")
		for _, err := range validate.NewSchemaValidator(&schema, nil, "", strfmt.Default).Validate(object).Errors {
			list = append(list, err.Error())
		}
		return strings.Join(list, "; ")
	}
	good := string(generate(t, append(scaling, "--keda")...)[0])
	if got := problems(good); got != "" {
		t.Errorf("%s\n%s", got, good)
	}
	for old, bad := range map[string]string{
		"minReplicaCount: 2": "minReplicas: 2", "ignoreNullValues: \"false\"": "ignoreNullValues: false",
		"behavior: currentReplicasIfHigher": "behavior: most", "failureThreshold: 4": "failures: 4",
	} {
		if text := strings.Replace(good, old, bad, 1); text == good || problems(text) == "" {
			t.Errorf("%s passes", bad)
		}
	}
}

// unknown lists the fields that a schema does not have.
func unknown(s *spec.Schema, v any, path string) (list []string) {
	switch v := v.(type) {
	case map[string]any:
		for key, field := range v {
			switch p, ok := s.Properties[key]; {
			case ok:
				list = append(list, unknown(&p, field, path+"."+key)...)
			case len(s.Properties) > 0:
				list = append(list, path+"."+key+" is unknown")
			}
		}
	case []any:
		for _, each := range v {
			if s.Items != nil {
				list = append(list, unknown(s.Items.Schema, each, path)...)
			}
		}
	}
	return list
}
