package lint

import (
	"strconv"
	"time"
)

// monitor is a PodMonitor or a ServiceMonitor. lint assumes that the Service of a ServiceMonitor
// has the labels of its pods.
type monitor struct {
	Kind     string
	Metadata meta
	Spec     struct {
		Selector  selector
		Pods      []endpoint `yaml:"podMetricsEndpoints"`
		Endpoints []endpoint
	}
}

type endpoint struct{ Port, Interval string }

// lintTelemetry finds workloads that push and are scraped. Every series would exist twice under
// different labels, and every sum would double.
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
		find("exports twice: its annotation asks for scrapes, and %s makes it push", pushes)
	}
	for _, m := range s.monitors {
		if !m.Spec.Selector.selects(pod.Labels) {
			continue
		}
		if pushes != "" {
			find("exports twice: %s %s scrapes it, and %s makes it push", m.Kind, m.Metadata.Name, pushes)
		}
		for _, e := range append(m.Spec.Pods, m.Spec.Endpoints...) {
			if m.Kind == "PodMonitor" && !w.hasPort(e.Port) {
				find("has no port %q, but PodMonitor %s scrapes it", e.Port, m.Metadata.Name)
			}
			w.lintDrain(m, e, find)
		}
	}
}

// lintDrain finds a drain that a scrape can miss. By the drain the alerts distinguish an orderly end from a kill.
func (w workload) lintDrain(m monitor, e endpoint, find finder) {
	interval, err := time.ParseDuration(e.Interval)
	if err != nil {
		return // Prometheus' own interval
	}
	for _, c := range w.Spec.Template.Spec.Containers {
		said, has := c.arg("drain")
		if !has {
			continue
		}
		if drain, err := time.ParseDuration(said); err == nil && drain < 2*interval {
			find("%s drains for %v, less than two scrapes of %s %s (%v each): its end may look like a kill", c.Name, drain, m.Kind, m.Metadata.Name, interval)
		}
	}
}

// exportInterval is the longest interval of all workloads that push, and at least telemetry's
// default. lint assumes the same interval for scrapes.
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
