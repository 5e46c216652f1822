package generate

import (
	"fmt"
	"strconv"
	"time"
)

// A gate compares the pods of a canary with those of the stable release. Each measure is a query for one
// number. It is 0 if the canary is not worse. While the data is not enough, the query has no answer.
type gate struct {
	dialect dialect
	scope
	window      time.Duration // of requests; verdicts look back half of it
	interval    time.Duration // between two questions
	successes   int           // in a row, to promote
	hold        time.Duration // how long to ask before it gives up
	slow        time.Duration
	minRequests int
	noTraffic   string // hold or ignore
	checks      string // all or core
}

// scope says whose series they are.
type scope struct{ job, canary, stable string }

// A measure is one query with its limit.
type measure struct {
	name  string
	about string
	expr  string
	limit float64 // from this value on the canary is worse
	fails int     // how many such answers are tolerated
	since time.Duration
	needs string // a query for the traffic that the measure needs; empty if it needs none
}

const (
	requestSeconds = "http_server_request_duration_seconds"

	// With fewer requests one error is a large share.
	leastRequests = 20

	// Three standard deviations of a count. One in 700 good canaries has as many errors by chance.
	deviations = 3
)

// measures are all of them, in this dialect.
func (g gate) measures() (list []measure, err error) {
	list = []measure{
		{name: "restarts", about: "a pod of the canary has restarted", expr: g.restarts(), limit: 1, fails: 1, since: g.window / 2},
		{name: "ready", about: "the share of time in which the worst pod of the canary was not ready", expr: g.notReady(), limit: .1, fails: 2, since: g.window / 2},
		{name: "checks", about: "checks that fail on a pod of the canary, and not on most of stable's", expr: g.failingChecks(), limit: 1, fails: 2, since: g.window / 2},
		{name: "errors", about: "the share of requests answered 5xx (503 not counted) beyond stable's", limit: .002, fails: 2, since: g.window,
			expr: g.excess(g.failed, .05), needs: g.requests(g.canary, "")},
		{name: "slow", about: "the share of requests over " + g.slow.String() + " beyond stable's", limit: .02, fails: 2, since: g.window,
			expr: g.excess(g.late, .3), needs: g.requests(g.canary, "")},
	}
	for n, m := range list {
		if list[n].expr, err = g.dialect.pretty(rule{expr: m.expr}); err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
		if m.needs == "" {
			continue
		}
		if list[n].needs, err = g.dialect.query(m.needs); err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return list, nil
}

// of selects a release's series.
func (g gate) of(pods, matchers string) string {
	text := fmt.Sprintf("job=%q,k8s_pod_name=~%q", g.job, pods)
	if matchers != "" {
		text += "," + matchers
	}
	return text
}

const (
	perPod      = "k8s_pod_name, instance"
	perPodCheck = "k8s_pod_name, instance, health_check_name"
)

// verdict averages a state over half of the window.
func (g gate) verdict(by, aggregate, metric, pods, matchers string) string {
	return fmt.Sprintf("%s by (%s) (avg_over_time(%s{%s}[%s]))", aggregate, by, metric, g.of(pods, matchers), duration(g.window/2))
}

// restarts counts resets of a counter, for pods that keep their instance's name. It also counts instances of
// a pod, for processes that choose a new name at each start.
func (g gate) restarts() string {
	look := duration(g.hold)
	return fmt.Sprintf("max(max by (k8s_pod_name) (resets(health_probe_state_duration_seconds_total{%s}[%s]))", g.of(g.canary, `health_probe_name="liveness"`), look) +
		fmt.Sprintf(" + on (k8s_pod_name) count by (k8s_pod_name) (max by (%s) (last_over_time(health_lifecycle_status{%s}[%s]))) - 1)", perPod, g.of(g.canary, ""), look)
}

// notReady leaves out pods that start or drain. It has no answer while stable is not ready either.
func (g gate) notReady() string {
	const failing = `health_probe_name="readiness",health_probe_state="fail"`
	return "max(" + g.verdict(perPod, "max", "health_probe_status", g.canary, failing) +
		fmt.Sprintf(" unless on (%s) max by (%s) (max_over_time(health_lifecycle_status{%s}[%s])) == 1)", perPod, perPod,
			g.of(g.canary, `health_lifecycle_state=~"starting|draining"`), duration(g.window/2)) +
		" unless on () quantile(0.5, " + g.verdict(perPod, "max", "health_probe_status", g.stable, failing) + ") > 0.1"
}

// failingChecks has no answer if all failing checks fail on both. A check in shadow is informational.
func (g gate) failingChecks() string {
	roles := "core|vital|auxiliary"
	if g.checks == "core" {
		roles = "core|vital"
	}
	const failing = `health_check_state=~"fail|stale"`
	canary := g.verdict(perPodCheck, "sum", "health_check_status", g.canary, failing) +
		fmt.Sprintf(" and on (%s) last_over_time(health_check_info{%s}[%s])", perPodCheck, g.of(g.canary, fmt.Sprintf("health_check_role=~%q", roles)), fresh)
	return "count(max by (health_check_name) (" + canary + ") >= 0.5" +
		" unless on (health_check_name) quantile by (health_check_name) (0.5, " + g.verdict(perPodCheck, "sum", "health_check_status", g.stable, failing) + ") >= 0.25)" +
		fmt.Sprintf(" or on () (0 * count(last_over_time(health_lifecycle_status{%s}[%s])) unless on () max(%s) >= 0.5)", g.of(g.canary, ""), fresh, canary)
}

// excess is the share of bad requests beyond that of the stable release. The median pod stands for stable,
// because one bad pod must neither hide the canary's errors nor stop it. Of the canary's share only the
// certain part counts: its number of bad requests less the deviations by chance. While stable itself is
// unwell, a canary without excess is not proven good, so there is no answer.
func (g gate) excess(bad func(pods, by string) string, unwell float64) string {
	all := fmt.Sprintf("(%s >= %d)", g.requests(g.canary, ""), leastRequests)
	const d = deviations
	certain := fmt.Sprintf("(((sqrt(4 * %s + %d) - %d) / 2) ^ 2 - 1)", bad(g.canary, ""), d*d+4, d)
	const each = " by (k8s_pod_name)"
	stable := fmt.Sprintf("quantile(0.5, %s / (%s > 0))", bad(g.stable, each), g.requests(g.stable, each))
	enough := fmt.Sprintf("0 * (%s >= %d) and on () %s < %g", g.requests(g.canary, ""), g.minRequests, stable, unwell)
	if g.noTraffic == "ignore" {
		enough = fmt.Sprintf("vector(0) unless on () %s >= %g", stable, unwell)
	}
	// Before the canary is as old as the window, the comparison would be unfair: stable has a good past.
	return fmt.Sprintf("(%s / %s - %s > 0 or on () (%s)) and on () max(last_over_time(health_lifecycle_status{%s}[%s] offset %s)) == 1",
		certain, all, stable, enough, g.of(g.canary, `health_lifecycle_state="running"`), fresh, duration(g.window))
}

// requests counts the requests of the window.
func (g gate) requests(pods, by string) string { return g.grown(pods, by, "_count", "") }

// failed counts requests answered 5xx. A new process has no such series.
func (g gate) failed(pods, by string) string {
	return fmt.Sprintf("(%s or %s0 * %s)", g.grown(pods, by, "_count", failedRequests), onNone(by), g.requests(pods, by))
}

// late counts requests over the limit. Prometheus writes 1 or 1.0.
func (g gate) late(pods, by string) string {
	seconds := strconv.FormatFloat(g.slow.Seconds(), 'f', -1, 64)
	if g.dialect.native {
		h := fmt.Sprintf("increase(%s{%s}[%s])", requestSeconds, g.of(pods, ""), duration(g.window))
		return fmt.Sprintf("sum%s(histogram_fraction(%s, +Inf, %s) * histogram_count(%s) >= 0 or 0 * histogram_count(%s))", by, seconds, h, h, h)
	}
	boundary := fmt.Sprintf("le=%q", seconds)
	if g.slow%time.Second == 0 {
		boundary = fmt.Sprintf("le=~%q", seconds+`|`+seconds+`\.0`)
	}
	return fmt.Sprintf("(%s - %s%s)", g.requests(pods, by), onNone(by), g.grown(pods, by, "_bucket", boundary))
}

// onNone matches two sums without labels.
func onNone(by string) string {
	if by == "" {
		return "on () "
	}
	return ""
}

// grown is the growth of a part of the histogram of requests.
func (g gate) grown(pods, by, part, matchers string) string {
	inner := fmt.Sprintf("increase(%s{%s}[%s])", g.dialect.part(requestSeconds, part), g.of(pods, matchers), duration(g.window))
	if g.dialect.native {
		inner = "histogram_count(" + inner + ")"
	}
	return "sum" + by + "(" + inner + ")"
}
