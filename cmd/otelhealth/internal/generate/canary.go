package generate

import (
	"fmt"
	"strings"
	"time"
)

// ours keeps only jobs with health metrics, because other teams' services have HTTP histograms too.
const ours = " and on (job) last_over_time(job:health_instances:count[1h])"

// canary fires if a group's rules can't fire, because a metric that they read does not exist: the backend
// translates names in another way, or nothing exports it. Metrics of other teams don't count.
func (d dialect) canary(group string, selectors ...string) rule {
	var absent []string
	for _, s := range selectors {
		metric, _, _ := strings.Cut(s, "{")
		absent = append(absent, fmt.Sprintf(`label_replace(absent(group by (job) (%s)%s), "metric", "%s", "", "")`, s, ours, d.metric(metric)))
	}
	return d.blindness(group, "service with health metrics", strings.Join(absent, " or "))
}

// oneState selects one state of a metric that always has all of them, because that is cheaper. group()
// drops its labels. Otherwise absent() would copy them into the alert.
var oneState = map[string]string{
	"health_lifecycle_status": `{health_lifecycle_state="running"}`,
	"health_probe_status":     `{health_probe_name="readiness",health_probe_state="pass"}`,
	"health_check_status":     `{health_check_state="pass"}`,
}

// lost is a canary for metrics that only services with health metrics have.
func (d dialect) lost(group string, metrics ...string) rule {
	var absent []string
	for _, m := range metrics {
		absent = append(absent, fmt.Sprintf(`label_replace(absent(group(%s)), "metric", "%s", "", "")`, m+oneState[m], d.metric(m)))
	}
	return d.blindness(group, "service with health metrics", strings.Join(absent, " or "))
}

// blindness waits for a day after the last service was heard. Its metrics had the right names, and other
// alerts report whether it was lost.
func (d dialect) blindness(group, exporter, expr string) rule {
	return rule{alert: "HealthRulesBlind", expr: "(" + expr + ") unless on () (group(last_over_time(job:health_instances:count[" + remembered + "])) unless on () group(job:health_instances:count))", wait: 10 * time.Minute, severity: "warning",
		labels:      [][2]string{{"rule_group", group}},
		summary:     "Alerts of " + group + " can't fire: {{ $labels.metric }} is missing.",
		description: "No " + exporter + " exports {{ $labels.metric }}, so alerts of " + group + " that read it can't fire. First look for the metric under another name.",
		dashboard:   "health-telemetry"}
}
