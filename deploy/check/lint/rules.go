package main

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What ends after the drain, in healthcheck, the demo and telemetry.
const ending = 6*time.Second + // requests in flight
	1*time.Second + // jobs
	3*time.Second // the last export

// lint returns what disagrees, one finding a line, each beginning with where.
func (s system) lint() (found []string) {
	find := func(where, format string, a ...any) { found = append(found, where+": "+fmt.Sprintf(format, a...)) }
	for _, w := range s.workloads {
		where := w.Kind + " " + w.Metadata.Name
		for _, c := range w.Spec.Template.Spec.Containers {
			w.lintEnd(c, func(format string, a ...any) { find(where, format, a...) })
			c.lintProbes(func(format string, a ...any) { find(where, format, a...) })
			c.lintMemory(func(format string, a ...any) { find(where, format, a...) })
			c.lintEnv(func(format string, a ...any) { find(where, format, a...) })
			s.lintPaths(w, c, func(format string, a ...any) { find(where, format, a...) })
		}
		w.lintOwner(func(format string, a ...any) { find(where, format, a...) })
		s.lintTelemetry(w, func(format string, a ...any) { find(where, format, a...) })
	}
	for _, v := range s.services {
		s.lintService(v, func(format string, a ...any) { find("Service "+v.Metadata.Name, format, a...) })
	}
	for _, p := range s.policies {
		s.lintPolicy(p, func(format string, a ...any) { find("NetworkPolicy "+p.Metadata.Name, format, a...) })
	}
	for _, b := range s.budgets {
		s.lintBudget(b, func(format string, a ...any) { find("PodDisruptionBudget "+b.Metadata.Name, format, a...) })
	}
	for _, h := range s.scalers {
		s.lintScaler(h, func(format string, a ...any) { find("HorizontalPodAutoscaler "+h.Metadata.Name, format, a...) })
	}
	for _, c := range s.checks {
		if c.unreadable != "" {
			find("check "+c.name, "%s is no constant; its detection time is not known here", c.unreadable)
		}
	}
	for _, a := range s.alerts {
		s.lintAlert(a, func(format string, a2 ...any) { find("alert "+a.Alert, format, a2...) })
	}
	return found
}

type finder func(format string, a ...any)

// lintEnd compares what a termination takes with what the kubelet gives.
func (w workload) lintEnd(c container, find finder) {
	grace := 30 * time.Second
	if g := w.Spec.Template.Spec.Grace; g != nil {
		grace = time.Duration(*g) * time.Second
	}
	sleep := c.preStop()
	said, has := c.arg("drain")
	if !has {
		if sleep > grace {
			find("%s sleeps %v before it stops, longer than terminationGracePeriodSeconds %v", c.Name, sleep, grace)
		}
		return
	}
	drain, err := time.ParseDuration(said)
	if err != nil {
		find("%s: -drain: %v", c.Name, err)
		return
	}
	if all := sleep + drain + ending; all > grace {
		find("%s is killed while it ends: preStop %v, drain %v and %v for requests, jobs and telemetry are %v, and terminationGracePeriodSeconds is %v",
			c.Name, sleep, drain, ending, all, grace)
	}
	if p := c.Readiness; p != nil && sleep+drain < time.Duration(p.Period)*time.Second {
		find("%s drains for %v, less than readiness' period of %d s: who goes by the probe sends requests to the last", c.Name, sleep+drain, p.Period)
	}
}

// listenFlag finds the flags that name a listen address.
var listenFlag = regexp.MustCompile(`^--?[\w.-]*(addr|address|listen|port)=?`)

// listens returns the ports of addresses in arguments and variables; none where the
// container isn't told.
func (c container) listens() (ports []int) {
	add := func(addr string) {
		_, port, err := net.SplitHostPort(addr)
		if n, err2 := strconv.Atoi(port); err == nil && err2 == nil {
			ports = append(ports, n)
		}
	}
	for i, a := range c.Args {
		switch _, value, given := strings.Cut(a, "="); {
		case !listenFlag.MatchString(a):
		case given:
			add(value)
		case i+1 < len(c.Args):
			add(c.Args[i+1])
		}
	}
	for _, e := range c.Env {
		if strings.HasSuffix(e.Name, "_ADDR") || strings.HasSuffix(e.Name, "_ADDRESS") {
			add(e.Value)
		}
	}
	return ports
}

func (c container) lintProbes(find finder) {
	probes := []struct {
		name string
		*probe
	}{{"startup", c.Startup}, {"liveness", c.Liveness}, {"readiness", c.Readiness}}
	listens := c.listens()
	for _, p := range probes {
		if p.probe == nil || p.HTTPGet == nil {
			continue
		}
		port, ok := c.port(p.HTTPGet.Port)
		switch {
		case !ok: // nothing else refuses it, and the kubelet throws each result away
			find("%s: the %s probe's port %v is no port of the container", c.Name, p.name, p.HTTPGet.Port)
		case len(listens) > 0 && !slices.Contains(listens, port):
			find("%s: the %s probe asks port %d, and it listens on %v", c.Name, p.name, port, listens)
		}
		if p.Timeout > p.Period {
			find("%s: the %s probe's timeout of %d s is longer than its period of %d s", c.Name, p.name, p.Timeout, p.Period)
		}
		wrong := map[string]string{"startup": "", "liveness": "/ready", "readiness": "/health"}[p.name]
		if wrong != "" && p.HTTPGet.Path == wrong {
			find("%s: the %s probe asks %s", c.Name, p.name, wrong)
		}
	}
	if p := c.Liveness; p != nil && p.Failures == 1 {
		find("%s: one liveness probe that is lost restarts it", c.Name)
	}
}

