package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// answer is the body of a probe, as docs/response-format.md says.
type answer struct {
	Status    string             `json:"status"`
	Output    string             `json:"output"`
	Lifecycle string             `json:"lifecycle"`
	Until     string             `json:"until"`
	ServiceID string             `json:"serviceId"`
	ReleaseID string             `json:"releaseId"`
	Since     time.Time          `json:"since"`
	Time      time.Time          `json:"time"`
	Shadow    *shadow            `json:"shadow"`
	Checks    map[string][]check `json:"checks"`
	Omitted   int                `json:"omitted"`

	of string // the address, if the user gave a path, so it may not be the readiness probe
}

type shadow struct{ Status, Output string }

type check struct {
	Status        string    `json:"status"`
	Role          string    `json:"role"`
	Override      string    `json:"override"`
	Shadow        bool      `json:"shadow"`
	ObservedValue *float64  `json:"observedValue"`
	ObservedUnit  string    `json:"observedUnit"`
	Limit         *float64  `json:"limit"`
	MinLimit      *float64  `json:"minLimit"`
	WarnLimit     *float64  `json:"warnLimit"`
	MinWarnLimit  *float64  `json:"minWarnLimit"`
	Since         time.Time `json:"since"`
	Output        string    `json:"output"`
	Error         string    `json:"error"`
}

// parse reads a body.
func parse(body []byte) (a answer, err error) {
	if err := json.Unmarshal(body, &a); err != nil || a.Status == "" {
		return a, errors.New("the answer is not from otelhealth: " + strconv.Quote(string(bytes.TrimSpace(body[:min(len(body), 80)]))))
	}
	if a.Lifecycle == "" {
		return a, fmt.Errorf("it says only %q (Config.Terse): ask /status.json of the operators' listener", a.Status)
	}
	return a, nil
}

// named is one check with its name.
type named struct {
	name string
	check
}

// order is the order of the table: the worst state first, then the most important role.
var order = map[string]int{
	"fail": 0, "stale": 1, "unknown": 2, "warn": 3, "pass": 4,
	"vital": 0, "core": 1, "auxiliary": 2, "informational": 3,
}

func (a answer) sorted() (all []named) {
	for name, list := range a.Checks {
		for _, c := range list {
			all = append(all, named{name, c})
		}
	}
	slices.SortFunc(all, func(x, y named) int {
		return cmp.Or(decides(x)-decides(y), order[x.Status]-order[y.Status], order[x.Role]-order[y.Role], strings.Compare(x.name, y.name))
	})
	return all
}

// decides puts checks in shadow that don't pass after all others.
func decides(c named) int {
	if c.Shadow && c.Status != "pass" {
		return 1
	}
	return 0
}

// sentence says what is wrong.
func (a answer) sentence() string {
	text := map[string]string{"pass": "Ready", "warn": "Ready, with warnings", "fail": "Not ready"}[a.Status]
	if a.of != "" {
		text = a.of + " answers " + a.Status
	}
	if !a.Since.IsZero() && !a.Since.After(a.Time) { // later than the last judgement: nothing is judged any more
		text += " for " + age(a.Time.Sub(a.Since))
	}
	if a.Output != "" {
		text += ": " + a.Output
	}
	if a.Until != "" {
		text += ", until " + a.Until
	}
	return text
}

