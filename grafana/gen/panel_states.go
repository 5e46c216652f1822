package main

import (
	"fmt"
	"strings"
)

// The numbers of states are in the order of how bad they are, so that the largest
// of a step is the worst. A planned state comes last: of one instance, it explains the
// failure that comes with it. Of several it would hide another's; see worstReady.
// The absence of data is no state, and never drawn as one.
var (
	silent = state{-1, -1, "no telemetry", grey}

	checkStates = []state{silent,
		{1, 1, "pass", green}, {2, 2, "warn", yellow}, {3, 3, "unknown", purple}, {4, 4, "stale", orange}, {5, 5, "fail", red},
	}
	readyStates = []state{silent,
		{1, 1, "pass", green}, {2, 2, "warn", yellow}, {5, 5, "fail", red},
		{6, 6, "draining", "light-purple"}, {7, 7, "starting", lightBlue}, {8, 8, "maintenance", blue},
	}
	shareStates = []state{silent, // of instances that are ready
		{0, 0, "none ready", red}, {1e-9, .999999, "some ready", yellow}, {1, 1, "all ready", green}, {2, 2, "none expected", blue},
	}
	liveStates = []state{silent, {1, 1, "pass", green}, {5, 5, "fail", red}}
)

// words are the colours of states where they are labels.
var words = map[string]string{"pass": green, "warn": yellow, "unknown": purple, "stale": orange, "fail": red}

// now reads a state as it is, if it is fresh; during reads all that was in a step.
func now(selector string) string    { return "last_over_time(" + selector + "[" + fresh + "])" }
func during(selector string) string { return "max_over_time(" + selector + "[$__rate_interval])" }

// worst has a number for the worst of the selected series' states.
func worst(by string, read func(string) string, arms ...string) string {
	for n, arm := range arms {
		number, selector, _ := strings.Cut(arm, " ")
		arms[n] = number + " * " + read(selector)
	}
	return fmt.Sprintf("max%s (%s)", by, strings.Join(arms, " or "))
}

// checkState is that of checks; more narrows which.
func checkState(by string, read func(string) string, which string) string {
	var arms []string
	for _, s := range checkStates[1:] {
		arms = append(arms, fmt.Sprintf(`%g health_check_status{%s,health_check_state="%s"}`, s.from, which, s.text))
	}
	return worst(by, read, arms...)
}

// readyState is readiness, and where it fails on purpose, why.
func readyState(by string, read func(string) string) string {
	var arms []string
	for _, s := range readyStates[1:] {
		if s.from <= 5 {
			arms = append(arms, fmt.Sprintf(`%g health_probe_status{@own,health_probe_name="readiness",health_probe_state="%s"}`, s.from, s.text))
		} else {
			arms = append(arms, fmt.Sprintf(`%g health_lifecycle_status{@own,health_lifecycle_state="%s"}`, s.from, s.text))
		}
	}
	return worst(by, read, arms...)
}

// worstReady is the worst of the instances that are in service, or where none is,
// what they do instead.
func worstReady() string {
	each := readyState(" by (job, instance)", now)
	return fmt.Sprintf("max(%s <= 5) or max(%s)", each, each)
}

// orSilent is -1 where there was something in the range, and is nothing now.
func orSilent(query, by, selector string) string {
	return fmt.Sprintf("%s or 0 * max%s (last_over_time(%s[$__range])) - 1", query, by, selector)
}

// quantiles of a histogram, with exemplars.
func quantiles(histogram, selector, by, legend string, of ...string) (list []query) {
	for _, q := range of {
		list = append(list, query{
			expr:      fmt.Sprintf("histogram_quantile(%s, sum by (%s) (rate(%s_bucket{%s}[$__rate_interval])))", q, strings.Trim("le, "+by, ", "), histogram, selector),
			legend:    "p" + strings.TrimPrefix(q, "0.") + legend,
			exemplars: true,
		})
	}
	return list
}
