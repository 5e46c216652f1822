package healthcheck

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"github.com/otelhealth/otelhealth/healthcheck/internal/run"

	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
)

// A Check is one named thing that is judged: a Func that is run in the
// background, or a Limit on an indicator, called a rule. It has exactly one of
// the two.
type Check struct {
	// Name is the check's key in the response and its health.check.name.
	Name string
	Role Role // Auxiliary if zero

	// Func returns nil while what it asks about works. It is run in the
	// background on its own clock, never by a probe, at most once at a time, and
	// must heed its context: while a run that timed out has not returned, each
	// interval counts as one more failure. A panic is a failure.
	Func      func(context.Context) error
	Interval  time.Duration // from the start of a run to the next; 10s if zero
	Timeout   time.Duration // of one run; 2s, or the interval if shorter, if zero
	Failures  int           // in a row until the check fails; 3 if zero. The very first run decides alone
	Successes int           // in a row until a failed check passes; 2 if zero

	// Limit makes the check a rule.
	//
	// A core check on an indicator that looks back over a window is judged with
	// care, since requests make that evidence and taking an instance out gives its
	// requests to the others. It warns, and fails only if
	//   - at least 10 events are beyond the limit, and the limit is crossed over the
	//     window, over four windows and in the last third of one;
	//   - the instance has no more than 1.1 times its usual traffic, so that it is
	//     slow and not overloaded ([Increase] has no traffic to compare);
	//   - that has been so for 10s to 40s, depending on the instance.
	//
	// It then holds the instance out for KeepFor (30s if zero), 20 % more or less by
	// instance, forgets what it saw, and is on trial for its window and 60s more,
	// warning. Failing on trial, which needs no further notice, doubles the hold, up
	// to 300s.
	Limit   Limit
	For     time.Duration // how long the limit must be crossed before it counts, a warning's too; at once if zero
	KeepFor time.Duration // how long the check stays failed after the limit was last crossed; not at all if zero

	// ComponentType is shown in the response: "datastore", "system", "component".
	ComponentType string
}

// limit is the Limit as evidence reads it.
func (c *Check) limit() *query.Limit { return (*query.Limit)(&c.Limit) }

func (c Check) interval() time.Duration { return cmp.Or(c.Interval, 10*time.Second) }
func (c Check) timeout() time.Duration {
	return cmp.Or(c.Timeout, min(2*time.Second, c.interval()))
}
func (c Check) failures() int  { return cmp.Or(c.Failures, 3) }
func (c Check) successes() int { return cmp.Or(c.Successes, 2) }

// toRun is the check as it is run, with its defaults.
func (c Check) toRun() run.Func {
	return run.Func{Name: c.Name, Run: c.Func, Interval: c.interval(), Timeout: c.timeout(), Failures: c.failures(), Successes: c.successes()}
}

// maxName keeps a check's name fit for a label and a body.
const maxName = 64

// badName says why a check can't have a name, and takes it.
func badName(name string, taken map[string]bool) (problem string) {
	switch {
	case name == "":
		problem = "is empty"
	case len(name) > maxName || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		problem = fmt.Sprintf("is longer than %d bytes or no plain text", maxName)
	case name == "*" || strings.ContainsAny(name, ",=#") || strings.TrimSpace(name) != name:
		problem = "could not be named in HEALTH_EFFECTS: it is *, has one of , = # or a space at an end"
	case taken[name]:
		problem = "is used twice"
	}
	taken[name] = true
	return problem
}

// validate returns every problem of every check, each naming its field.
func validate(checks []Check, taken map[string]bool) error {
	var errs []error
	for i, c := range checks {
		bad := func(field, format string, a ...any) {
			where := fmt.Sprintf("Checks[%d].%s (%q): ", i, field, c.Name) // as the field is written
			errs = append(errs, errors.New(where+fmt.Sprintf(format, a...)))
		}
		if p := badName(c.Name, taken); p != "" {
			bad("Name", "%s", p)
		}
		if !states.Valid(c.Role) {
			bad("Role", "%d is no role", c.Role)
		}
		switch {
		case c.Func == nil && !c.limit().Set():
			bad("Func", "a check needs a Func or a Limit")
		case c.Func != nil && c.limit().Set():
			bad("Limit", "a check has a Func or a Limit, not both")
		case c.limit().Set():
			if c.Interval != 0 || c.Timeout != 0 || c.Failures != 0 || c.Successes != 0 {
				bad("Interval", "Interval, Timeout, Failures and Successes are for a Func; a rule has For and KeepFor")
			}
			for _, p := range c.limit().Validate() {
				bad("Limit", "%s", p)
			}
		}
		switch {
		case c.Interval < 0:
			bad("Interval", "%v is negative", c.Interval)
		case c.Interval > 0 && c.Interval < minTick:
			bad("Interval", "%v is shorter than %v", c.Interval, minTick)
		}
		if c.Timeout < 0 {
			bad("Timeout", "%v is negative", c.Timeout)
		} else if c.Interval >= 0 && c.timeout() > c.interval() {
			bad("Timeout", "%v is longer than the interval of %v", c.timeout(), c.interval())
		}
		if c.For < 0 || (c.For > 0 && !c.limit().Set()) {
			bad("For", "%v: it is for a Limit and not negative", c.For)
		}
		if c.KeepFor < 0 || (c.KeepFor > 0 && !c.limit().Set()) {
			bad("KeepFor", "%v: it is for a Limit and not negative", c.KeepFor)
		}
		if c.Failures < 0 {
			bad("Failures", "%d is negative", c.Failures)
		}
		if c.Successes < 0 {
			bad("Successes", "%d is negative", c.Successes)
		}
	}
	return errors.Join(errs...)
}
