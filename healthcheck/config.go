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

	// OverrideFile overrides the effects of failing checks while the process runs. Every line is one
	// override, and # begins a comment:
	//
	//	NAME=not-ready, NAME=warn, NAME=show   replace OnFail
	//	NAME=shadow                            puts the check in shadow, see verdict.Effect.InShadow
	//	NAME=enforce                           enforces OnFail, also if it is in shadow
	//
	// The name * stands for every other check, rule or heartbeat. The file wins over the environment
	// variable HEALTH_OVERRIDES, whose pairs are separated by commas. Overridden checks are still judged.
	// Overrides are shown, exported and logged, and an unknown name is logged. An overridden heartbeat
	// does not fail liveness, unless the override is enforce. No file if empty.
	OverrideFile string

	// MaintenanceFile puts the instance into maintenance while it contains
	// {"reason": "…", "until": "RFC 3339"}. Mount it from a ConfigMap to do this for a whole
	// Deployment. No file if empty.
	//
	// Both files are read every second. A change counts when two readings in a row have the same
	// content. An absent or empty file means no overrides and no maintenance. If a file is invalid, is
	// not a regular file or can't be read for 10 s, its last valid content stays in force, it is logged,
	// and health.file.invalid is 1. The valid pairs of an invalid override file still apply. An invalid
	// file is not an error of Start, because it may be written for another release.
	MaintenanceFile string

	// Peers is the name and the port of the other instances, such as "orders-peers:8000": a headless
	// Service with publishNotReadyAddresses. While a core check fails, the instance asks its peers about
	// it. A ready instance stays ready and warns, unless more than half of them work or are silent, or
	// no peer can be asked. So instances that all lose the same dependency stay ready. Put a path after
	// the port if the peers answer readiness at another path. No peers if empty. docs/peers.md has the
	// whole rule.
	Peers string

	LivenessPath  string // answered by Wrap; "/health" if empty, none if "-"
	ReadinessPath string // answered by Wrap; "/ready" if empty, none if "-"
	StartupPath   string // answered by Wrap; "/startup" if empty, none if "-"

	Terse bool // probes answer only their status, for public listeners
}

const (
	defaultDrainDelay = 5 * time.Second

	// net/http gives a connection without a request 5 s, so the limit must be longer.
	defaultShutdownTimeout = 10 * time.Second
)

// The effects of a failure, for OnFail of [Check] and of [rule.Rule]. Responses and metrics have a role
// for each: core, auxiliary, informational and vital, in this order.
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
