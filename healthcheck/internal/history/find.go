package history

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"go.opentelemetry.io/otel/attribute"
)

// Find finds the names, the units and the instances of the needed metrics between two times, both included.
// If a metric does not exist, its Found has no names. If none exists, the error says which names were tried.
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

// nothing returns the error of a selector that matches no series.
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

// tried returns a text with the names that were tried.
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

// targets are labels of the scraped or pushing process, not of a measurement. If one changes, the series goes
// on. prometheus_replica and similar labels distinguish backends that hold the same data.
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

// key returns the attribute of a label of a metric, if the label is an attribute.
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
