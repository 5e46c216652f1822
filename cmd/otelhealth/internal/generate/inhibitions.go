package generate

import (
	"fmt"
	"strings"
)

// inhibitions is a complete example of an Alertmanager configuration. An alert that explains another
// inhibits it.
func inhibitions(d dialect) string {
	quoted := func(l string) string {
		if strings.Contains(l, ".") {
			return fmt.Sprintf("%q", l)
		}
		return l
	}
	list := func(labels []string) string {
		var all []string
		for _, l := range labels {
			all = append(all, quoted(d.label(l)))
		}
		return strings.Join(all, ", ")
	}
	equal := func(more ...string) string { return list(append(d.grouped([]string{"job"}), more...)) }
	one := func(source, target, equal string) string {
		list := strings.NewReplacer("; ", "', '")
		return fmt.Sprintf("  - source_matchers: ['%s']\n    target_matchers: ['%s']\n    equal: [%s]\n", list.Replace(source), list.Replace(target), equal)
	}
	const deaf = `alertname="TelemetryPipelineDown"; severity="critical"; reason!="unsteady"`
	const silence = `alertname=~"HealthTelemetryAbsent|HealthRulesBlind|TelemetryExportFailing|TelemetryItemsLost"`
	pipeline := one(deaf, silence, list(d.group))
	if len(d.group) > 0 {
		source := deaf
		for _, l := range d.group {
			source += "; " + quoted(l) + `=""`
		}
		pipeline += "  # A collector without these labels serves all clusters.\n" + one(source, silence, "")
	}
	return `# An example. Copy its inhibit_rules to your Alertmanager's configuration, and complete the
# receivers. It passes amtool check-config as it is.
route:
  receiver: tickets
  group_by: [` + equal("alertname") + `]
  routes:
    - matchers: [severity="critical"]
      receiver: pager
receivers:
  - name: pager
  - name: tickets
inhibit_rules:
  # While the pipeline is down, a silent service may be well. So this inhibits alerts on silence.
  # Other alerts read data that has arrived, so they stay. "equal" has no job, because the
  # collector's job is another.
` + pipeline +
		"  # A silent service has no other alert.\n" +
		one(`alertname="HealthTelemetryAbsent"`, `alertname=~"Health.+|Http.+|Queue.+"; alertname!="HealthTelemetryAbsent"`, equal()) +
		`  # If no instance is ready, low capacity and single instances follow from it.
` + one(`alertname="HealthNoReadyInstance"`, `alertname=~"HealthCapacityLow|HealthInstanceNotReady|HealthStartingTooLong|HealthReadyBudgetBurn"`, equal()) +
		one(`alertname=~"HealthCapacityLow|HealthPanic"; severity="critical"`, `alertname="HealthReadyBudgetBurn"`, equal()) +
		`  # A check that fails on most instances has one cause.
` + one(`alertname="HealthDependencyDown"`, `alertname=~"HealthCheckFailing|HealthCheckFlapping|HealthCheckStale"`, equal("health_check_name")) +
		`  # If nothing is taken from a queue, it is soon full.
` + one(`alertname="QueueStalled"; severity="critical"`, `alertname="QueueNearlyFull"; severity="critical"`, equal("queue_name")) +
		`  # The same alert with a lower severity.
` + one(`severity="critical"`, `severity="warning"`, equal("alertname", "health_check_name", "queue_name"))
}
