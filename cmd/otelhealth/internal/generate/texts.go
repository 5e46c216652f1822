package generate

import (
	"fmt"
	"regexp"
	"strings"
)

var labelInTemplate = regexp.MustCompile(`\$labels\.(\w+)`)

const (
	ofJob      = "{{ $labels.job }}"
	onInstance = "{{ $labels.instance }}"
)

// template adds the group's labels to a job and the pod's name to an instance, and uses this
// dialect's label names.
func (d dialect) template(text string) string {
	text = labelInTemplate.ReplaceAllStringFunc(text, func(l string) string {
		return reference(d.label(strings.TrimPrefix(l, "$labels.")))
	})
	text = strings.Replace(text, onInstance, onInstance+d.who(), 1)
	if len(d.group) > 0 {
		var more []string
		for _, l := range d.group {
			more = append(more, "{{ "+reference(l)+" }}")
		}
		text = strings.ReplaceAll(text, ofJob, ofJob+" ("+strings.Join(more, ", ")+")")
	}
	return text
}

// who looks up pod, namespace, node and version of an instance. It is a query in the text, not a join in
// the rule: a join fails if an instance has two versions, for example, and then no alert fires.
func (d dialect) who() string {
	matchers, values := "job=%q,instance=%q", "$labels.job $labels.instance"
	for _, l := range d.group {
		matchers += fmt.Sprintf(",%q=%%q", l)
		values += " " + reference(l)
	}
	text := fmt.Sprintf("{{ range printf `topk(1, target_info{%s})` %s | query }}", matchers, values)
	for _, l := range [][2]string{{"pod", "k8s_pod_name"}, {"namespace", "k8s_namespace_name"}, {"node", "k8s_node_name"}, {"version", "service_version"}} {
		text += fmt.Sprintf("{{ with label %q . }}, %s {{ . }}{{ end }}", d.label(l[1]), l[0])
	}
	return text + "{{ end }}"
}

// link returns the URL of the alert's dashboard. It escapes the job, because a job's name has a slash.
func (d dialect) link(r rule) string {
	if r.dashboard == "" {
		r.dashboard = "health-service"
	}
	link := "/d/" + r.dashboard
	if !strings.Contains(r.description, "$labels.job") {
		return link
	}
	link += "?var-job={{ $labels.job | urlQueryEscape }}"
	for _, l := range d.group {
		link += fmt.Sprintf("&var-%s={{ %s | urlQueryEscape }}", variableOf(l), reference(l))
	}
	return link
}
