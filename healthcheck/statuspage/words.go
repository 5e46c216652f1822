package statuspage

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// titles are the titles of the states of readiness.
var titles = map[verdict.State]string{
	verdict.Pass: "Ready",
	verdict.Warn: "Ready, with warnings",
	verdict.Fail: "Not ready",
}

// staleAfter is the age after which a Monitor treats its own verdict as stale.
const staleAfter = 15 * time.Second

// old reports whether a verdict is too old. The last verdict of a stopped Monitor grows old too.
func old(v *verdict.Verdict, now time.Time) bool {
	return !v.Time.IsZero() && now.Sub(v.Time) > staleAfter
}

// sentence gives the reason for the state of readiness. It does not say that every check passes if an
// informational or overridden check fails.
func sentence(v *verdict.Verdict, now time.Time) string {
	switch {
	case v.Time.IsZero():
		return "Nothing has been judged yet."
	case old(v, now):
		return "Nothing has been judged for more than 15 s, so this page is out of date."
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
	text := all(v)
	if v.Liveness.State == verdict.Fail {
		text += ". Liveness fails too, so Kubernetes restarts the process."
	}
	return text
}

var more = regexp.MustCompile(` \(and \d+ more\)$`)

// all returns the reason of readiness. Instead of "(and 2 more)" it names the other checks to blame.
func all(v *verdict.Verdict) string {
	if v.Phase != "running" {
		return v.Readiness.Reason // no check decides
	}
	text := more.ReplaceAllString(v.Readiness.Reason, "")
	var failing, warning []string
	for i := range v.Results {
		r := &v.Results[i]
		if r.State == verdict.Pass || r.OnFail == healthcheck.ShowOnly || r.Shadow || strings.HasPrefix(text, r.Name+": ") {
			continue
		}
		if (r.OnFail == healthcheck.NotReady || r.OnFail == healthcheck.Restart) && r.State != verdict.Warn {
			failing = append(failing, r.Name)
		} else {
			warning = append(warning, r.Name)
		}
	}
	if len(failing) > 0 {
		text += ". Failing too: " + strings.Join(failing, ", ")
	}
	if len(warning) > 0 {
		text += ". Warnings: " + strings.Join(warning, ", ")
	}
	return text
}
