package generate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// last is the newest value of a metric for each instance, if it is fresh. Series of one instance that differ
// in other labels, such as a pod's name or a scope, count as one.
func last(by, selector string) string {
	return fmt.Sprintf("max by (%s) (last_over_time(%s[%s]))", by, selector, fresh)
}

const (
	perInstance = "job, instance"
	perCheck    = "job, instance, health_check_name"
)

func lifecycle(state string) string {
	return last(perInstance, fmt.Sprintf("health_lifecycle_status{health_lifecycle_state=%q}", state))
}

// inService keeps the instances that take traffic. notOut drops the others, and keeps
// instances without a lifecycle metric. An instance exports all states, so one of them is enough.
var (
	inService = " and on (job, instance) " + lifecycle("running") + " == 1 "
	notOut    = " unless on (job, instance) " + lifecycle("running") + " == 0 "
)

// instances are counts by job.
//
// The last export of an orderly shutdown has the state draining. An instance of the last hour with another
// last state is lost. A scale to zero and a rollout lose none. A process that crashes again and again is lost
// each time under a new name, so max1h bounds that number. max1h ignores the surge of a rollout, because a
// surge is shorter than five minutes.
//
// A scrape may miss the drain. But the target of a pod that ended in order vanishes. The target of a killed
// one stays, and is down. So an instance of a scraped job is lost only if its target is down.
func (d dialect) instances(desired string) []rule {
	out := []rule{
		{record: "job:health_instances:count",
			expr: "count by (job) (" + last(perInstance, `health_probe_status{health_probe_name="readiness",health_probe_state="pass"}`) + ")"},
		{record: "job:health_instances_ready:count",
			expr: "sum by (job) (" + last(perInstance, `health_probe_status{health_probe_name="readiness",health_probe_state=~"pass|warn"}`) + ")"},
		{record: "job:health_instances_in_service:count", // running, so not starting, in maintenance or draining
			expr: "sum by (job) (" + lifecycle("running") + ")"},
		{record: "job:health_instances_starting:count",
			expr: "sum by (job) (" + lifecycle("starting") + ")"},
		// An instance counts after five minutes, because one that crashes again and again is still heard for
		// two minutes after each end.
		{record: "job:health_instances_settled:count",
			expr: "count by (job) (" + last(perInstance, `health_probe_status{health_probe_name="readiness",health_probe_state="pass"}`) + ` and on (job, instance) health_probe_status{health_probe_name="readiness",health_probe_state="pass"} offset 5m)`},
		{record: "job:health_instances:max1h",
			expr: "max_over_time(min_over_time(job:health_instances_settled:count[5m])[1h:1m])"},
		{record: "job:health_scraped:group",
			expr: `group by (job) (up and on (job, instance) health_probe_status{health_probe_name="readiness",health_probe_state="pass"})`},
		{record: "job:health_instances_down:count",
			expr: "count by (job) (" + gone("1h") + " and on (job, instance) up == 0)"},
		{record: "job:health_instances_lost:count1h", expr: lost("1h", "max_over_time(job:health_instances_down:count[1h])")},
		// Lost and not replaced. With a replacement the job is complete again.
		{record: "job:health_instances_missing:count",
			expr: "(" + lost("5m", "job:health_instances_down:count") + " or last_over_time(job:health_instances_missing:count[" + fresh + "]))" +
				" unless on (job) (job:health_instances_in_service:count >= on (job) job:health_instances:max1h)" +
				" and on (job) last_over_time(job:health_instances:count[" + remembered + "])"},
		// 1 means three things: no instance is in service or starting; as many instances have reported
		// draining or maintenance as there were; none was killed without a replacement. An earlier crash does
		// not turn a scale to zero or a maintenance into an outage. An earlier rollout does not hide that a
		// new instance was killed.
		{record: "job:health_instances_left:bool",
			expr: "(job:health_instances_in_service:count + on (job) job:health_instances_starting:count == bool 0) * on (job) (" +
				`(count by (job) (max by (job, instance) (last_over_time(health_lifecycle_status{health_lifecycle_state=~"draining|maintenance"}[1h])) == 1)` +
				" or 0 * job:health_instances_in_service:count) >= bool on (job) job:health_instances:max1h)" +
				" unless on (job) job:health_instances_missing:count"},
	}
	const recent = "(job:health_instances_in_service:count + on (job) (job:health_instances_lost:count1h or 0 * job:health_instances_in_service:count))"
	// A job in its first five minutes has no max1h.
	expected := recent + " < on (job) job:health_instances:max1h or job:health_instances:max1h and on (job) job:health_instances_in_service:count" +
		" or job:health_instances_in_service:count unless on (job) job:health_instances:max1h"
	if desired != "" { // the desired number includes instances in maintenance, so subtract them
		out = append(out, rule{record: "job:health_instances_desired:count", expr: fmt.Sprintf("max by (%s) (%s)", strings.Join(d.grouped([]string{"job"}), ", "), desired), foreign: true})
		expected = "(job:health_instances_desired:count - on (job) (sum by (job) (" + lifecycle("maintenance") + ") or 0 * job:health_instances_desired:count)) or " + expected
	}
	return append(out, rule{record: "job:health_instances_expected:count", expr: expected},
		// At most 1, because a killed instance counts as ready beside its replacement until its data is old.
		rule{record: "job:health_ready:ratio",
			expr: "clamp_max(job:health_instances_ready:count / on (job) (job:health_instances_expected:count > 0), 1)"})
}

