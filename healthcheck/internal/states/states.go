// Package states orders and lists the words of packages verdict and effect, which users need
// not see. It is data.
package states

import (
	"github.com/otelhealth/otelhealth/healthcheck/effect"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// Probes are all of them.
var Probes = [...]verdict.Probe{verdict.Readiness, verdict.Liveness, verdict.Startup}

var (
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

// Index is a state's place in probeStates.
func Index(s verdict.State) int {
	for n, st := range ProbeStates {
		if st == s {
			return n
		}
	}
	return len(ProbeStates) - 1
}

// Good reports whether a check in this state counts as working.
func Good(s verdict.State) bool { return s == verdict.Pass || s == verdict.Warn }

var Lifecycles = [...]verdict.Lifecycle{verdict.Starting, verdict.Running, verdict.Maintenance, verdict.Draining}

// Valid reports whether a role is one.
func Valid(r effect.Role) bool { return r >= effect.Auxiliary && r <= effect.Vital }

// EffectOf is what a check's failing does to readiness now.
func EffectOf(r *verdict.Result) effect.Effect {
	if r.Override != "" {
		return effect.Effect(r.Override)
	}
	switch r.Role {
	case effect.Core, effect.Vital:
		return effect.Fail
	case effect.Informational:
		return effect.Off
	}
	return effect.Warn
}
