package pager

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metricsql"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

// TestMetricsQL: VictoriaMetrics can parse the rules of every naming. It has no native histograms, so
// it has no functions for them.
func TestMetricsQL(t *testing.T) {
	for _, d := range dialects {
		rules, errs := rulefmt.ParseFile(filepath.Join(rulesOf(t, d), "otelhealth.yaml"), false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		n, refused := 0, 0
		for _, g := range rules.Groups {
			for _, r := range g.Rules {
				n++
				_, err := metricsql.Parse(r.Expr)
				switch native := d.native && (strings.Contains(r.Expr, "histogram_count(") || strings.Contains(r.Expr, "histogram_fraction(")); {
				case err != nil && !native:
					t.Errorf("%s: %s%s: %v", d.name, r.Record, r.Alert, err)
				case err == nil && native:
					t.Errorf("%s: %s%s is accepted, so MetricsQL knows native histograms now", d.name, r.Record, r.Alert)
				case err != nil:
					refused++
				}
			}
		}
		t.Logf("%s: %d of %d refused", d.name, refused, n)
		if n < 100 {
			t.Errorf("%s: %d rules", d.name, n)
		}
	}
}
