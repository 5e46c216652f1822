package main

import (
	"strings"
	"testing"
)

// TestValue: short times are in milliseconds, and a limit has the unit of its value.
func TestValue(t *testing.T) {
	at := func(v float64) *float64 { return &v }
	for _, tt := range []struct {
		c    check
		want string
	}{
		{check{}, "-"},
		{check{ObservedValue: at(84), ObservedUnit: "{item}", Limit: at(80)}, "84, at most 80"},
		{check{ObservedValue: at(8.551e-5), ObservedUnit: "s"}, "0.08551 ms"},
		{check{ObservedValue: at(0.00495), ObservedUnit: "s", Limit: at(.5)}, "4.95 ms, at most 500 ms"},
		{check{ObservedValue: at(.25), ObservedUnit: "s", Limit: at(10)}, "0.25 s, at most 10 s"},
		{check{ObservedValue: at(12), ObservedUnit: "s", Limit: at(.5)}, "12 s, at most 0.5 s"},
		{check{ObservedValue: at(.02), ObservedUnit: "1", WarnLimit: at(.01)}, "0.02, warns above 0.01"},
		{check{ObservedValue: at(3), ObservedUnit: "MiBy", MinLimit: at(5)}, "3 MiBy, at least 5 MiBy"},
	} {
		if got := tt.c.value(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

// TestNext: what to do is about the cause. A rule without a crossing, an override that changes nothing and a stale
// answer have no other advice.
func TestNext(t *testing.T) {
	limit := 1.0
	const rule, others, override, kubelet = "The rule judges", "Do other instances fail too?", "An operator's override", "Kubernetes restarts it"
	for _, tt := range []struct {
		name   string
		output string
		c      check
		want   string // "" for none of these
	}{
		{"over the limit", "", check{Status: "fail", Role: "core", Limit: &limit, Output: "84 of at most 80"}, rule},
		{"under the limit", "", check{Status: "fail", Role: "core", MinLimit: &limit, Output: "0 of at least 1"}, rule},
		{"warning", "", check{Status: "warn", Role: "auxiliary", WarnLimit: &limit, Output: "76, warns above 50"}, rule},
		{"stale rule", "", check{Status: "stale", Role: "core", Limit: &limit, Output: "metrics have not been collected for 31s"}, ""},
		{"unknown rule", "", check{Status: "unknown", Role: "core", Limit: &limit, Output: "no instrument named \"x\" has been created"}, ""},
		{"in doubt", "", check{Status: "warn", Role: "core", Limit: &limit, Output: "can't tell: between 1 and 3 % of at most 2 %"}, ""},
		{"failing check", "", check{Status: "fail", Role: "core", Output: "3 failures in a row, the last: timeout"}, others},
		{"the same effect", "", check{Status: "fail", Role: "core", Override: "not-ready", Output: "3 failures in a row, the last: timeout"}, others},
		{"another effect", "", check{Status: "fail", Role: "auxiliary", Override: "not-ready", Output: "3 failures in a row, the last: timeout"}, override},
		{"enforced", "", check{Status: "fail", Role: "core", Override: "enforce", Output: "3 failures in a row, the last: timeout"}, override},
		{"vital", "", check{Status: "fail", Role: "vital", Output: "no beat for 1m0s with 1 active"}, kubelet},
		{"vital, and stale", "no judgement for more than 15s", check{Status: "fail", Role: "vital", Output: "no beat for 1m0s with 1 active"}, ""},
	} {
		a := answer{Status: "fail", Lifecycle: "running", Output: "it: " + tt.c.Output, Checks: map[string][]check{"it": {tt.c}}}
		if tt.output != "" {
			a.Output = tt.output
		}
		text := strings.Join(a.next(), "\n")
		for _, advice := range []string{rule, others, override, kubelet} {
			if strings.Contains(text, advice) != (advice == tt.want) {
				t.Errorf("%s: %q, want %q", tt.name, text, tt.want)
			}
		}
	}
}
