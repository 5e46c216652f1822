// Package verdict has the verdict of a Monitor as data, for status pages, watchers and tests. It
// holds no state and judges nothing.
package verdict

import "time"

// A State is the state of a check, a rule, a heartbeat or a probe.
type State string

// A probe is in one of the first three states. [Unknown] and [Stale] are states of
// checks, rules and heartbeats alone.
const (
	Pass    State = "pass"    // works
	Warn    State = "warn"    // works, with something to look at
	Fail    State = "fail"    // does not work
	Unknown State = "unknown" // no evidence yet
	Stale   State = "stale"   // the evidence is too old
)

// An Effect is the effect of a failure on the answers of the probes. Its values are
// healthcheck.NotReady, healthcheck.WarnOnly, healthcheck.ShowOnly and
// healthcheck.Restart.
type Effect string

// InShadow is the effect without force. The check is judged, shown and exported. A failure changes no
// answer, and counts only for [Verdict.Shadow]: it says what would be. So a new check or a new limit can
// be tried in production:
//
//	OnFail: healthcheck.NotReady.InShadow()
//
// healthcheck.Config.OverrideFile gives the force and takes it without a release.
func (e Effect) InShadow() Effect { return shadow + e }

const shadow = "shadow:"

// A Verdict is one judgement. Don't change it, because verdicts are shared.
type Verdict struct {
	Time      time.Time // of the judgement; zero before the first
	Phase     string    // starting, running, maintenance or draining
	Liveness  Result
	Readiness Result
	Startup   Result
	Shadow    *Shadow  // nil if no check is or was in shadow
	Results   []Result // checks, rules and heartbeats, in the order in which they were added
}

// Shadow is what the probes would answer if the checks in shadow had force.
type Shadow struct{ Liveness, Readiness Result }

// A Result is the state of one probe, check, rule or heartbeat.
type Result struct {
	Name       string
	State      State
	Since      time.Time // when State was entered
	Reason     string    // why State is not pass, at most 200 bytes; never the text of an error
	OnFail     Effect    // in force now; empty for a probe
	Overridden bool      // an operator replaced OnFail, or gave or took its force
	Shadow     bool      // OnFail has no force: it counts for Verdict.Shadow alone
	Value      *float64  // in Unit: of a rule's indicator, or the duration of a check's last run; nil if there is none
	Unit       string    // in UCUM, as in OpenTelemetry
	Err        error     // of a check's last run; its text may hold secrets
	TraceID    string    // of a check's last run, in hexadecimal; empty without a TracerProvider
}
