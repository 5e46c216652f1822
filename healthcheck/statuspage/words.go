package statuspage

import (
	"fmt"
	"strings"

	"github.com/otelhealth/otelhealth/healthcheck"
)

// titles say what readiness is.
var titles = map[healthcheck.State]string{
	healthcheck.Pass: "Ready",
	healthcheck.Warn: "Ready, with warnings",
	healthcheck.Fail: "Not ready",
}

// sentence says why readiness is what it is. "Every check passes" is said only where
// that is so: readiness passes too while a check fails that is for information, or
// that an operator has overridden.
func sentence(v *healthcheck.Verdict) string {
	switch {
	case v == nil:
		return "Nothing has been judged yet."
	case v.Stale():
		return "Nothing has been judged for more than 15 s: what follows is old."
	case v.Status(healthcheck.Readiness) == healthcheck.Pass:
		var others []string
		for i := range v.Checks {
			if c := &v.Checks[i]; c.State != healthcheck.Pass {
				others = append(others, c.Name+" is "+string(c.State))
			}
		}
		if len(others) == 0 {
			return "Every check passes."
		}
		return fmt.Sprintf("Every check that readiness depends on passes; %s.", strings.Join(others, ", "))
	}
	text := v.Output(healthcheck.Readiness)
	if v.Status(healthcheck.Liveness) == healthcheck.Fail {
		text += ". Liveness fails too: a restart is due."
	}
	return text
}