// port is a probe's, which may be a name.
func (c container) port(p any) (int, bool) {
	if n, ok := p.(int); ok {
		return n, slices.ContainsFunc(c.Ports, func(port struct {
			Name          string
			ContainerPort int `yaml:"containerPort"`
		}) bool {
			return port.ContainerPort == n
		})
	}
	for _, port := range c.Ports {
		if port.Name == p {
			return port.ContainerPort, true
		}
	}
	return 0, false
}

func (c container) lintMemory(find finder) {
	soft, has := c.env("GOMEMLIMIT")
	hard, limited := c.Resources.Limits["memory"]
	if a, b := bytesOf(soft), bytesOf(hard); has && limited && a >= b {
		find("%s: GOMEMLIMIT %s does not keep it under its limit of %s", c.Name, soft, hard)
	}
}

// bytesOf reads 230MiB and 256Mi.
func bytesOf(s string) float64 {
	s = strings.TrimSuffix(s, "B")
	for i, unit := range []string{"Ki", "Mi", "Gi", "Ti"} {
		if n, ok := strings.CutSuffix(s, unit); ok {
			f, _ := strconv.ParseFloat(n, 64)
			for range i + 1 {
				f *= 1024
			}
			return f
		}
	}
	f, _ := strconv.ParseFloat(s, 64)
	return f
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

func (s system) lintBudget(b budget, find finder) {
	if b.Spec.Unhealthy != "AlwaysAllow" {
		find("unhealthyPodEvictionPolicy is not AlwaysAllow: a pod that never gets ready keeps its node from being drained")
	}
	selected := false
	for _, w := range s.workloads {
		if !b.Spec.Selector.selects(w.Spec.Template.Metadata.Labels) {
			continue
		}
		selected = true
		least := w.replicas()
		for _, h := range s.scalers {
			if h.Spec.Target.Kind == w.Kind && h.Spec.Target.Name == w.Metadata.Name {
				least = h.min()
			}
		}
		if n, ok := count(b.Spec.MinAvailable, least); ok && n >= least {
			find("minAvailable %v of %s %s, which may have %d: no pod can ever be evicted", b.Spec.MinAvailable, w.Kind, w.Metadata.Name, least)
		}
		if b.Spec.MaxUnavailable == 0 || b.Spec.MaxUnavailable == "0%" {
			find("no pod of %s %s can ever be evicted", w.Kind, w.Metadata.Name)
		}
	}
	if !selected {
		find("selects nothing")
	}
}

// count is a number, or a share of all, which the API server rounds up.
func count(v any, all int) (int, bool) {
	switch v := v.(type) {
	case int:
		return v, true
	case string:
		share, err := strconv.Atoi(strings.TrimSuffix(v, "%"))
		return (share*all + 99) / 100, err == nil
	}
	return 0, false
}

func (s system) lintScaler(h scaler, find finder) {
	i := slices.IndexFunc(s.workloads, func(w workload) bool {
		return w.Kind == h.Spec.Target.Kind && w.Metadata.Name == h.Spec.Target.Name
	})
	if i < 0 {
		find("scales %s %s, which is not there", h.Spec.Target.Kind, h.Spec.Target.Name)
		return
	}
	w := s.workloads[i]
	if w.Spec.Replicas != nil {
		find("%s %s says replicas too: each apply would undo the scaling", w.Kind, w.Metadata.Name)
	}
	if h.min() > h.Spec.Max {
		find("minReplicas %d are more than maxReplicas %d", h.min(), h.Spec.Max)
	}
	for _, m := range h.Spec.Metrics {
		for _, c := range w.Spec.Template.Spec.Containers {
			if _, has := c.Resources.Requests[m.Resource.Name]; m.Resource.Target.Type == "Utilization" && !has {
				find("goes by the utilization of %s, of which %s requests none", m.Resource.Name, c.Name)
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

var (
	ofHealth  = regexp.MustCompile(`\b(health_(check|probe|lifecycle)_status|job:health_)`)
	checkName = regexp.MustCompile(`health_check_name="([^"]+)"`)
	lookBack  = regexp.MustCompile(`last_over_time\([^\[]*\[(\w+)\]`)
)

// lintAlert holds an alert on verdicts against how long a verdict takes to come, and
// to be taken back: before that it fires on a single sample.
func (s system) lintAlert(a alert, find finder) {
	wait, err := a.wait()
	if err != nil {
		find("for: %v", err)
		return
	}
	for _, m := range checkName.FindAllStringSubmatch(a.Expr, -1) {
		if len(s.checks) > 0 && !slices.ContainsFunc(s.checks, func(c check) bool { return c.name == m[1] }) {
			find("is about the check %q, which the code does not have", m[1])
		}
	}
	export := s.exportInterval()
	for _, m := range lookBack.FindAllStringSubmatch(a.Expr, -1) {
		if d, err := prometheusDuration(m[1]); err == nil && d < 2*export {
			find("looks back %v, which is less than two exports of %v: one that is missed resolves it", d, export)
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
		find("for %v is shorter than what a verdict takes to be seen: %v of the check %q and %v until the next export", wait, detection, slowest, export)
	}
}
