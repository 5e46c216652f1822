package generate

import (
	"fmt"
	"strings"
	"time"
)

// ours keeps the jobs that have health metrics. Other teams' services have HTTP histograms, too.
const ours = " and on (job) last_over_time(job:health_instances:count[1h])"

// canary fires if a group's rules can't, because their metrics don't exist. Then the names have
// another translation, or nothing exports them. What other teams export does not count.
func (d dialect) canary(group string, selectors ...string) rule {
	var absent []string
	for _, s := range selectors {
		metric, _, _ := strings.Cut(s, "{")
		absent = append(absent, fmt.Sprintf(`label_replace(absent(group by (job) (%s)%s), "metric", "%s", "", "")`, s, ours, d.metric(metric)))
	}
	return d.blindness(group, strings.Join(absent, " or "))
}

// oneState chooses one state of a metric that has all of them, because that is cheaper. group drops
// the labels that absent would take from it.
var oneState = map[string]string{
	"health_lifecycle_status": `{health_lifecycle_state="running"}`,
	"health_probe_status":     `{health_probe_name="readiness",health_probe_state="pass"}`,
	"health_check_status":     `{health_check_state="pass"}`,
}

// lost fires in the same way for a metric that only health services have.
func (d dialect) lost(group string, metrics ...string) rule {
	var absent []string
	for _, m := range metrics {
		absent = append(absent, fmt.Sprintf(`label_replace(absent(group(%s)), "metric", "%s", "", "")`, m+oneState[m], d.metric(m)))
	}
	return d.blindness(group, strings.Join(absent, " or "))
}

// blindness leaves out a day after the last service was heard. Its metrics had the right names, and
// other alerts tell whether it was lost.
func (d dialect) blindness(group, expr string) rule {
	return rule{alert: "HealthRulesBlind", expr: "(" + expr + ") unless on () (group(last_over_time(job:health_instances:count[" + remembered + "])) unless on () group(job:health_instances:count))", wait: 10 * time.Minute, severity: "warning",
		labels:      [][2]string{{"rule_group", group}},
		summary:     "The rules of a group see nothing.",
		description: "No service with health metrics has a series called {{ $labels.metric }}, so no alert of " + group + " can fire.",
		dashboard:   "health-telemetry"}
}
