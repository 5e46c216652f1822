// Package effect says what a failure does to the answers. It is data: it imports nothing
// and holds no state.
package effect

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
	if r < 0 || int(r) >= len(roleNames) {
		return "invalid"
	}
	return roleNames[r]
}

// Effect is what a failing check does to readiness.
type Effect string

const (
	Fail Effect = "fail"
	Warn Effect = "warn"
	Off  Effect = "off"
)
