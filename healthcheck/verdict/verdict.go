// Package verdict has the words of a judgement: what a check, a probe and the process can
// be. It is data: it holds no state, and nothing here judges.
package verdict

// State is what a check or a probe was judged to be. A probe knows only [Pass],
// [Warn] and [Fail]; [Unknown] and [Stale] are states of a check.
type State string

const (
	Pass    State = "pass"
	Warn    State = "warn"
	Fail    State = "fail"
	Unknown State = "unknown" // no evidence yet
	Stale   State = "stale"   // the evidence is too old
)

// Lifecycle is the phase of the process. Where several apply, the one named
// first here wins.
type Lifecycle string

const (
	Draining    Lifecycle = "draining"    // on its way out: no new traffic
	Maintenance Lifecycle = "maintenance" // taken out by a person
	Starting    Lifecycle = "starting"    // not judged yet, or a hold is open
	Running     Lifecycle = "running"
)

// Probe is one of the three questions that Kubernetes asks.
type Probe int

const (
	Readiness Probe = iota // may this instance get traffic? The zero value can't restart a pod
	Liveness               // should this process be restarted?
	Startup                // has this process started?
)

var probeNames = [...]string{"readiness", "liveness", "startup"}

func (p Probe) String() string {
	if p < 0 || int(p) >= len(probeNames) {
		return "invalid"
	}
	return probeNames[p]
}