// gone are the instances that are no longer heard, and whose last state in the window was not a planned one.
func gone(window string) string {
	return `((max by (job, instance) (last_over_time(health_lifecycle_status{health_lifecycle_state=~"draining|maintenance"}[` + window + `])) == 0)
		unless on (job, instance) ` + lifecycle("running") + ")"
}

// lost counts a job's instances that are gone. For a scraped job it counts the targets that are down.
func lost(window, down string) string {
	return "(count by (job) (" + gone(window) + ") unless on (job) last_over_time(job:health_scraped:group[1h]) or " + down + ")"
}

// An objective is a share of good time or good requests. The budget is the rest. The rules record the rates
// of bad and of all over five minutes by job. Longer windows add these up, because it would be too expensive
// to read three days of every instance's series twice a minute.
type objective struct {
	group    string
	alert    string
	ratio    string // name of the recorded ratio, without the window
	bad, all string // names of the recorded rates
	record   []rule
	budget   float64 // the dashboards draw it too
	atLeast  int     // if there are fewer bad events in the long window, a share means nothing
	summary  string  // %s is the long window
	what     string  // after the share, in the description
	first    string  // the first thing to do
	inputs   []string
	most     string // recorded share of the instances that take part; if given, a page needs most
}

// notOut5m leaves out instances that were not running at some time in the window.
const notOut5m = ` unless on (job, instance) min by (job, instance) (min_over_time(health_lifecycle_status{health_lifecycle_state="running"}[5m])) == 0`

func (d dialect) readyObjective() objective {
	const spent = `health_probe_state_duration_seconds_total{health_probe_name="readiness"`
	const all = "(sum by (job, instance) (rate(" + spent + "}[5m]))" + notOut5m + ")"
	// With Config.Peers an instance stays ready while the peers fail too. The budget counts that time as lost.
	const failed = "(sum by (job, instance) (rate(" + spent + `,health_probe_state="fail"}[5m]) or rate(health_peers_stay_duration_seconds_total[5m]))` + notOut5m + ")"
	return objective{
		group: "otelhealth-ready-budget", alert: "HealthReadyBudgetBurn", ratio: "job:health_ready:error_ratio",
		bad: "job:health_ready_failed:rate5m", all: "job:health_ready_observed:rate5m",
		// If one of ten instances is down, the other nine carry the load and no request fails.
		budget:  budget(d.settings.ready),
		summary: "Instances of {{ $labels.job }} were not ready for {{ $value | humanizePercentage }} of the last %s.",
		what:    "the instances' time in service was spent not ready, or ready only because most peers failed too",
		first:   "First see on which instances. If it is one, look at that one. If it is all, look at what they share.",
		inputs:  []string{"health_probe_state_duration_seconds_total", "health_lifecycle_status"},
		// A minority that is not ready is a ticket, and other alerts raise it.
		most: "job:health_ready_affected:ratio5m",
		record: []rule{
			{record: "job:health_ready_observed:rate5m", expr: "sum by (job) " + all},
			{record: "job:health_ready_failed:rate5m", expr: "sum by (job) " + failed + " or 0 * job:health_ready_observed:rate5m"},
			// Divide by all in service. A new instance has not been running for five minutes, but it serves.
			{record: "job:health_ready_affected:ratio5m",
				expr: "(count by (job) (" + failed + " > 0) or 0 * job:health_ready_observed:rate5m) / on (job) (job:health_instances_in_service:count > 0)"},
		},
	}
}

