package healthcheck

import (
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// State is what a check or a probe was judged to be. A probe knows only [Pass],
// [Warn] and [Fail]; [Unknown] and [Stale] are states of a check.
type State = verdict.State

const (
	Pass    = verdict.Pass
	Warn    = verdict.Warn
	Fail    = verdict.Fail
	Unknown = verdict.Unknown // no evidence yet
	Stale   = verdict.Stale   // the evidence is too old
)

// Lifecycle is the phase of the process. Where several apply, the one named
// first here wins.
type Lifecycle = verdict.Lifecycle

const (
	Draining    = verdict.Draining    // on its way out: no new traffic
	Maintenance = verdict.Maintenance // taken out by a person
	Starting    = verdict.Starting    // not judged yet, or a hold is open
	Running     = verdict.Running
)

// Probe is one of the three questions that Kubernetes asks.
type Probe = verdict.Probe

const (
	Readiness = verdict.Readiness // may this instance get traffic? The zero value can't restart a pod
	Liveness  = verdict.Liveness  // should this process be restarted?
	Startup   = verdict.Startup   // has this process started?
)
