package statuspage

import (
	"fmt"
	"strings"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// titles say what readiness is.
var titles = map[verdict.State]string{
	verdict.Pass: "Ready",
	verdict.Warn: "Ready, with warnings",
	verdict.Fail: "Not ready",
}

// staleAfter is when a Monitor calls its own verdict too old.
const staleAfter = 15 * time.Second

// old reports whether a verdict says nothing of the present any more. The last one of a Monitor
// that has stopped grows old too.
func old(v *verdict.Verdict, now time.Time) bool {
	return !v.Time.IsZero() && now.Sub(v.Time) > staleAfter
}

// sentence says why readiness is what it is. "Every check passes" is said only where
// that is so: readiness passes too while a check fails that is for information, or
// that an operator has overridden.
func sentence(v *verdict.Verdict, now time.Time) string {
	switch {
	case v.Time.IsZero():
		return "Nothing has been judged yet."
	case old(v, now):
		return "Nothing has been judged for more than 15 s: what follows is old."
	case v.Readiness.State == verdict.Pass:
		var others []string
		for i := range v.Results {
			if r := &v.Results[i]; r.State != verdict.Pass {
				others = append(others, r.Name+" is "+string(r.State))
			}
		}
		if len(others) == 0 {
			return "Every check passes."
		}
		return fmt.Sprintf("Every check that readiness depends on passes; %s.", strings.Join(others, ", "))
	}
	text := v.Readiness.Reason
	if v.Liveness.State == verdict.Fail {
		text += ". Liveness fails too: a restart is due."
	}
	return text
}
