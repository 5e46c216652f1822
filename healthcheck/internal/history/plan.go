package history

import (
	"context"
	"maps"
	"math"
	"slices"
	"strconv"
)

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
