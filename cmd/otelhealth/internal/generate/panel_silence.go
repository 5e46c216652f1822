package generate

import "fmt"

// Every instance always has these series, and reading one series of an instance is cheaper than reading all.
const (
	eachInstance = `health_probe_status{@own,health_probe_name="readiness",health_probe_state="pass"}`
	eachCheck    = `health_check_status{@check,health_check_state="pass"}`
)

// inRange is the last value in the dashboard's time range. With @ end() a query over the range
// reads it once, and not at every step.
func inRange(selector string) string { return "last_over_time(" + selector + "[$__range] @ end())" }

// orSilent is -1 where there is no data, from the first sample of the time range on. So an instance that ended
// before the range has no row.
func orSilent(query, by, selector string) string {
	return fmt.Sprintf("%s or 0 * (%s <= time()) - 1", query, begun(by, selector))
}

func begun(by, selector string) string {
	return fmt.Sprintf("min by (%s) (min_over_time(timestamp(%s)[$__range:5m] @ end()))", by, selector)
}

// worstOrSilent is the same for the twenty rows with the highest score, because more would not fit. It drops the
// other rows before it compares anything at each step.
func worstOrSilent(query, by, selector, score string) string {
	chosen := fmt.Sprintf(" and on (%s) topk(20, %s)", by, score)
	return fmt.Sprintf("%s%s or 0 * ((%s%s) <= time()) - 1", query, chosen, begun(by, selector), chosen)
}

// The jobs and instances of the time range.
var (
	// seen are the jobs of the time range, heard the current jobs, alive the current instances.
	seen  = "group by (job) (" + inRange(eachInstance) + ")"
	heard = "group by (job) (" + now(eachInstance) + ")"
	alive = "group by (job, instance) (" + now(eachInstance) + ")"

	// went are the instances that are no longer heard and did not drain. They were killed, or can't export.
	// Instances that a rollout replaced have drained.
	went = `((max by (job, instance) (last_over_time(health_lifecycle_status{@own,health_lifecycle_state="draining"}[$__range])) == 0) unless on (job, instance) ` + alive + ")"
	// silentJobs are not heard, and not all of their instances have drained. endedJobs have all drained.
	silentJobs = "(count by (job) (" + went + ") unless on (job) " + heard + ")"
	endedJobs  = "(" + seen + " unless on (job) " + heard + " unless on (job) " + went + ")"
)

// lastHeard is the time of the newest sample in the time range. Steps of five minutes miss nothing,
// because Prometheus looks back as far.
func lastHeard(by string) string {
	return fmt.Sprintf("(max by (%s) (timestamp(%s)) or max by (%s) (max_over_time(timestamp(%s)[$__range:5m])))", by, eachInstance, by, eachInstance)
}

// none draws 0 while an instance lives and has counted nothing. An empty panel would look like that of a dead
// service.
func none(of query, alive string) query {
	return query{legend: "none", expr: fmt.Sprintf("0 * count(%s) unless on () group(%s)", alive, of.expr)}
}

// named adds the label who to each series of an instance: its pod, or the instance if the pod is not known. The
// right side has exactly one series for each instance, so the match can't fail. The last name in the time range
// counts, so a name does not change within it.
func named(query, selector string) string {
	return "(" + query + ") * on (job, instance) group_left (who) (" +
		`label_replace(group by (job, instance, k8s_pod_name) (topk by (job, instance) (1, ` + inRange(`target_info{@own,k8s_pod_name!=""}`) + `)), "who", "$1", "k8s_pod_name", "(.+)") or on (job, instance) ` +
		`label_replace(group by (job, instance) (` + inRange(selector) + `), "who", "$1", "instance", "(.*)"))`
}

// described adds labels of target_info to each series of an instance.
func described(query, labels, selector string) string {
	return "(" + query + ") * on (job, instance) group_left (" + labels + ") (topk by (job, instance) (1, " + inRange("target_info{@own}") + ") or on (job, instance) group by (job, instance) (" + inRange(selector) + "))"
}
