package generate

import (
	"fmt"
	"strings"
)

// inhibitions is a complete Alertmanager configuration with example rules. The alert with more
// information silences the one with less.
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
		pipeline += "  # A collector without these labels serves all of them.\n" + one(source, silence, "")
	}
	return `# An example: take its inhibit_rules into your Alertmanager's configuration, and
# give the receivers what they lack. amtool check-config reads it as it is.
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
  # Who hears nothing knows nothing. No job in common: the collector is another job.
  # What is still heard is still true, so only alerts on silence are kept back.
` + pipeline +
		one(`alertname="HealthTelemetryAbsent"`, `alertname=~"Health.+|Http.+|Queue.+"; alertname!="HealthTelemetryAbsent"`, equal()) +
		`  # What nobody can use is not also slow, low or failing its checks.
` + one(`alertname="HealthNoReadyInstance"`, `alertname=~"HealthCapacityLow|HealthInstanceNotReady|HealthStartingTooLong|HealthReadyBudgetBurn"`, equal()) +
		one(`alertname=~"HealthCapacityLow|HealthPanic"; severity="critical"`, `alertname="HealthReadyBudgetBurn"`, equal()) +
		`  # One check everywhere is one trouble.
` + one(`alertname="HealthDependencyDown"`, `alertname=~"HealthCheckFailing|HealthCheckFlapping|HealthCheckStale"`, equal("health_check_name")) +
		`  # A queue from which nothing is taken is full soon.
` + one(`alertname="QueueStalled"; severity="critical"`, `alertname="QueueNearlyFull"; severity="critical"`, equal("queue_name")) +
		`  # The same alert, less bad.
` + one(`severity="critical"`, `severity="warning"`, equal("alertname", "health_check_name", "queue_name"))
}
