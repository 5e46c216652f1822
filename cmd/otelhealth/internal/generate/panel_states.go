package generate

import (
	"fmt"
	"slices"
	"strings"
)

// A higher number is a worse state, so the maximum of a step is the worst state. The planned states have the
// highest numbers. For one instance a planned state explains its failure. For several it would hide the
// failure of another, see worstReady. Missing data is not a state, and is never drawn as one.
var (
	silent = state{-1, -1, "no telemetry", grey}

	checkStates = []state{silent,
		{1, 1, "pass", green}, {2, 2, "warn", yellow}, {3, 3, "unknown", purple}, {4, 4, "stale", orange}, {5, 5, "fail", red},
	}
	readyStates = []state{silent,
		{1, 1, "pass", green}, {2, 2, "warn", yellow}, {5, 5, "fail", red},
		{6, 6, "draining", "light-purple"}, {7, 7, "starting", lightBlue}, {8, 8, "maintenance", blue},
	}
	shareStates = []state{silent, // for a share of ready instances
		{0, 0, "none ready", red}, {1e-9, .999999, "some ready", yellow}, {1, 1, "all ready", green}, {2, 2, "none expected", blue},
	}
	liveStates = []state{silent, {1, 1, "pass", green}, {5, 5, "fail", red}}
)

// words are the colours of states in labels.
var words = map[string]string{"pass": green, "warn": yellow, "unknown": purple, "stale": orange, "fail": red}

// now reads the current state, if it is fresh. during reads all states of a step.
func now(selector string) string    { return "last_over_time(" + selector + "[" + fresh + "])" }
func during(selector string) string { return "max_over_time(" + selector + "[$__rate_interval])" }

// worst returns a number for the worst state of the selected series. Each arm is a number and a selector. The
// worst arm comes first, and only states that were entered pass the comparison, so later arms compare few series.
func worst(by string, read func(string) string, arms ...string) string {
	for n, arm := range arms {
		number, selector, _ := strings.Cut(arm, " ")
		arms[n] = fmt.Sprintf("%s * max by (%s) (%s > 0)", number, by, read(selector))
	}
	slices.Reverse(arms)
	return "(" + strings.Join(arms, " or ") + ")"
}

// checkState is the state of checks. which selects them.
func checkState(by string, read func(string) string, which string) string {
	var arms []string
	for _, s := range checkStates[1:] {
		arms = append(arms, fmt.Sprintf(`%g health_check_status{%s,health_check_state="%s"}`, s.from, which, s.text))
	}
	return worst(by, read, arms...)
}

// readyState is readiness. If readiness fails because of a planned state, it is that state.
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

// worstReady is the worst state of the instances in service. If there are none, it is the planned
// state of the others.
func worstReady() string {
	each := readyState(perInstance, now)
	return fmt.Sprintf("max(%s <= 5) or max(%s)", each, each)
}

// quantiles returns the quantiles of a histogram, with exemplars. A step without events has none.
func quantiles(histogram, selector, by, legend string, of ...float64) (list []query) {
	for _, q := range of {
		list = append(list, query{
			expr:      fmt.Sprintf("histogram_quantile(%g, sum by (%s) (rate(%s_bucket{%s}[$__rate_interval]))) >= 0", q, strings.Trim("le, "+by, ", "), histogram, selector),
			legend:    fmt.Sprintf("p%g%s", 100*q, legend),
			exemplars: true,
		})
	}
	return list
}
