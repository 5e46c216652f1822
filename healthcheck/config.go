package healthcheck

import (
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// Config is the configuration of a Monitor. The zero Config is valid and judges nothing. [New]
// copies it.
type Config struct {
	Checks   []Check     // functions that are run
	Rules    []rule.Rule // metrics that are read
	Defaults Check       // Interval, Timeout and thresholds of checks that don't set them; its other fields stay empty

	DrainDelay      time.Duration // how long requests are served while /ready fails, before the shutdown; 5s if zero, none if negative
	ShutdownTimeout time.Duration // how long requests in flight may take after that; 10s if zero

	// OverrideFile overrides the effects of failing checks while the process runs. Every line is
	// NAME=not-ready, NAME=warn or NAME=show. NAME=shadow takes the force from a check: it counts
	// only for the shadow verdict, which says what would be. NAME=enforce gives the force back, also
	// to a check whose OnFail is in shadow. The name * stands for every other check. The file
	// wins over the variable HEALTH_OVERRIDES, which has the same pairs, separated by commas.
	// Overridden checks are still judged, and overrides are shown, exported and logged. A name
	// without a check is logged. An overridden heartbeat no longer fails liveness, except by enforce. No file if
	// empty.
	OverrideFile string

	// MaintenanceFile puts the instance into maintenance while it contains
	// {"reason": "…", "until": "RFC 3339"}. If it is mounted from a ConfigMap, it does so for a
	// whole Deployment. No file if empty. Both files are read every second, and a change
	// counts when two readings have the same content. An absent or empty file asks for nothing. If
	// a file is invalid, is no regular file or can't be read for 10 s, its last valid content stays
	// in force. Of an override file the valid pairs take force. The log says so, and
	// health.file.invalid. It is no error of Start, because the file may be of another release.
	MaintenanceFile string

	// Peers is the name and the port of the other instances, such as "orders-peers:8000": a headless
	// Service with publishNotReadyAddresses. While a core check fails, the instance asks them, and it
	// leaves only while more than half of them work. So a dependency that all have lost does not empty
	// the fleet: /ready answers 200 and warn. Put a path after the port if the peers answer readiness
	// at another path. Nobody is asked if empty. docs/peers.md has the rule.
	Peers string

	LivenessPath  string // answered by Wrap; "/health" if empty, none if "-"
	ReadinessPath string // answered by Wrap; "/ready" if empty, none if "-"
	StartupPath   string // answered by Wrap; "/startup" if empty, none if "-"

	Terse bool // answer only the status, for public listeners
}

const (
	defaultDrainDelay = 5 * time.Second

	// net/http gives a connection without a request 5 s, so the limit must be longer.
	defaultShutdownTimeout = 10 * time.Second
)

// The effects of a failure, for OnFail of [Check] and of [rule.Rule]. The response and the metrics
// call a check with NotReady core, and a check with WarnOnly auxiliary, like the article behind
// this package.
const (
	NotReady verdict.Effect = states.NotReady // "not-ready": /ready answers 503, so the instance gets no new traffic
	WarnOnly verdict.Effect = states.WarnOnly // "warn": /ready answers 200 and says warn
	ShowOnly verdict.Effect = states.ShowOnly // "show": shown and exported, changes no answer
	Restart  verdict.Effect = states.Restart  // "restart": /health answers 503 too, so the kubelet restarts the process
)

func isEffect(e verdict.Effect) bool {
	e, _ = states.Split(e)
	return states.Role(e) != ""
}
