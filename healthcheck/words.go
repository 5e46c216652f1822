package healthcheck

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
	checkStates = [...]State{Pass, Warn, Fail, Unknown, Stale}
	probeStates = [...]State{Pass, Warn, Fail}
)

// good reports whether a check in this state counts as working.
func (s State) good() bool { return s == Pass || s == Warn }

// Role is what a failing check does to the probes.
type Role int

const (
	Auxiliary     Role = iota // failing turns readiness to warn; traffic goes on
	Core                      // failing fails readiness
	Informational             // shown and exported, part of no verdict
	Vital                     // failing fails liveness: the process is restarted
)

var roleNames = [...]string{"auxiliary", "core", "informational", "vital"}

func (r Role) String() string {
	if !r.valid() {
		return "invalid"
	}
	return roleNames[r]
}

func (r Role) valid() bool { return r >= 0 && int(r) < len(roleNames) }

// Lifecycle is the phase of the process. Where several apply, the one named
// first here wins.
type Lifecycle string

const (
	Draining    Lifecycle = "draining"    // on its way out: no new traffic
	Maintenance Lifecycle = "maintenance" // taken out by a person
	Starting    Lifecycle = "starting"    // not judged yet, or a hold is open
	Running     Lifecycle = "running"
)

var lifecycles = [...]Lifecycle{Starting, Running, Maintenance, Draining}

// Probe is one of the three questions that Kubernetes asks.
type Probe int

const (
	Readiness Probe = iota // may this instance get traffic? The zero value can't restart a pod
	Liveness               // should this process be restarted?
	Startup                // has this process started?
)

var (
	probes     = [...]Probe{Readiness, Liveness, Startup}
	probeNames = [...]string{"readiness", "liveness", "startup"}
)

func (p Probe) String() string {
	if p < 0 || int(p) >= len(probeNames) {
		return "invalid"
	}
	return probeNames[p]
}
