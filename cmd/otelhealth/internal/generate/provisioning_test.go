package generate

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestProvisioning: the data sources refer to each other, the comments explain every variable, and
// Grafana allows no edits that it would lose.
func TestProvisioning(t *testing.T) {
	var sources struct {
		Datasources []struct {
			Name, UID, Type, URL string
			JSONData             struct {
				TimeInterval                string `yaml:"timeInterval"`
				ExemplarTraceIDDestinations []struct {
					Name          string
					DatasourceUID string `yaml:"datasourceUid"`
				} `yaml:"exemplarTraceIdDestinations"`
				TracesToMetrics struct {
					DatasourceUID string `yaml:"datasourceUid"`
					Tags          []struct{ Key, Value string }
					Queries       []struct{ Name, Query string }
				} `yaml:"tracesToMetrics"`
			} `yaml:"jsonData"`
		}
	}
	uids := map[string]string{}
	for _, name := range []string{"prometheus", "tempo"} {
		text := provisioned(t, "datasources/"+name+".yaml")
		if err := yaml.Unmarshal(text, &sources); err != nil {
			t.Fatal(err)
		}
		s := sources.Datasources[0]
		uids[s.Type] = s.UID
		if len(sources.Datasources) != 1 || s.Type != name || !strings.HasPrefix(s.URL, "$") {
			t.Errorf("%s: %+v", name, s)
		}
		j := s.JSONData
		switch name {
		case "prometheus":
			if j.TimeInterval != "15s" {
				t.Errorf("timeInterval is %s, but the dashboards' thresholds expect another export interval", j.TimeInterval)
			}
			if d := j.ExemplarTraceIDDestinations; len(d) != 1 || d[0].Name != "trace_id" || d[0].DatasourceUID != "tempo" {
				t.Errorf("exemplars link to %v", d)
			}
		case "tempo":
			if j.TracesToMetrics.DatasourceUID != uids["prometheus"] {
				t.Errorf("spans link to %v", j.TracesToMetrics.DatasourceUID)
			}
			for _, q := range j.TracesToMetrics.Queries {
				if _, err := shipped(t).query(strings.Replace(q.Query, "$$__tags", `service_name="orders",instance="pod-1"`, 1)); err != nil {
					t.Errorf("%s: %v", q.Name, err)
				}
			}
		}
	}
	if uids["prometheus"] != "prometheus" || uids["tempo"] != "tempo" {
		t.Errorf("uids %v", uids)
	}

	var boards struct {
		Providers []struct {
			FolderUID       string `yaml:"folderUid"`
			DisableDeletion bool   `yaml:"disableDeletion"`
			AllowUIUpdates  *bool  `yaml:"allowUiUpdates"`
			Options         struct{ Path string }
		}
	}
	if err := yaml.Unmarshal(provisioned(t, "dashboards/otelhealth.yaml"), &boards); err != nil {
		t.Fatal(err)
	}
	if p := boards.Providers; len(p) != 1 || !p[0].DisableDeletion || p[0].AllowUIUpdates == nil || *p[0].AllowUIUpdates || p[0].FolderUID == "" || p[0].Options.Path == "" {
		t.Errorf("%+v", p)
	}
}

var environment = regexp.MustCompile(`(?m)^[^#]*: \$(\w+)`)

// provisioned reads a file. Its comments must explain its variables.
func provisioned(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root+"/grafana/provisioning", name))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	for _, m := range environment.FindAllStringSubmatch(string(text), -1) {
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "#   "+m[1]+" ") }) {
			t.Errorf("%s: no comment explains $%s", name, m[1])
		}
	}
	return text
}
