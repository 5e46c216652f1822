package generate

import "fmt"

// few is the largest number of instances that have an alert each. More have one alert with their number,
// because they usually have one cause: a zone, a new version or a shared dependency.
const few = 3

// each raises an alert for every instance that the query finds, or one for all of them. The one for all
// suppresses the others only while it fires, so a number that moves around the limit suppresses no alert.
func each(r rule, by, summary, description string) []rule {
	several := r
	several.expr = fmt.Sprintf("count by (%s) (%s) > %d", by, r.expr, few)
	several.labels = append([][2]string{{"instances", "several"}}, r.labels...)
	several.summary, several.description = summary, description
	r.expr = fmt.Sprintf(`(%s) unless on (%s) ALERTS{alertname=%q,alertstate="firing",instances="several"}`, r.expr, by, r.alert)
	return []rule{several, r}
}

// both makes a warning for an instance and a page for the service. While the page's condition holds, the
// warning does not fire.
func both(instance, service rule, on, summary, description string) []rule {
	instance.severity, service.severity = "warning", "critical"
	instance.alert = service.alert
	instance.expr += " unless on (" + on + ") (" + service.expr + ")"
	return append(each(instance, on, summary, description), service)
}