// counts is the rate of a histogram's events.
func (d dialect) counts(metric, matchers, window string) string {
	if d.native {
		return fmt.Sprintf("histogram_count(rate(%s{%s}[%s]))", metric, matchers, window)
	}
	return fmt.Sprintf("rate(%s_count{%s}[%s])", metric, matchers, window)
}

// growth is the rate by job of a histogram's series over five minutes. It includes the first value of a new
// series. rate() does not, so it would miss every error of a process that answers a few requests and dies. A
// series is new if its instance is new, or if the instance was heard before without it. So after a gap in the
// data, what a process has counted for days is not new. f makes a number of a histogram.
func growth(series string, f func(string) string) string {
	const born = `max by (job, instance) (health_lifecycle_status{health_lifecycle_state="running"} offset 5m) or
		sum by (job, instance) (last_over_time(health_probe_state_duration_seconds_total{health_probe_name="readiness"}[5m])) < 600`
	return "sum by (job) (" + f("(last_over_time("+series+"[5m]) unless "+series+" offset 5m and on (job, instance) ("+born+"))") + " / 300 or " + f("rate("+series+"[5m])") + ")" + ours
}

// requests is the growth of a histogram's count.
func (d dialect) requests(metric, matchers string) string {
	if d.native {
		return growth(metric+"{"+matchers+"}", func(h string) string { return "histogram_count(" + h + ")" })
	}
	return growth(metric+"_count{"+matchers+"}", func(n string) string { return n })
}

// percent formats the objective.
func (o objective) percent() string { return fmt.Sprintf("%g%%", 100*(1-o.budget)) }

// A full queue and a drain answer 503 on purpose, and other alerts report them. So 503 is not an error here,
// nor in the dashboards.
const failedRequests = `http_response_status_code=~"5..",http_response_status_code!="503"`

func (d dialect) errorObjective() objective {
	const m = "http_server_request_duration_seconds"
	return objective{
		group: "otelhealth-error-budget", alert: "HttpErrorBudgetBurn", ratio: "job:http_server_requests:error_ratio",
		bad: "job:http_server_requests_failed:rate5m", all: "job:http_server_requests:rate5m",
		budget: budget(d.settings.errors), atLeast: 10,
		summary: "{{ $value | humanizePercentage }} of the requests to {{ $labels.job }} failed in the last %s.",
		what:    "requests were answered 5xx (503 not counted)",
		first:   "First see which route and which code. If it began with a release, roll that back.",
		inputs:  []string{d.part(m, "_count")},
		record: []rule{
			{record: "job:http_server_requests:rate5m", expr: d.requests(m, "")},
			{record: "job:http_server_requests_failed:rate5m",
				expr: d.requests(m, failedRequests) + " or 0 * job:http_server_requests:rate5m"},
		},
	}
}

// slowObjective uses the boundary 0.5, because le="0.5" has the same text by OTLP, scrape and remote write,
// and le="1" does not. A histogram without this boundary has no slow requests here, rather than only slow ones.
func (d dialect) slowObjective() objective {
	const m = "http_server_request_duration_seconds"
	fast := growth(m+`_bucket{le="0.5"}`, func(n string) string { return n })
	boundary := m + `_bucket{le="0.5"}`
	if d.native { // without requests the fraction is NaN
		boundary = m
		fast = growth(m, func(h string) string {
			n := "histogram_count(" + h + ")"
			return "(histogram_fraction(0, 0.5, " + h + ") * " + n + " >= 0 or 0 * " + n + ")"
		})
	}
	return objective{
		group: "otelhealth-slow-budget", alert: "HttpSlowBudgetBurn", ratio: "job:http_server_slow:ratio",
		bad: "job:http_server_slow:rate5m", all: "job:http_server_slow_observed:rate5m",
		budget: budget(d.settings.slow), atLeast: 10,
		summary: "{{ $value | humanizePercentage }} of the requests to {{ $labels.job }} took longer than 0.5 s in the last %s.",
		what:    "requests took longer than 0.5 s",
		first:   "First see which route, and whether there is more load than usual. If it began with a release, roll that back.",
		inputs:  []string{boundary},
		record: []rule{
			// Not job:http_server_requests:rate5m, because another group records it, and it may be
			// one evaluation late.
			{record: "job:http_server_slow_observed:rate5m", expr: d.requests(m, "")},
			{record: "job:http_server_slow:rate5m", expr: "clamp_min(job:http_server_slow_observed:rate5m - on (job) (" + fast + "), 0)"},
		},
	}
}

