//lint:file-ignore SA1019 The SDK recommends the newer schema, but no Grafana before 12 loads it.

package generate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
)

// board is a dashboard in our form.
type board struct {
	uid, title, about string
	from, refresh     string // start of the time range; refresh interval, at least the time between two points
	variables         []string
	transitions       bool // mark transitions; on other boards there are too many, or a panel shows them
	rows              []row
}

// row is a heading and its panels. A folded row sends no queries until somebody opens it.
type row struct {
	id     uint32
	title  string
	folded bool
	panels []panel
}

// dashboards returns Grafana's files in Classic JSON. Every Grafana since 10 loads it.
func dashboards(d dialect) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, b := range []board{fleet(), service(), check(), slo(d), pipeline()} {
		built, err := b.build(d)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", b.uid, err)
		}
		var text bytes.Buffer
		e := json.NewEncoder(&text)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(built); err != nil {
			return nil, fmt.Errorf("%s: %w", b.uid, err)
		}
		// The SDK's marshallers escape characters and make the diff hard to read.
		files[b.uid+".json"] = []byte(unescape.Replace(text.String()))
	}
	return files, nil
}

var unescape = strings.NewReplacer(`\u0026`, "&", `\u003c`, "<", `\u003e`, ">")

func (b board) build(d dialect) (dashboard.Dashboard, error) {
	variables, err := b.variableList(d)
	if err != nil {
		return dashboard.Dashboard{}, err
	}
	annotations, err := b.annotationList(d)
	if err != nil {
		return dashboard.Dashboard{}, err
	}
	out, err := dashboard.NewDashboardBuilder(b.title).Uid(b.uid).Description(b.about).Tags([]string{"health-otel"}).
		Readonly().Tooltip(dashboard.DashboardCursorSyncCrosshair).Refresh(b.refresh).Time(b.from, "now").Timezone("browser").
		Variables(variables).Annotations(annotations).
		Link(dashboard.NewDashboardLinkBuilder("Health").Type(dashboard.DashboardLinkTypeDashboards).Tags([]string{"health-otel"}).
			AsDropdown(true).IncludeVars(true).KeepTime(true)).
		Build()
	if err != nil {
		return out, err
	}
	y := uint32(0)
	for _, r := range b.rows {
		heading := dashboard.RowPanel{Type: "row", Id: r.id, Title: &r.title, Collapsed: r.folded, Panels: []dashboard.Panel{},
			GridPos: &dashboard.GridPos{W: 24, H: 1, Y: y}}
		y++
		var panels []dashboard.Panel
		x, tallest := uint32(0), uint32(0)
		for _, p := range r.panels {
			if x+p.w > 24 {
				x, y, tallest = 0, y+tallest, 0
			}
			built, err := p.build(d)
			if err != nil {
				return out, err
			}
			built.GridPos = &dashboard.GridPos{X: x, Y: y, W: p.w, H: p.h}
			x, tallest = x+p.w, max(tallest, p.h)
			panels = append(panels, built)
		}
		y += tallest
		if r.folded {
			heading.Panels = panels
			panels = nil
			y = heading.GridPos.Y + 1
		}
		out.Panels = append(out.Panels, dashboard.PanelOrRowPanel{RowPanel: &heading})
		for n := range panels {
			out.Panels = append(out.Panels, dashboard.PanelOrRowPanel{Panel: &panels[n]})
		}
	}
	return out, nil
}

