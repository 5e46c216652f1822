package main

import (
	"strconv"
	"time"
)

// monitor is a PodMonitor, or a ServiceMonitor, whose Service is taken to have the
// labels of its pods.
type monitor struct {
	Kind     string
	Metadata meta
	Spec     struct {
		Selector  selector
		Pods      []struct{ Port string } `yaml:"podMetricsEndpoints"`
		Endpoints []struct{ Port string }
	}
}

// lintTelemetry finds who does both: the same series would be there twice, under
// different labels, and every sum is double.
func (s system) lintTelemetry(w workload, find finder) {
	pod := w.Spec.Template.Metadata
	pushes := ""
	for _, c := range w.Spec.Template.Spec.Containers {
		for _, name := range []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"} {
			if _, has := c.env(name); has {
				pushes = name
			}
		}
		if exporter, has := c.env("OTEL_METRICS_EXPORTER"); has && exporter != "otlp" {
			pushes = ""
		}
	}
	if pod.Annotations["prometheus.io/scrape"] == "true" && pushes != "" {
		find("is scraped by its annotation and pushes by %s", pushes)
	}
	for _, m := range s.monitors {
		if !m.Spec.Selector.selects(pod.Labels) {
			continue
		}
		if pushes != "" {
			find("is scraped by %s %s and pushes by %s", m.Kind, m.Metadata.Name, pushes)
		}
		for _, e := range append(m.Spec.Pods, m.Spec.Endpoints...) {
			if m.Kind == "PodMonitor" && !w.hasPort(e.Port) {
				find("has no port %q, which PodMonitor %s scrapes", e.Port, m.Metadata.Name)
			}
		}
	}
}

// exportInterval is the longest of the workloads that push, but not less than what
// telemetry does unless told otherwise. Who is scraped is taken to be so as often.
func (s system) exportInterval() time.Duration {
	longest := 15 * time.Second
	for _, w := range s.workloads {
		for _, c := range w.Spec.Template.Spec.Containers {
			value, _ := c.env("OTEL_METRIC_EXPORT_INTERVAL")
			if ms, err := strconv.Atoi(value); err == nil {
				longest = max(longest, time.Duration(ms)*time.Millisecond)
			}
		}
	}
	return longest
}
