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
	Warn    State = "warn"    // works, and somebody should look at it
	Fail    State = "fail"    // does not work
	Unknown State = "unknown" // no evidence yet
	Stale   State = "stale"   // the evidence is too old
)

// An Effect is the effect of a failure on the answers of the probes. Its values are
// healthcheck.NotReady, healthcheck.WarnOnly, healthcheck.ShowOnly and
// healthcheck.Restart.
type Effect string

// InShadow returns the effect in shadow: the check is judged, shown and exported, but a failure changes
// no answer of a probe. It counts only for [Verdict.Shadow]. So you can try a new check or a new limit in
// production:
//
//	OnFail: healthcheck.NotReady.InShadow()
//
// With healthcheck.Config.OverrideFile an operator enforces the effect, or puts a check in shadow,
// without a release.
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

// Shadow has the results that the probes would have if the checks in shadow were enforced.
type Shadow struct{ Liveness, Readiness Result }

// A Result is the state of one probe, check, rule or heartbeat.
type Result struct {
	Name       string
	State      State
	Since      time.Time // when State was entered
	Reason     string    // why State is not pass, at most 200 bytes; never the text of an error
	OnFail     Effect    // the effect now, after overrides; empty for a probe
	Overridden bool      // an operator replaced OnFail, enforced it or put it in shadow
	Shadow     bool      // OnFail is in shadow: it counts only for Verdict.Shadow
	Value      *float64  // in Unit: of a rule its value; of a check the number of checks.Observe, or the duration of its last run; of a heartbeat the time since the last beat; nil if there is none
	Unit       string    // in UCUM, as in OpenTelemetry
	Err        error     // of a check's last run; its text may hold secrets
	TraceID    string    // of a check's last run, in hexadecimal; empty without a TracerProvider
}
