package generate

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// broken are ways to break a good dashboard, and the rule that must find it. spoil gets the
// dashboard and the first panel of the kind.
var broken = []struct {
	rule, name, kind string
	spoil            func(board, panel object)
}{
	{"identity", "editable", "stat", func(b, _ object) { b["editable"] = true }},
	{"identity", "uid of 41 characters", "stat", func(b, _ object) { b["uid"] = strings.Repeat("x", 41) }},
	{"identity", "somebody else's uid", "stat", func(b, _ object) { b["uid"] = "health-fleet" }},
	{"identity", "no crosshair", "stat", func(b, _ object) { b["graphTooltip"] = 0 }},
	{"variables", "data source by another name", "stat", func(b, _ object) { variable(b, "datasource")["name"] = "ds" }},
	{"variables", "one job", "stat", func(b, _ object) { variable(b, "job")["multi"] = false }},
	{"variables", "all as .*", "stat", func(b, _ object) { variable(b, "instance")["allValue"] = ".*" }},
	{"variables", "instances as of the start", "stat", func(b, _ object) { variable(b, "instance")["refresh"] = 1 }},
	{"variables", "a variable that is not there", "stat", func(_, p object) {
		expr(p, func(q string) string { return strings.ReplaceAll(q, "$job", "$service_name") })
	}},
	{"datasource", "of a panel, fixed", "stat", func(_, p object) { p["datasource"].(object)["uid"] = "prometheus" }},
	{"datasource", "of a query, fixed", "stat", func(_, p object) { target(p)["datasource"].(object)["uid"] = "prometheus" }},
	{"datasource", "traces in an open row", "stat", func(b, _ object) {
		for _, r := range list(b["panels"]) {
			r["collapsed"] = false
		}
	}},
	{"words", "no title", "stat", func(_, p object) { p["title"] = "" }},
	{"words", "no description", "stat", func(_, p object) { delete(p, "description") }},
	{"unit", "none", "timeseries", func(_, p object) { delete(defaults(p), "unit") }},
	{"unit", "one that Grafana has not", "timeseries", func(_, p object) { defaults(p)["unit"] = "seconds" }},
	{"targets", "none", "stat", func(_, p object) { p["targets"] = []any{} }},
	{"targets", "neither instant nor range", "stat", func(_, p object) { target(p)["instant"] = false }},
	{"parse", "a bracket", "stat", func(_, p object) { expr(p, func(q string) string { return q + ")" }) }},
	{"metrics", "a name that nothing emits", "stat", func(_, p object) {
		expr(p, func(q string) string { return strings.ReplaceAll(q, "health_probe_status", "health_verdict_status") })
	}},
	{"metrics", "a label that it has not", "stat", func(_, p object) {
		expr(p, func(q string) string { return strings.ReplaceAll(q, "health_probe_state=", "health_check_state=") })
	}},
	{"metrics", "a rate of a gauge", "timeseries", func(_, p object) {
		expr(p, func(string) string {
			return `sum(rate(queue_length{job=~"$job",instance=~"$instance"}[$__rate_interval]))`
		})
	}},
	{"metrics", "a rule that nobody wrote", "timeseries", func(_, p object) { expr(p, func(string) string { return `job:health_ready:share{job=~"$job"}` }) }},
	{"counter", "bare", "timeseries", func(_, p object) {
		expr(p, func(string) string { return `sum(health_probe_requests_total{job=~"$job",instance=~"$instance"})` })
	}},
	{"fresh", "a tile of five minutes ago", "stat", func(_, p object) {
		expr(p, func(q string) string { return instantly.ReplaceAllString(q, "$1") })
	}},
	{"matchers", "every job", "stat", func(_, p object) {
		expr(p, func(q string) string { return strings.ReplaceAll(q, `,job=~"$job"`, "") })
	}},
	{"matchers", "every instance", "stat", func(_, p object) {
		expr(p, func(q string) string { return strings.ReplaceAll(q, `instance=~"$instance",`, "") })
	}},
	{"matchers", "a job by =", "stat", func(_, p object) {
		expr(p, func(q string) string { return strings.ReplaceAll(q, `job=~"$job"`, `job="$job"`) })
	}},
	{"matchers", "an exception that nothing needs", "table", func(_, p object) {
		expr(p, func(q string) string {
			return strings.ReplaceAll(q, `job=~"$job"`, `job=~"$job",instance=~"$instance"`)
		})
	}},
	{"matchers", "alerts with a job alone", "stat", func(b, _ object) {
		for _, a := range list(b["annotations"].(object)["list"]) {
			a["expr"] = strings.ReplaceAll(a["expr"].(string), `"$job|"`, `"$job"`)
		}
	}},
	{"interval", "5m", "timeseries", func(_, p object) {
		expr(p, func(q string) string { return strings.ReplaceAll(q, "$__rate_interval", "5m") })
	}},
	{"interval", "$__interval", "timeseries", func(_, p object) {
		expr(p, func(q string) string { return strings.ReplaceAll(q, "$__rate_interval", "$__interval") })
	}},
	{"interval", "a total again for each point", "timeseries", func(_, p object) {
		expr(p, func(q string) string { return strings.ReplaceAll(q, "$__rate_interval", "$__range") })
	}},
	{"legend", "a label that is aggregated away", "timeseries", func(_, p object) { target(p)["legendFormat"] = "{{queue_name}}" }},
	{"legend", "none", "timeseries", func(_, p object) { target(p)["legendFormat"] = "" }},
	{"legend", "a link by it", "state-timeline", func(_, p object) {
		l := list(defaults(p)["links"])[0]
		l["url"] = strings.ReplaceAll(l["url"].(string), "health_check_name", "queue_name")
	}},
	{"exemplars", "off", "heatmap", func(_, p object) { target(p)["exemplar"] = false }},
	{"exemplars", "a heatmap of lines", "heatmap", func(_, p object) { target(p)["format"] = "time_series" }},
	{"no data", "nothing is said", "timeseries", func(_, p object) { delete(defaults(p), "noValue") }},
	{"no data", "no word for null", "stat", func(_, p object) { defaults(p)["mappings"] = []any{defaults(p)["mappings"].([]any)[0]} }},
	{"no data", "no word for -1", "state-timeline", func(_, p object) { delete(list(defaults(p)["mappings"])[0]["options"].(object), "-1") }},
	{"no data", "silence is drawn as the last state", "state-timeline", func(_, p object) {
		expr(p, func(q string) string { q, _, _ = strings.Cut(q, " or 0 * (min by"); return q })
	}},
	{"thresholds", "80", "timeseries", func(_, p object) {
		defaults(p)["thresholds"] = object{"steps": []any{object{"value": nil, "color": "green"}, object{"value": 80, "color": "red"}}}
	}},
	{"thresholds", "none, so Grafana's", "timeseries", func(_, p object) { delete(defaults(p), "thresholds") }},
	{"links", "to what is not shipped", "state-timeline", func(_, p object) {
		l := list(defaults(p)["links"])[0]
		l["url"] = strings.Replace(l["url"].(string), "health-check", "health-cheque", 1)
	}},
	{"links", "with a variable that is not there", "state-timeline", func(_, p object) {
		l := list(defaults(p)["links"])[0]
		l["url"] = strings.Replace(l["url"].(string), "${job:", "${collector:", 1)
	}},
	{"links", "without the time", "state-timeline", func(_, p object) {
		l := list(defaults(p)["links"])[0]
		l["url"] = strings.Replace(l["url"].(string), "&${__url_time_range}", "", 1)
	}},
	{"links", "none on a tile", "stat", func(_, p object) { defaults(p)["links"] = []any{} }},
	{"links", "no menu", "stat", func(b, _ object) { b["links"] = []any{} }},
	{"grid", "one on another", "timeseries", func(_, p object) { p["gridPos"].(object)["x"] = 4 }},
	{"grid", "beyond the edge", "timeseries", func(_, p object) { p["gridPos"].(object)["x"] = 20 }},
	{"ids", "twice", "timeseries", func(_, p object) { p["id"] = 1 }},
	{"ids", "that of a row", "timeseries", func(_, p object) { p["id"] = 100 }},
	{"ids", "none", "timeseries", func(_, p object) { delete(p, "id") }},
	{"ids", "refId twice", "table", func(_, p object) {
		for _, t := range list(p["targets"]) {
			t["refId"] = "A"
		}
	}},
	{"text", "a timeline of colours", "state-timeline", func(_, p object) { p["options"].(object)["showValue"] = "never" }},
	{"text", "a tile of colour", "stat", func(_, p object) { p["options"].(object)["textMode"] = "none" }},
	{"text", "lines without names", "timeseries", func(_, p object) { p["options"].(object)["legend"].(object)["showLegend"] = false }},
	{"text", "a state without its word", "stat", func(_, p object) {
		delete(list(defaults(p)["mappings"])[0]["options"].(object)["1"].(object), "text")
	}},
	{"text", "a column of colours", "table", func(_, p object) {
		for _, o := range list(p["fieldConfig"].(object)["overrides"]) {
			for _, property := range list(o["properties"]) {
				if property["id"] == "custom.cellOptions" {
					property["value"] = object{"type": "color-background"}
				}
			}
		}
	}},
	{"refresh", "of a point", "stat", func(b, _ object) { b["refresh"] = "1s" }},
	{"refresh", "when nobody looks any more", "stat", func(b, _ object) { b["refresh"] = "1h" }},
	{"quantiles", "the median as p5", "timeseries", func(_, p object) {
		t := target(p)
		t["expr"], t["legendFormat"] = `histogram_quantile(0.5, sum by (le) (rate(queue_wait_duration_seconds_bucket{instance=~"$instance",job=~"$job"}[$__rate_interval])))`, "p5"
	}},
	{"axis", "of an idle percentage", "timeseries", func(_, p object) {
		defaults(p)["unit"] = "percentunit"
		delete(defaults(p)["custom"].(object), "axisSoftMax")
	}},
	{"room", "a table below", "timeseries", func(_, p object) {
		l := p["options"].(object)["legend"].(object)
		l["displayMode"], l["placement"] = "table", "bottom"
	}},
	{"room", "many small names", "stat", func(_, p object) {
		target(p)["legendFormat"] = "{{health_check_state}}"
	}},
	{"averages", "of averages", "timeseries", func(_, p object) {
		expr(p, func(string) string {
			return `avg(avg_over_time(health_check_status{job=~"$job",instance=~"$instance"}[$__rate_interval]))`
		})
	}},
	{"who", "a UID", "state-timeline", func(_, p object) { target(p)["legendFormat"] = "{{instance}}" }},
	{"who", "a mark for each instance", "stat", func(b, _ object) {
		for _, a := range list(b["annotations"].(object)["list"]) {
			a["titleFormat"] = "{{instance}} started"
		}
	}},
	{"alerts", "of others", "stat", func(b, _ object) {
		for _, a := range list(b["annotations"].(object)["list"]) {
			a["expr"] = onlyOurs.ReplaceAllString(a["expr"].(string), "ALERTS{")
		}
	}},
	{"cost", "raw series of a month", "stat", func(b, _ object) { b["time"].(object)["from"] = "now-30d" }},
	{"interval", "the range at each step", "state-timeline", func(_, p object) {
		expr(p, func(q string) string { return strings.ReplaceAll(q, " @ end()", "") })
	}},
	{"annotations", "transitions at the step", "stat", func(b, _ object) {
		for _, a := range list(b["annotations"].(object)["list"]) {
			a["useValueForTime"] = false
		}
	}},
}

