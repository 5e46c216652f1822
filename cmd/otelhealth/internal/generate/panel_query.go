package generate

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/tempo"
)

// query is a query in the default naming, with the placeholders of [dialect.fill].
type query struct {
	expr, legend string
	instant      bool
	exemplars    bool
	heat         bool
	traces       bool // TraceQL
}

func (q query) build(d dialect, ref string, tabular bool) (variants.Dataquery, error) {
	if q.traces {
		return tempo.NewDataqueryBuilder().RefId(ref).Datasource(traces()).QueryType("traceql").Query(q.expr).Limit(20).
			TableType(tempo.SearchTableTypeTraces).Build()
	}
	expr, err := d.expr(q.expr)
	if err != nil {
		return nil, err
	}
	s, err := d.scopedTo(q.legend, q.expr)
	if err != nil {
		return nil, err
	}
	b := prometheus.NewDataqueryBuilder().RefId(ref).Datasource(metrics()).EditorMode(prometheus.QueryEditorModeCode).
		Expr(expr).LegendFormat(s.legend(q.legend)).Exemplar(q.exemplars)
	switch {
	case q.instant:
		b.Instant()
	default:
		b.Range()
	}
	switch {
	case tabular:
		b.Format(prometheus.PromQueryFormatTable)
	case q.heat:
		b.Format(prometheus.PromQueryFormatHeatmap)
	default:
		b.Format(prometheus.PromQueryFormatTimeSeries)
	}
	return b.Build()
}

// fill replaces the placeholders for the chosen jobs and instances in selectors. A query has @own, or
// [unmatched] says why not.
func (d dialect) fill(q string) string {
	group, none := "", ""
	for _, l := range d.group {
		group += fmt.Sprintf(`%q=~"$%s",`, l, variableOf(l))
		none += fmt.Sprintf(`%q=~"$%s|",`, l, variableOf(l))
	}
	return strings.NewReplacer(
		"@own", group+`job=~"$job",instance=~"$instance"`,
		"@job", group+`job=~"$job"`,
		"@alerts", none+fmt.Sprintf(`alertname=~%q,job=~"$job|"`, strings.Join(d.alertNames(), "|")), // the rules' own alerts have no job
		"@check", group+`job=~"$job",instance=~"$instance",health_check_name=~"$check"`,
		"@collector", group+`job=~"$collector"`,
	).Replace(q)
}

// alertNames are the names of our alerts. A Prometheus has others too, and one of them, Watchdog, always fires.
func (d dialect) alertNames() (names []string) {
	for _, g := range rules(d, "") {
		for _, r := range g.rules {
			if r.alert != "" {
				names = append(names, r.alert)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// expr returns a panel's query in the user's naming.
func (d dialect) expr(q string) (string, error) {
	q, err := d.query(d.fill(q))
	if err != nil || !d.native {
		return q, err
	}
	return nativeHistograms(q)
}

var braces = regexp.MustCompile(`\{\{ *(\w+) *\}\}`)

// legend renames the labels in a legend, and adds the group's labels to a job.
func (d dialect) legend(format string) string {
	whose := ""
	for _, l := range d.group {
		whose += "{{" + l + "}} "
	}
	format = strings.ReplaceAll(format, "{{job}}", whose+"{{job}}")
	return braces.ReplaceAllStringFunc(format, func(m string) string {
		return "{{" + d.label(braces.FindStringSubmatch(m)[1]) + "}}"
	})
}

func metrics() common.DataSourceRef { return source("prometheus", "${datasource}") }
func traces() common.DataSourceRef  { return source("tempo", "${traces}") }

func source(kind, uid string) common.DataSourceRef {
	return common.DataSourceRef{Type: &kind, Uid: &uid}
}