// variableList has the variables of every dashboard, and the board's own.
func (b board) variableList(d dialect) (list []cog.Builder[dashboard.VariableModel], err error) {
	values := func(name, label, about, metric, of string) *dashboard.QueryVariableBuilder {
		selector, e := d.query(d.fill(metric))
		if e != nil {
			err = e
		}
		q := fmt.Sprintf("label_values(%s, %s)", selector, d.label(of))
		return dashboard.NewQueryVariableBuilder(name).Label(label).Description(about).Datasource(metrics()).
			Query(dashboard.StringOrMap{Map: map[string]any{"query": q, "refId": name, "qryType": 1}}).Definition(q).
			Refresh(dashboard.VariableRefreshOnTimeRangeChanged).Sort(dashboard.VariableSortNaturalAsc)
	}
	some := func(v *dashboard.QueryVariableBuilder) *dashboard.QueryVariableBuilder {
		return v.Multi(true).IncludeAll(true).Current(option("All", "$__all"))
	}
	many := func(v *dashboard.QueryVariableBuilder) *dashboard.QueryVariableBuilder { return some(v).AllValue(".+") }
	list = append(list,
		dashboard.NewDatasourceVariableBuilder("datasource").Label("Metrics").Type("prometheus").Description("A Prometheus, or a backend with its HTTP API."),
		dashboard.NewDatasourceVariableBuilder("traces").Label("Traces").Type("tempo").Description("A Tempo. Only the folded rows of traces need one."))
	for n, l := range d.group {
		v := many(values(variableOf(l), l, "Separates jobs of the same name.", groupSelector(d.group[:n]), l)).AllValue(".*")
		list = append(list, v)
	}
	group := groupSelector(d.group)
	list = append(list,
		some(values("job", "Service", "service.namespace/service.name", group, "job")), // All is this list, not .+, because other teams have jobs too
		many(values("instance", "Instance", "service.instance.id", "health_probe_status{@job}", "instance")))
	for _, name := range b.variables {
		switch name {
		case "check":
			list = append(list, many(values("check", "Check", "health.check.name", "health_check_status{@own}", "health_check_name")))
		case "latency":
			list = append(list, values("latency", "Latency check", "The check whose limits and value are drawn in the panel of latencies.",
				"health_check_limit{@own}", "health_check_name").Current(option("latency", "latency")))
		case "collector":
			list = append(list, many(values("collector", "Collector", "service.name of the collectors", "otelcol_process_uptime_seconds_total", "job")))
		case "service":
			list = append(list, many(values("service", "", "The job without its namespace, as in traces.", "health_probe_status{@job}", "job")).AllValue("").
				Regex(`/(?:.*\/)?(.+)/`).Hide(dashboard.VariableHideHideVariable))
		default:
			return nil, fmt.Errorf("unknown variable %q", name)
		}
	}
	return list, err
}

func groupSelector(group []string) string {
	q := "health_probe_status{"
	for _, l := range group {
		q += fmt.Sprintf(`%q=~"$%s",`, l, variableOf(l))
	}
	return q + "}"
}

// variableOf is the name of a label's variable. Grafana allows letters, digits and underscores.
func variableOf(label string) string {
	return regexp.MustCompile(`\W`).ReplaceAllString(label, "_")
}

func option(text, value string) dashboard.VariableOption {
	return dashboard.VariableOption{Selected: cog.ToPtr(true), Text: dashboard.StringOrArrayOfString{String: &text},
		Value: dashboard.StringOrArrayOfString{String: &value}}
}

// annotationList are the events in all panels.
func (b board) annotationList(d dialect) (list []cog.Builder[dashboard.AnnotationQuery], err error) {
	for n, a := range []struct {
		name, expr, title, text, color string
		on, exact                      bool
	}{
		{"Transitions of checks", `max by (job, health_check_name) (health_check_last_transition_timestamp_seconds{@own}) * 1000`,
			"{{health_check_name}} changed", "{{job}}", "purple", b.transitions, true},
		// Only the moment when an alert begins. Overlapping regions would colour all panels red.
		{"Alerts that begin", `group by (alertname, severity, job) (ALERTS{alertstate="firing",@alerts}) unless on (alertname, severity, job) ALERTS{alertstate="firing",@alerts} offset $__interval`,
			"{{alertname}} fires", "{{severity}} {{job}}", "red", true, false},
		// A process younger than a step and its first export. The query reads its age, because after a gap in
		// the data every process would look new. All instances of a service have one mark.
		{"Restarts", `count by (job, service_version) ((sum by (job, instance) (health_probe_state_duration_seconds_total{@own,health_probe_name="readiness"}) < $__interval_ms / 1000 + 60)` +
			` * on (job, instance) group_left (service_version) (topk by (job, instance) (1, target_info{@own}) or on (job, instance) group by (job, instance) (` + eachInstance + `)))`,
			"{{job}} {{service_version}} started", "instances of {{job}} started within this time", "blue", true, false},
	} {
		expr, err := d.expr(a.expr)
		if err != nil {
			return nil, err
		}
		target := prometheus.NewDataqueryBuilder().RefId("Anno" + string(rune('A'+n))).Datasource(metrics()).Expr(expr).Range()
		s, err := d.scopedTo(a.title+a.text, a.expr)
		if err != nil {
			return nil, err
		}
		list = append(list, dashboard.NewAnnotationQueryBuilder().Name(a.name).Datasource(metrics()).Enable(a.on).Hide(false).IconColor(a.color).
			Expr(expr).Target(target).TitleFormat(s.legend(a.title)).TextFormat(s.legend(a.text)).Step("15s").UseValueForTime(a.exact))
	}
	return list, nil
}
