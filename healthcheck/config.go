package healthcheck

import (
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// Config is what a Monitor judges by. The zero Config judges nothing and is valid. [New]
// copies it.
type Config struct {
	Checks   []Check     // functions that are run
	Rules    []rule.Rule // metrics that are read
	Defaults Check       // Interval, Timeout and thresholds of checks that don't set them; its other fields stay empty

	DrainDelay      time.Duration // how long requests are served while /ready fails, before the shutdown; 5s if zero, none if negative
	ShutdownTimeout time.Duration // how long requests in flight get after that; 10s if zero

	// OverrideFile replaces, while the process runs, what a failing check does: one
	// NAME=not-ready, NAME=warn or NAME=show to a line, * for every other check. It wins over
	// the variable HEALTH_OVERRIDES, which has the same pairs separated by commas. Judging
	// goes on; the override is shown, exported and logged. A name that no check has is logged.
	// A heartbeat that is overridden fails liveness no more. No file if empty.
	OverrideFile string

	// MaintenanceFile puts the instance into maintenance while it holds
	// {"reason": "…", "until": "RFC 3339"}: mounted from a ConfigMap, a whole Deployment. No
	// file if empty. Both files are read every second; an absent or empty one asks for
	// nothing, and one that can't be read keeps what it said before in force.
	MaintenanceFile string

	LivenessPath  string // answered by Wrap; "/health" if empty
	ReadinessPath string // answered by Wrap; "/ready" if empty
	StartupPath   string // answered by Wrap; "/startup" if empty

	Terse bool // answer the status alone, for listeners that strangers reach
}

const (
	defaultDrainDelay = 5 * time.Second

	// net/http gives a connection that has sent nothing yet 5 s; the limit must not cut in before.
	defaultShutdownTimeout = 10 * time.Second
)

// The effects of a failure, for OnFail of [Check] and of [rule.Rule]. The article on which
// this package stands, the response and the metrics call a check with NotReady core and one
// with WarnOnly auxiliary.
const (
	NotReady verdict.Effect = states.NotReady // "not-ready": /ready answers 503, so the instance gets no new traffic
	WarnOnly verdict.Effect = states.WarnOnly // "warn": /ready answers 200 and says warn
	ShowOnly verdict.Effect = states.ShowOnly // "show": shown and exported, changes no answer
	Restart  verdict.Effect = states.Restart  // "restart": /health answers 503 too, so the kubelet restarts the process
)

func known(e verdict.Effect) bool { return states.Role(e) != "" }
