package history

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
)

// instanceLabels are the labels that distinguish instances, the best one first. OTLP has service.instance.id.
// If a scraped target exports a label instance, Prometheus renames it to exported_instance.
var instanceLabels = []string{
	string(conventions.ServiceInstanceID), "service_instance_id", "exported_instance", "instance", "k8s.pod.name", "k8s_pod_name", "pod",
}

// instances finds the instances. Each job has its own.
func (s *Source) instances(ctx context.Context, of scope, labels []string) (all []Instance, err error) {
	order := s.InstanceLabels
	if len(order) == 0 {
		order = instanceLabels
	}
	if labels != nil && !slices.ContainsFunc(order, func(l string) bool { return slices.Contains(labels, l) }) && len(s.InstanceLabels) > 0 {
		return nil, &query.Mistake{Field: "InstanceLabels", Problem: fmt.Sprintf("no series has the label %s: there are %s", strings.Join(order, " or "), strings.Join(slices.Compact(slices.Sorted(slices.Values(labels))), ", "))}
	}
	jobs, err := s.values(ctx, "job", of)
	if err != nil {
		return nil, err
	}
	if len(jobs) < 2 {
		jobs = []string{""}
	}
	for _, job := range jobs {
		within, prefix := of, ""
		if job != "" {
			within.match, prefix = with(of.match, matcher{"job", "=", job}), job+"/"
		}
		var match []matcher
		if job != "" {
			match = append(match, matcher{"job", "=", job})
		}
		for _, label := range order {
			if labels != nil && !slices.Contains(labels, label) {
				continue
			}
			names, err := s.values(ctx, label, within)
			if err != nil {
				return nil, err
			}
			for _, name := range names {
				all = append(all, Instance{prefix + name, with(match, matcher{label, "=", name})})
			}
			none := matcher{label, "=", ""} // the next label counts only for series without this one
			within.match, match = with(within.match, none), with(match, none)
		}
		if rest, err := s.values(ctx, metricName, within); err != nil {
			return nil, err
		} else if len(rest) > 0 {
			all = append(all, Instance{prefix + "(no instance)", match})
		}
	}
	slices.SortFunc(all, func(a, b Instance) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}
