package history

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"go.opentelemetry.io/otel/attribute"
)

// Find finds the names, the units and the instances of what is needed between two times, both
// included. A need that nothing has is Found without names. If no need is found, the error says which
// names were tried.
func (s *Source) Find(ctx context.Context, needs []Need, from, to time.Time) (*History, error) {
	match, err := s.validate(from, to)
	if err != nil {
		return nil, err
	}
	h := &History{From: from, To: to, source: s, match: match, metrics: merged(needs)}
	names, err := s.values(ctx, metricName, scope{from, to, match})
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, s.nothing(ctx, from, to)
	}
	if err := h.resolve(needs, names); err != nil {
		return nil, err
	}
	of := scope{from, to, with(match, h.anyName())}
	labels, err := h.labels(ctx)
	if err != nil {
		return nil, err
	}
	h.translate()
	if h.Instances, err = s.instances(ctx, of, labels); err != nil {
		return nil, err
	}
	for n := range h.Found {
		f := &h.Found[n]
		if len(f.Names) == 0 || h.metric(f.Metric).names[0].form != classic {
			continue
		}
		edges, err := s.boundaries(ctx, scope{from, to, with(match, oneOf(metricName, f.Names))})
		if err != nil {
			return nil, err
		}
		f.Boundaries = edges.values()
	}
	return h, nil
}

