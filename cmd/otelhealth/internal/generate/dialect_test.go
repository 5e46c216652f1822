package generate

import (
	"strings"
	"testing"

	"github.com/prometheus/otlptranslator"
)

func known(t *testing.T) series {
	t.Helper()
	s, err := readSeries()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestDialects: one query in each naming.
func TestDialects(t *testing.T) {
	s := known(t)
	const q = `sum by (job, health_check_name) (increase(health_check_transitions_total{job=~"$job",health_check_name="database"}[$__rate_interval])) / on (job) group_left () count by (job) (health_check_status)`
	for name, c := range map[string]struct {
		d    dialect
		want string
	}{
		"default": {dialect{names: otlptranslator.UnderscoreEscapingWithSuffixes}, q},
		"Mimir": {dialect{names: otlptranslator.UnderscoreEscapingWithoutSuffixes},
			strings.ReplaceAll(q, "transitions_total", "transitions")},
		"UTF-8": {dialect{names: otlptranslator.NoTranslation},
			`sum by (job, "health.check.name") (increase({"health.check.transitions","health.check.name"="database",job=~"$job"}[$__rate_interval])) / on (job) group_left () count by (job) ({"health.check.status"})`},
		"groups": {dialect{names: otlptranslator.UnderscoreEscapingWithSuffixes, group: []string{"cluster", "namespace"}},
			strings.NewReplacer("by (job", "by (cluster, namespace, job", "on (job", "on (cluster, namespace, job").Replace(q)},
	} {
		c.d.series = s
		got, err := c.d.query(q)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want, err := parse(c.want)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got != restore(want.String()) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, restore(want.String()))
		}
	}
}

// TestRefused: no panel and no rule may read an unknown metric.
func TestRefused(t *testing.T) {
	d := dialect{settings: usual(), names: otlptranslator.UnderscoreEscapingWithSuffixes, series: known(t)}
	for q, want := range map[string]string{
		`health_check_statuss`:                                  `nothing emits "health_check_statuss"`,
		`health_check_status{health_probe_name="readiness"}`:    "no label health_probe_name",
		`rate(queue_length[5m])`:                                "not a counter",
		`sum(increase(health_probe_status[5m]))`:                "not a counter",
		`deriv(health_check_transitions_total[5m])`:             "is a counter",
		`health_check_duration_seconds`:                         "nothing emits",
		`histogram_quantile(.9, health_check_duration_seconds_`: "parse error",
	} {
		if _, err := d.query(q); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", q, err, want)
		}
	}
}
