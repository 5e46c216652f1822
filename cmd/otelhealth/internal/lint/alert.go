package lint

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

type alert struct {
	Alert, Expr string
	For         string
	Labels      map[string]string
}

// wait returns the alert's "for".
func (a alert) wait() (time.Duration, error) { return prometheusDuration(a.For) }

// prometheusDuration reads a duration such as 1h30m or 3d. Its longest unit is the day.
func prometheusDuration(s string) (time.Duration, error) {
	if days, rest, ok := strings.Cut(s, "d"); ok {
		d, err := time.ParseDuration(days + "h")
		if err != nil || rest != "" {
			return 0, fmt.Errorf("%q is not a duration", s)
		}
		return 24 * d, nil
	}
	if s == "" {
		return 0, nil
	}
	return time.ParseDuration(s)
}

type ruleGroups struct {
	Groups []struct{ Rules []alert }
}

func (s *system) readAlerts(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var g ruleGroups
	if err := yaml.Unmarshal(text, &g); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if !s.addAlerts(g) {
		return fmt.Errorf("no alert in %s", path)
	}
	return nil
}

func (s *system) addAlerts(g ruleGroups) (any bool) {
	for _, group := range g.Groups {
		for _, r := range group.Rules {
			if r.Alert != "" {
				s.alerts = append(s.alerts, r)
				any = true
			}
		}
	}
	return any
}

var (
	ofHealth  = regexp.MustCompile(`\b(health_(check|probe|lifecycle)_status|job:health_)`)
	checkName = regexp.MustCompile(`health_check_name="([^"]+)"`)
	lookBack  = regexp.MustCompile(`last_over_time\([^\[]*\[(\w+)\]`)
)

// lintAlert compares an alert's "for" with the time until a verdict is visible, because a shorter one fires on
// a single sample. It also compares the alert's range with the export interval.
func (s system) lintAlert(a alert, find finder) {
	wait, err := a.wait()
	if err != nil {
		find("for: %v", err)
		return
	}
	for _, m := range checkName.FindAllStringSubmatch(a.Expr, -1) {
		if len(s.checks) > 0 && !slices.ContainsFunc(s.checks, func(c check) bool { return c.name == m[1] }) {
			find("names the check %q, but the code has no such check", m[1])
		}
	}
	export := s.exportInterval()
	for _, m := range lookBack.FindAllStringSubmatch(a.Expr, -1) {
		if d, err := prometheusDuration(m[1]); err == nil && d < 2*export {
			find("looks back %v, less than two export intervals of %v: one missed export resolves it", d, export)
			break
		}
	}
	if !ofHealth.MatchString(a.Expr) || a.Labels["severity"] == "info" {
		return
	}
	detection, slowest := time.Duration(0), ""
	for _, c := range s.checks {
		if d := c.detection(); d > detection {
			detection, slowest = d, c.name
		}
	}
	if wait < detection+export {
		find("for %v is too short, because a verdict is visible only after %v of the check %q and %v until the next export", wait, detection, slowest, export)
	}
}
