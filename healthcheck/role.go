package healthcheck

import "github.com/otelhealth/otelhealth/healthcheck/effect"

// Role is what a failing check does to the probes.
type Role = effect.Role

const (
	Auxiliary     = effect.Auxiliary     // failing turns readiness to warn; traffic goes on
	Core          = effect.Core          // failing fails readiness
	Informational = effect.Informational // shown and exported, part of no verdict
	Vital         = effect.Vital         // failing fails liveness: the process is restarted
)
