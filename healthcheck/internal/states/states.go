// Package states lists and orders the states, effects, probes and phases of a verdict. It is data.
package states

import (
	"strings"

	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// The effects, by their words in overrides and in the response.
const (
	NotReady verdict.Effect = "not-ready"
	WarnOnly verdict.Effect = "warn"
	ShowOnly verdict.Effect = "show"
	Restart  verdict.Effect = "restart"
)

// These overrides don't replace the effect. They put a check in shadow, or enforce its effect.
const (
	Shadow  verdict.Effect = "shadow"
	Enforce verdict.Effect = "enforce"
)

// roles are the article's words for the effects.
var roles = map[verdict.Effect]string{NotReady: "core", WarnOnly: "auxiliary", ShowOnly: "informational", Restart: "vital"}

// Split splits an effect into the effect itself, and whether it is in shadow.
func Split(e verdict.Effect) (effect verdict.Effect, shadow bool) {
	text, shadow := strings.CutPrefix(string(e), string(verdict.Effect("").InShadow()))
	return verdict.Effect(text), shadow
}

// Role returns the word for an effect in the response and in metrics; empty if it is not an effect.
func Role(e verdict.Effect) string { return roles[e] }

// Probe is one of the three questions that Kubernetes asks.
type Probe int

const (
	Readiness Probe = iota // may this instance get traffic?
	Liveness               // should this process be restarted?
	Startup                // has this process started?
)

// Probes are all of them.
var Probes = [...]Probe{Readiness, Liveness, Startup}

func (p Probe) String() string { return [...]string{"readiness", "liveness", "startup"}[p] }

// Phase is the phase of the process.
type Phase string

// If several phases apply, the first of these counts.
const (
	Draining    Phase = "draining"    // shutting down: no new traffic
	Maintenance Phase = "maintenance" // taken out by a person
	Starting    Phase = "starting"    // not judged yet, or a hold is open
	Running     Phase = "running"
)

var (
	Phases      = [...]Phase{Starting, Running, Maintenance, Draining}
	CheckStates = [...]verdict.State{verdict.Pass, verdict.Warn, verdict.Fail, verdict.Unknown, verdict.Stale}
	ProbeStates = [...]verdict.State{verdict.Pass, verdict.Warn, verdict.Fail}
)

// Severity orders states from Pass to Fail.
func Severity(s verdict.State) int {
	switch s {
	case verdict.Fail:
		return 4
	case verdict.Stale:
		return 3
	case verdict.Unknown:
		return 2
	case verdict.Warn:
		return 1
	}
	return 0
}

// Index returns the index of a state in ProbeStates.
func Index(s verdict.State) int {
	for n, st := range ProbeStates {
		if st == s {
			return n
		}
	}
	return len(ProbeStates) - 1
}

// Good reports whether a check in this state works.
func Good(s verdict.State) bool { return s == verdict.Pass || s == verdict.Warn }
