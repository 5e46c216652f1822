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

var (
	CheckStates = [...]State{Pass, Warn, Fail, Unknown, Stale}
	ProbeStates = [...]State{Pass, Warn, Fail}
)

// severity orders states from Pass to Fail.
func Severity(s State) int {
	switch s {
	case Fail:
		return 4
	case Stale:
		return 3
	case Unknown:
		return 2
	case Warn:
		return 1
	}
	return 0
}

// index is a state's place in probeStates.
func Index(s State) int {
	for n, st := range ProbeStates {
		if st == s {
			return n
		}
	}
	return len(ProbeStates) - 1
}

// good reports whether a check in this state counts as working.
func (s State) Good() bool { return s == Pass || s == Warn }

// Lifecycle is the phase of the process. Where several apply, the one named
// first here wins.
type Lifecycle string

const (
	Draining    Lifecycle = "draining"    // on its way out: no new traffic
	Maintenance Lifecycle = "maintenance" // taken out by a person
	Starting    Lifecycle = "starting"    // not judged yet, or a hold is open
	Running     Lifecycle = "running"
)

var Lifecycles = [...]Lifecycle{Starting, Running, Maintenance, Draining}

// Probe is one of the three questions that Kubernetes asks.
type Probe int

const (
	Readiness Probe = iota // may this instance get traffic? The zero value can't restart a pod
	Liveness               // should this process be restarted?
	Startup                // has this process started?
)

var (
	Probes     = [...]Probe{Readiness, Liveness, Startup}
	probeNames = [...]string{"readiness", "liveness", "startup"}
)

func (p Probe) String() string {
	if p < 0 || int(p) >= len(probeNames) {
		return "invalid"
	}
	return probeNames[p]
}