var onlyOurs = regexp.MustCompile(`ALERTS\{alertname=~"[^"]*",`)

var instantly = regexp.MustCompile(`last_over_time\(([^\[]*)\[2m\]\)`)

// TestLintFails breaks one thing at a time.
func TestLintFails(t *testing.T) {
	untried := map[string]bool{}
	for _, r := range lintRules {
		untried[r.name] = true
	}
	text, err := os.ReadFile(filepath.Join(root+"/grafana/dashboards", "health-service.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range broken {
		delete(untried, c.rule)
		t.Run(c.rule+"/"+c.name, func(t *testing.T) {
			var b object
			if err := json.Unmarshal(text, &b); err != nil {
				t.Fatal(err)
			}
			c.spoil(b, first(t, b, c.kind))
			spoilt, err := json.Marshal(b)
			if err != nil {
				t.Fatal(err)
			}
			s := committed(t)
			s["health-service.json"] = decode(t, spoilt)
			if found := lint(s, "health-service.json"); len(found[c.rule]) == 0 {
				t.Errorf("the rule finds nothing, but others do: %v", slices.Collect(maps.Keys(found)))
			}
		})
	}
	for name := range untried {
		t.Errorf("no case breaks the rule %q", name)
	}
}

type object = map[string]any

func first(t *testing.T, b object, kind string) object {
	t.Helper()
	for _, p := range list(b["panels"]) {
		if p["type"] == kind && (kind != "timeseries" || strings.Contains(target(p)["expr"].(string), "$__rate_interval")) {
			return p
		}
	}
	t.Fatalf("no panel of the kind %s", kind)
	return nil
}

func list(v any) (out []object) {
	for _, o := range v.([]any) {
		out = append(out, o.(object))
	}
	return out
}

func variable(b object, name string) object {
	for _, v := range list(b["templating"].(object)["list"]) {
		if v["name"] == name {
			return v
		}
	}
	return nil
}

func target(p object) object { return list(p["targets"])[0] }

func defaults(p object) object { return p["fieldConfig"].(object)["defaults"].(object) }

func expr(p object, change func(string) string) {
	for _, t := range list(p["targets"]) {
		t["expr"] = change(t["expr"].(string))
	}
}