// next says what to do, in lines.
func (a answer) next() (lines []string) {
	switch {
	case a.Lifecycle == "maintenance":
		return []string{"An operator has taken it out of service, by a file or at the operators' listener. It comes back when the maintenance ends.", "To end it now: " + page + "#the-lifecycle"}
	case a.Lifecycle == "draining":
		return []string{"It shuts down. Look at its successor."}
	case a.Lifecycle == "starting":
		return []string{"It has not started yet. If that lasts: " + page + "#the-lifecycle"}
	}
	for _, c := range a.sorted() {
		if c.restarts() && !strings.HasPrefix(a.Output, "no judgement for") { // then liveness passes
			lines = append(lines, "Liveness fails: "+c.name+": "+c.Output+". Kubernetes restarts it. "+save)
		}
	}
	if a.Status == "pass" {
		return lines
	}
	blamed, _, _ := strings.Cut(a.Output, ": ")
	anchor := "#nothing-is-judged"
	for _, c := range a.Checks[blamed] {
		switch {
		case strings.HasPrefix(c.Output, "no beat for"):
			anchor = "#a-heartbeat"
		case c.Limit != nil || c.MinLimit != nil || c.WarnLimit != nil || c.MinWarnLimit != nil:
			anchor = "#a-rule"
		default:
			anchor = "#an-active-check"
		}
		switch {
		case c.Override == "enforce", c.Override == "not-ready" && c.Role != "core" && c.Role != "vital": // it decides only by the override
			lines = append(lines, "An operator's override ("+c.Override+") makes this check decide. To take it back: "+manual+"runbooks/HealthOverrideLeftOn.md#mitigation")
		case anchor == "#a-rule" && crossed.MatchString(c.Output) && !strings.HasPrefix(c.Output, "can't tell"):
			lines = append(lines, "The rule judges what this instance alone has measured. Do others say the same? Then look for what they share:", "more load, or a slow dependency. If only this one does, look at this instance.")
		case anchor != "#an-active-check" || !c.bad() || c.restarts():
		case c.Status == "stale":
			lines = append(lines, "A run of this check hangs. If it hangs on other instances too, something that they share is down. If only this one hangs, delete the pod. "+save)
		default:
			lines = append(lines, "Do other instances fail too? Then something that they share is down, and a restart does not help. If only this one fails, look at its node, network and credentials.")
		}
	}
	return append(lines, "What the reason means, and what to do: "+page+anchor)
}

// crossed matches the reason of a rule over its limit.
var crossed = regexp.MustCompile(`^[^;]*\b(of at most|of at least|warns above|warns below) `)

// restarts reports whether the kubelet restarts the process because of the check.
func (c check) restarts() bool {
	return c.Role == "vital" && c.Status == "fail" && !c.Shadow && (c.Override == "" || c.Override == "enforce")
}

// bad reports whether the check counts as failing.
func (c check) bad() bool { return c.Status == "fail" || c.Status == "stale" || c.Status == "unknown" }

const (
	manual = "https://github.com/otelhealth/otelhealth/blob/main/docs/"
	page   = manual + "not-ready.md"

	save = "If it has a black box, first save /blackbox/now of the operators' listener."
)

// value is what a check has observed, with its limit.
func (c check) value() string {
	if c.ObservedValue == nil {
		return "-"
	}
	word, limit := "", (*float64)(nil)
	for _, l := range []struct {
		limit *float64
		word  string
	}{{c.Limit, "at most"}, {c.MinLimit, "at least"}, {c.WarnLimit, "warns above"}, {c.MinWarnLimit, "warns below"}} {
		if l.limit != nil {
			word, limit = l.word, l.limit
			break
		}
	}
	value, unit, scale := *c.ObservedValue, c.ObservedUnit, 1.0
	if unit == "s" && math.Abs(value) < 1 && (limit == nil || math.Abs(*limit) < 1) {
		unit, scale = "ms", 1000
	}
	text := number(value*scale, unit)
	if limit != nil {
		text += ", " + word + " " + number(*limit*scale, unit)
	}
	return text
}

func number(v float64, unit string) string {
	text := strconv.FormatFloat(v, 'g', 4, 64)
	if unit != "" && unit != "1" && !strings.HasPrefix(unit, "{") {
		text += " " + unit
	}
	return text
}

// why is the reason of a check, with the text of its error if the answer has it.
func (c check) why() string {
	parts := []string{c.Output}
	if c.Error != "" {
		parts = append(parts, "error: "+c.Error)
	}
	if c.Shadow {
		parts = append(parts, "in shadow, decides nothing")
	}
	if c.Override != "" {
		parts = append(parts, "overridden by an operator: "+c.Override)
	}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "; ")
}

func age(d time.Duration) string {
	switch d = max(0, d); {
	case d < 90*time.Second:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 10*time.Minute:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < 90*time.Minute:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	}
	return fmt.Sprintf("%.1f h", d.Hours())
}