func (s *Source) validate(from, to time.Time) (match []matcher, err error) {
	if _, err := s.base(); err != nil {
		return nil, err
	}
	match, err = parseSelector(s.Selector)
	switch {
	case err != nil:
		return nil, &query.Mistake{Field: "Selector", Problem: err.Error()}
	case s.Way != Auto && s.Way != RemoteRead && s.Way != Query:
		return nil, &query.Mistake{Field: "Way", Problem: fmt.Sprintf("%q is neither %q nor %q", s.Way, RemoteRead, Query)}
	case from.IsZero() || to.IsZero() || !from.Before(to):
		return nil, &query.Mistake{Field: "From", Problem: fmt.Sprintf("the time from %s to %s is empty", stamp(from), stamp(to))}
	case from.After(time.Now()):
		return nil, &query.Mistake{Field: "From", Problem: fmt.Sprintf("%s is in the future", stamp(from))}
	}
	return match, nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// nothing says that the selector matches no series.
func (s *Source) nothing(ctx context.Context, from, to time.Time) error {
	jobs, err := s.values(ctx, "job", scope{from, to, []matcher{{"job", "!=", ""}}})
	hint := "is the time within its retention?"
	if err == nil && len(jobs) > 0 {
		slices.Sort(jobs)
		more := ""
		if len(jobs) > 5 {
			jobs, more = jobs[:5], ", …"
		}
		hint = "its jobs are " + strings.Join(jobs, ", ") + more
	}
	return &query.Mistake{Field: "Selector", Problem: fmt.Sprintf("%s matches no series from %s to %s: %s", orAll(s.Selector), stamp(from), stamp(to), hint)}
}

func orAll(selector string) string {
	if strings.TrimSpace(selector) == "" {
		return "the empty selector"
	}
	return selector
}

// resolve finds each need among the names.
func (h *History) resolve(needs []Need, names []string) error {
	exists := map[string]bool{}
	for _, n := range names {
		exists[n] = true
	}
	h.start = exists[processStart]
	any := false
	var tried []string
	for _, m := range h.metrics {
		m.resolve(exists)
		any = any || len(m.names) > 0
		if len(m.names) == 0 && !m.verdict() {
			tried = append(tried, m.tried(names))
		}
	}
	if !any {
		return &query.Mistake{Field: "Selector", Problem: fmt.Sprintf("no series of %s is read by a rule: %s", orAll(h.source.Selector), strings.Join(tried, "; "))}
	}
	for _, n := range needs {
		f := Found{Need: n}
		if m := h.metric(n.Metric); len(m.names) > 0 {
			f.Names, f.Unit, f.Native = m.list(), m.unit, n.Kind == Histogram && m.names[0].form == plain
		}
		h.Found = append(h.Found, f)
	}
	return nil
}

func (h *History) metric(name string) *metric {
	return h.metrics[slices.IndexFunc(h.metrics, func(m *metric) bool { return m.Metric == name })]
}

// tried says which names were tried.
func (m *metric) tried(names []string) string {
	end := map[Kind]string{Gauge: "", Counter: "_total", Histogram: "_bucket"}[m.Kind]
	plain := underscored(m.Metric, true)
	tried := []string{m.Metric}
	for _, name := range []string{plain + end, plain + "_seconds" + end} {
		if !slices.Contains(tried, name) {
			tried = append(tried, name)
		}
	}
	text := fmt.Sprintf("%s: tried %s and other units", m.Metric, strings.Join(tried, ", "))
	if like := similar(m.Metric, names); len(like) > 0 {
		text += "; there is " + strings.Join(like, ", ")
	}
	return text
}

// anyName matches the names of all metrics.
func (h *History) anyName() matcher {
	var names []string
	for _, m := range h.metrics {
		names = append(names, m.list()...)
	}
	slices.Sort(names)
	return oneOf(metricName, slices.Compact(names))
}

// targets are labels of the process that was scraped or that pushed, not of a measurement. If one
// changes, the series goes on. prometheus_replica and its like tell two backends apart that hold the same.
var targets = []string{
	"service.instance.id", "service_instance_id", "exported_instance", "instance",
	"job", "exported_job", "prometheus", "prometheus_replica", "receive", "receive_replica", "__replica__",
}

const (
	bucketLabel  = "le"
	scopeName    = "otel_scope_name"
	scopeVersion = "otel_scope_version"
)

// labels finds the labels of each metric, and returns all of them; nil if the backend can't tell. External
// labels, which only remote read adds, are not among them.
func (h *History) labels(ctx context.Context) (all []string, err error) {
	for _, m := range h.metrics {
		if len(m.names) == 0 {
			continue
		}
		own, err := h.source.labels(ctx, scope{h.From, h.To, with(h.match, oneOf(metricName, m.list()))})
		if unsupported(err) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		m.labels = map[string]bool{}
		for _, l := range own {
			m.labels[l] = true
		}
		all = append(all, own...)
	}
	return all, nil
}

// translate finds out which labels are attributes.
func (h *History) translate() {
	h.drop = map[string]bool{metricName: true, bucketLabel: true, scopeName: true, scopeVersion: true}
	for _, l := range slices.Concat(targets, h.source.InstanceLabels) {
		h.drop[l] = true
	}
	h.keys = map[string]attribute.Key{"otel_metric_overflow": overflow}
	for _, m := range h.metrics {
		for _, key := range m.Keys {
			for _, l := range labelNames(key) {
				h.keys[l] = attribute.Key(key)
				delete(h.drop, l)
			}
		}
	}
}

// key returns the attribute that a label of a metric is, if it is one.
func (h *History) key(m *metric, label string) (attribute.Key, bool) {
	if h.drop[label] || strings.HasPrefix(label, "__") { // __type__ and __unit__ are of the feature type-and-unit-labels
		return "", false
	}
	if m.labels != nil && !m.labels[label] {
		return "", false
	}
	if key, named := h.keys[label]; named {
		return key, true
	}
	return attribute.Key(label), true
}

// instanceLabels are the labels that tell instances apart, the best first. service.instance.id is that of
// OTLP. If a scraped target has a label instance of its own, Prometheus calls it exported_instance.
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
			none := matcher{label, "=", ""} // the next label is for series without this one
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

// boundaries are the texts of le, by their numbers.
type boundaries map[float64][]string

// values are the boundaries without +Inf, in order.
func (b boundaries) values() []float64 {
	all := slices.Sorted(maps.Keys(b))
	return slices.DeleteFunc(all, func(v float64) bool { return math.IsInf(v, 1) })
}

// boundaries returns the boundaries of a classic histogram. The same one is "1" by OTLP and "1.0" in
// OpenMetrics.
func (s *Source) boundaries(ctx context.Context, of scope) (boundaries, error) {
	texts, err := s.values(ctx, bucketLabel, of)
	out := boundaries{}
	for _, t := range texts {
		if v, err := strconv.ParseFloat(t, 64); err == nil && !math.IsNaN(v) {
			out[v] = append(out[v], t)
		}
	}
	return out, err
}

// A plan is how the series of one instance are selected.
type plan struct {
	metrics   []*metric
	selectors [][]matcher
	forms     []form
}

// processStart is the gauge of client_golang that tells when a process began.
const processStart = "process_start_time_seconds"

// plan selects the series of an instance.
func (h *History) plan(ctx context.Context, of Instance) (*plan, error) {
	p := &plan{}
	own := with(h.match, of.match...)
	exists := map[string]bool{}
	if slices.ContainsFunc(h.metrics, func(m *metric) bool { return len(m.names) > 1 }) {
		names, err := h.source.values(ctx, metricName, scope{h.From, h.To, with(own, h.anyName())})
		if err != nil {
			return nil, err
		}
		for _, n := range names {
			exists[n] = true
		}
	}
	for _, m := range h.metrics {
		if len(m.names) == 0 {
			continue
		}
		c := m.names[0]
		if at := slices.IndexFunc(m.names, func(c candidate) bool { return exists[c.name] }); at >= 0 {
			c = m.names[at]
		}
		all := with(own, matcher{metricName, "=", c.name})
		if c.form == classic {
			edges, err := h.source.boundaries(ctx, scope{h.From, h.To, all})
			if err != nil {
				return nil, err
			}
			if some := m.edges(edges.values()); len(some) < len(edges.values()) {
				var texts []string
				for _, v := range append(some, math.Inf(1)) {
					texts = append(texts, edges[v]...)
				}
				if len(texts) == 0 {
					continue // this instance has none
				}
				all = append(all, oneOf(bucketLabel, texts))
			}
		}
		p.metrics, p.selectors, p.forms = append(p.metrics, m), append(p.selectors, all), append(p.forms, c.form)
	}
	if h.start {
		p.metrics = append(p.metrics, &metric{Need: Need{Metric: processStart}})
		p.selectors = append(p.selectors, with(own, matcher{metricName, "=", processStart}))
		p.forms = append(p.forms, plain)
	}
	return p, nil
}
