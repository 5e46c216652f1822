//lint:file-ignore SA1019 See dashboards.go.

package generate

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/prometheus/otlptranslator"
)

var update = flag.Bool("update", false, "write the files instead of comparing them")

// shipped is the dialect of the committed files.
func shipped(t *testing.T) dialect {
	return dialect{settings: usual(), names: otlptranslator.UnderscoreEscapingWithSuffixes, series: known(t)}
}

// TestDashboards: the committed files equal the generated ones.
func TestDashboards(t *testing.T) {
	files, err := dashboards(shipped(t))
	if err != nil {
		t.Fatal(err)
	}
	const dir = root + "/grafana/dashboards"
	committed, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range committed {
		if files[filepath.Base(path)] == nil {
			t.Errorf("nothing generates %s", path)
		}
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if *update {
			if err := os.WriteFile(path, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%s differs from the generated file (%v): go test -run TestDashboards -update", path, err)
		}
	}
}

// TestDialectsOfDashboards: each naming gives dashboards, and always the same ones.
func TestDialectsOfDashboards(t *testing.T) {
	for name, d := range map[string]dialect{
		"Mimir":  {names: otlptranslator.UnderscoreEscapingWithoutSuffixes},
		"UTF-8":  {names: otlptranslator.NoTranslation},
		"groups": {names: otlptranslator.UnderscoreEscapingWithSuffixes, group: []string{"cluster", "namespace"}},
		"native": {names: otlptranslator.UnderscoreEscapingWithSuffixes, native: true},
	} {
		d.series = known(t)
		first, err := dashboards(d)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		again, err := dashboards(d)
		if err != nil {
			t.Fatal(err)
		}
		fleet := string(first["health-fleet.json"])
		for _, part := range map[string][]string{
			"Mimir":  {`health_probe_state_duration{`},
			"UTF-8":  {`__name__=\"health.probe.status\",`, `{{health.check.name}}`, `labels[\"health.check.name\"]`},
			"groups": {`cluster=~\"$cluster\",`, `{{cluster}} {{namespace}} {{job}}`, `var-namespace=${__data.fields[\"namespace\"]:percentencode}`, `"name": "cluster"`},
			"native": {`sum by (job) (histogram_count(rate(http_server_request_duration_seconds{`, `sum by (job) (rate(http_server_request_duration_seconds{`},
		}[name] {
			if !strings.Contains(fleet, part) {
				t.Errorf("%s: does not contain %s", name, part)
			}
		}
		for file, text := range first {
			if !bytes.Equal(text, again[file]) {
				t.Errorf("%s: %s differs from run to run", name, file)
			}
		}
	}
}

// TestSchema: Grafana's types know every field, and no required field is missing.
func TestSchema(t *testing.T) {
	plugins.RegisterDefaultPlugins()
	files, err := dashboards(shipped(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		var d dashboard.Dashboard
		if err := d.UnmarshalJSONStrict(text); err != nil && err.Error() != "" { // err is a list and never nil
			t.Errorf("%s: %v", name, err)
		}
		if err := d.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNativeHistograms: counts become functions, and buckets become the histogram.
func TestNativeHistograms(t *testing.T) {
	d := shipped(t)
	d.native = true
	for q, want := range map[string]string{
		`histogram_quantile(0.99, sum by (le, job) (rate(queue_wait_duration_seconds_bucket{@own}[5m])))`: `histogram_quantile(0.99, sum by (job) (rate(queue_wait_duration_seconds{instance=~"$instance",job=~"$job"}[5m])))`,
		`sum by (job) (increase(queue_wait_duration_seconds_count[5m])) / 2`:                              `sum by (job) (histogram_count(increase(queue_wait_duration_seconds[5m]))) / 2`,
		`sum by (instance) (go_goroutine_count{@job})`:                                                    `sum by (instance) (go_goroutine_count{job=~"$job"})`,
	} {
		if got, err := d.expr(q); err != nil || got != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", q, err, got, want)
		}
	}
}

func sorted[V any](m map[string]V) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