func (d dialect) part(metric, part string) string {
	if d.native {
		return metric
	}
	return metric + part
}

// burns are the multi-window burn rates of the SRE workbook. Each has a burn rate, a long window, so that it
// is significant, and a short one, so that the alert ends soon. The waits are short, because otherwise an
// outage could be over before its first alert.
var burns = []struct {
	long, short string
	factor      float64
	wait        time.Duration
	severity    string
	gone        string
}{
	{"1h", "5m", 14.4, 2 * time.Minute, "critical", "two days"},
	{"6h", "30m", 6, 2 * time.Minute, "critical", "five days"},
	{"1d", "2h", 3, 5 * time.Minute, "warning", "ten days"},
	{"3d", "6h", 1, 5 * time.Minute, "warning", "thirty days"},
}

// told are the pages that explain a burn of the same service.
const told = "HealthNoReadyInstance|HealthPanic|HealthCapacityLow|HealthDependencyDown|HealthStartingTooLong|HealthTelemetryAbsent"

// untold leaves out a burn if another page or a faster burn has fired within the short window. So after an
// outage that had a page, no burn fires late.
func untold(alert string, n int) string {
	firing := func(matchers string) string {
		return " unless on (job) max_over_time(ALERTS{alertstate=\"firing\"," + matchers + "}[" + burns[n].short + "])"
	}
	text := firing(`alertname=~"` + told + `",severity="critical"`)
	switch own := `alertname="` + alert + `",`; {
	case burns[n].severity == "warning":
		text += firing(own + `severity="critical"`)
		if burns[n-1].severity == "warning" {
			text += firing(own + `long="` + burns[n-1].long + `"`)
		}
	case n > 0:
		text += firing(own + `long="` + burns[n-1].long + `"`)
	}
	return text
}

// windows are all windows of the burn rates. Five minutes are recorded.
func windows() (list []string) {
	for _, b := range burns {
		list = append(list, b.short, b.long)
	}
	length := func(w string) time.Duration {
		d, _ := model.ParseDuration(w) // TestRulesLint parses all of them
		return time.Duration(d)
	}
	slices.SortFunc(list, func(a, b string) int { return cmp.Compare(length(a), length(b)) })
	return slices.Compact(list)
}

func (d dialect) budgetRules(o objective) group {
	g := group{name: o.group, rules: o.record}
	for _, w := range windows() {
		expr := fmt.Sprintf("%s / on (job) (%s > 0)", o.bad, o.all)
		if w != "5m" {
			expr = fmt.Sprintf("sum_over_time(%s[%s]) / on (job) (sum_over_time(%s[%s]) > 0)", o.bad, w, o.all, w)
		}
		g.rules = append(g.rules, rule{record: o.ratio + "_rate" + w, expr: expr})
	}
	for n, b := range burns {
		limit := fmt.Sprintf("%g * %g", b.factor, o.budget)
		expr := fmt.Sprintf("%s_rate%s > %s and on (job) %s_rate%s > %s", o.ratio, b.long, limit, o.ratio, b.short, limit)
		if o.atLeast > 0 {
			expr += fmt.Sprintf(" and on (job) sum_over_time(%s[%s]) * %g >= %d", o.bad, b.long, every.Seconds(), o.atLeast)
		}
		if o.most != "" && b.severity == "critical" {
			expr += fmt.Sprintf(" and on (job) avg_over_time(%s[%s]) > 0.5", o.most, b.short)
		}
		expr += untold(o.alert, n)
		g.rules = append(g.rules, rule{alert: o.alert, expr: expr, wait: b.wait, severity: b.severity,
			labels:  [][2]string{{"long", b.long}, {"short", b.short}},
			summary: fmt.Sprintf(o.summary, b.long), dashboard: "health-slo",
			description: fmt.Sprintf("{{ $labels.job }}: {{ $value | humanizePercentage }} of %s in the last %s. The objective is %s. At this rate the budget of thirty days lasts about %s, or less. %s",
				o.what, b.long, o.percent(), b.gone, o.first)})
	}
	g.rules = append(g.rules, d.canary(o.group, o.inputs...))
	return g
}
