package healthcheck

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/otelhealth/otelhealth/healthcheck/cfgerrors"
	"github.com/otelhealth/otelhealth/healthcheck/internal/run"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// A Check runs a function in the background, never in a probe, and at most once at a time:
//
//	healthcheck.Check{Name: "database", Func: db.PingContext}
//
// The first run is immediate, and one result is enough: no threshold applies to it. After a failed run
// the next one comes 1 s later, then 2 s, 4 s and so on, up to Interval. If a failed check succeeds, its
// next run comes 1 s later. So with the defaults a database that refuses connections fails readiness
// after 3 to 8 s.
type Check struct {
	Name string // key in the response, and health.check.name; unique among checks, rules and heartbeats

	// Func returns nil if its dependency works, and checks.Warning(err) if it works badly. Func must
	// return when its context ends. While a run that timed out has not returned, Func is not called
	// again, and each run that is due counts as one more failure. A panic is a failure.
	Func   func(context.Context) error
	OnFail verdict.Effect // NotReady if empty

	Interval         time.Duration // from the start of a run to the next; 5s if zero
	Timeout          time.Duration // of one run; 2s if zero, and at most Interval
	FailureThreshold int           // failures in a row until the check fails; 3 if zero
	SuccessThreshold int           // successes in a row until a failed check passes; 2 if zero
}

const (
	defaultInterval         = 5 * time.Second
	defaultTimeout          = 2 * time.Second
	defaultFailureThreshold = 3
	defaultSuccessThreshold = 2

	minInterval = 10 * time.Millisecond
)

// runFunc converts the check for package run.
func (c Check) runFunc() run.Func {
	return run.Func{
		Name: c.Name, Run: c.Func, Interval: c.Interval, Timeout: min(c.Timeout, c.Interval),
		FailureThreshold: c.FailureThreshold, SuccessThreshold: c.SuccessThreshold,
	}
}

// withDefaults fills the zero fields of the check from d.
func (c Check) withDefaults(d Check) Check {
	c.OnFail = cmp.Or(c.OnFail, d.OnFail)
	c.Interval = cmp.Or(c.Interval, d.Interval)
	c.Timeout = cmp.Or(c.Timeout, d.Timeout)
	c.FailureThreshold = cmp.Or(c.FailureThreshold, d.FailureThreshold)
	c.SuccessThreshold = cmp.Or(c.SuccessThreshold, d.SuccessThreshold)
	return c
}

// builtIn are the defaults of a check.
var builtIn = Check{
	OnFail: NotReady, Interval: defaultInterval, Timeout: defaultTimeout,
	FailureThreshold: defaultFailureThreshold, SuccessThreshold: defaultSuccessThreshold,
}

// validate returns all mistakes in the check.
func (c Check) validate() (errs []error) {
	if c.Func == nil {
		errs = append(errs, &cfgerrors.Error{Item: c.Name, Field: "Func", Problem: "is nil"})
	}
	return append(errs, c.validateTimes()...)
}

func (c Check) validateTimes() (errs []error) {
	bad := func(field, format string, a ...any) {
		errs = append(errs, &cfgerrors.Error{Item: c.Name, Field: field, Problem: fmt.Sprintf(format, a...)})
	}
	if c.OnFail != "" && !isEffect(c.OnFail) {
		bad("OnFail", "%q is not an effect: write NotReady, WarnOnly, ShowOnly or Restart, or one of them with InShadow()", c.OnFail)
	}
	switch {
	case c.Interval < 0:
		bad("Interval", "%v is negative", c.Interval)
	case c.Interval > 0 && c.Interval < minInterval:
		bad("Interval", "%v is shorter than %v", c.Interval, minInterval)
	}
	if p := badDuration(c.Timeout); p != "" {
		bad("Timeout", "%s", p)
	}
	if c.FailureThreshold < 0 {
		bad("FailureThreshold", "%d is negative", c.FailureThreshold)
	}
	if c.SuccessThreshold < 0 {
		bad("SuccessThreshold", "%d is negative", c.SuccessThreshold)
	}
	return errs
}

// maxName is the maximum length of a name in bytes, because names go into labels and bodies.
const maxName = 64

// badName returns why a name is not allowed for a check, rule or heartbeat; empty if it is.
func badName(name string) (problem string) {
	switch {
	case name == "":
		return "is empty"
	case len(name) > maxName || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Sprintf("%.80q is longer than %d bytes or not plain text", name, maxName)
	case name == "*" || strings.ContainsAny(name, ",=#") || strings.TrimSpace(name) != name:
		return fmt.Sprintf("%q can't be named in an override: it is *, contains one of , = # or begins or ends with a space", name)
	}
	return ""
}

// badDuration returns the problem of a duration under 1 ms; empty if there is none. Such a duration is a
// bare number without a unit, which Go reads as nanoseconds.
func badDuration(d time.Duration) (problem string) {
	switch {
	case d < 0:
		return fmt.Sprintf("%v is negative", d)
	case d > 0 && d < time.Millisecond:
		return fmt.Sprintf("%v is shorter than 1ms: write %d*time.Second, or what you mean", d, int64(d))
	}
	return ""
}
