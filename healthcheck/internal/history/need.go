package history

import (
	"slices"

	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
)

// A Need names series that rules read.
type Need struct {
	Metric string // as the rule names it
	Kind   Kind
	Unit   string // if it is known
	Scope  string // of the instrument; empty for all

	// Limits are the needed boundaries of a histogram. Only these buckets, or the two around a limit, and the
	// total count are read. Then counts beyond a limit are exact, and shown quantiles are not. If it is nil,
	// all buckets are read. If it is empty and not nil, only the total count is read.
	Limits []query.Number

	// Duration is set if the metric is compared with a time.Duration, so its unit is a unit of time.
	Duration bool

	// Keys are the attributes that Where and Per name.
	Keys []string
}

// A Kind is the kind of data that a rule reads.
type Kind int

const (
	Gauge     Kind = iota // a present value, of a gauge or an up-down counter, because Prometheus does not distinguish them
	Counter               // growth: a counter, or the count of a histogram
	Histogram             // with buckets, classic or native
)

// NeedsOf returns the needs of a rule. If all is set, every bucket of a histogram is read, so that shown values
// are right too.
func NeedsOf(r *query.Rule, all bool) []Need {
	i := &r.Indicator
	var bounds []query.Number
	for _, b := range r.Bounds {
		bounds = append(bounds, b.Number)
	}
	if i.Kind == query.KindRatio {
		return []Need{needOf(i.Num, i, nil, all), needOf(i.Den, i, nil, all)}
	}
	return []Need{needOf(i, i, bounds, all)}
}

// needOf returns the need of one side of an indicator.
func needOf(i, whole *query.Indicator, bounds []query.Number, all bool) Need {
	n := Need{Metric: i.Metric, Scope: i.Source, Limits: []query.Number{}}
	if n.Scope == "" {
		n.Scope = whole.Source
	}
	switch i.Kind {
	case query.KindIncrease:
		n.Kind = Counter
	case query.KindQuantile:
		n.Kind, n.Limits, n.Duration = Histogram, append(n.Limits, bounds...), durations(bounds)
	case query.KindShareAbove:
		n.Kind, n.Limits, n.Duration = Histogram, append(n.Limits, i.Bound), i.Bound.Duration
	default:
		n.Duration = i.Kind.OfTime() || durations(bounds)
	}
	if all && n.Kind == Histogram {
		n.Limits = nil
	}
	for _, part := range []*query.Indicator{i, whole} {
		for _, m := range part.Matchers {
			n.Keys = append(n.Keys, string(m.Key))
		}
		for _, k := range part.GroupBy {
			n.Keys = append(n.Keys, string(k))
		}
	}
	slices.Sort(n.Keys)
	n.Keys = slices.Compact(n.Keys)
	return n
}

func durations(all []query.Number) bool {
	return slices.ContainsFunc(all, func(n query.Number) bool { return n.Duration })
}

// The instruments of recorded verdicts. A series is 1 for the state that is in force.
const (
	probeStatus  = "health.probe.status"
	shadowStatus = "health.probe.shadow.status"
	checkStatus  = "health.check.status"
	transition   = "health.check.last_transition.timestamp"
)

const (
	probeName  = string(conventions.ProbeName)
	probeState = string(conventions.ProbeState)
	checkName  = string(conventions.CheckName)
	checkState = string(conventions.CheckState)
)

// Verdicts returns the needs of Collection.Recorded. It is no error if these metrics don't exist.
func Verdicts() []Need {
	return []Need{
		{Metric: probeStatus, Keys: []string{probeName, probeState}},
		{Metric: shadowStatus, Keys: []string{probeName, probeState}},
		{Metric: checkStatus, Keys: []string{checkName, checkState}},
		{Metric: transition, Unit: "s", Duration: true, Keys: []string{checkName}},
	}
}

// String names the instrument.
func (k Kind) String() string {
	return map[Kind]string{Gauge: "gauge", Counter: "counter", Histogram: "histogram"}[k]
}

// A metric is one or several needs of the same name.
type metric struct {
	Need
	scopes []string
	names  []candidate
	unit   string
	wanted []float64       // Limits, in unit
	all    bool            // every bucket is wanted
	labels map[string]bool // of its series; nil if nobody knows
}

// list are its names in the backend.
func (m *metric) list() (all []string) {
	for _, c := range m.names {
		all = append(all, c.name)
	}
	return all
}

// merged joins the needs of one metric.
func merged(needs []Need) (all []*metric) {
	by := map[string]*metric{}
	for _, n := range needs {
		m := by[n.Metric]
		if m == nil {
			m = &metric{Need: Need{Metric: n.Metric, Kind: n.Kind}}
			by[n.Metric], all = m, append(all, m)
		}
		m.Kind = max(m.Kind, n.Kind)
		if m.Unit == "" {
			m.Unit = n.Unit
		}
		if n.Scope != "" && !slices.Contains(m.scopes, n.Scope) {
			m.scopes = append(m.scopes, n.Scope)
		}
		m.Duration = m.Duration || n.Duration
		m.all = m.all || n.Limits == nil
		m.Limits = append(m.Limits, n.Limits...)
		m.Keys = append(m.Keys, n.Keys...)
	}
	return all
}

// resolve finds the metric among the names that exist.
func (m *metric) resolve(exists map[string]bool) {
	m.names = resolve(&m.Need, exists)
	if len(m.names) == 0 {
		return
	}
	m.unit = unitOf(&m.Need, m.names[0].unit)
	for _, l := range m.Limits {
		v := l.Value
		if size := query.Seconds(m.unit); l.Duration && size > 0 {
			v /= size
		}
		m.wanted = append(m.wanted, v)
	}
}

// verdict reports whether the metric is a recorded verdict.
func (m *metric) verdict() bool {
	return m.Metric == probeStatus || m.Metric == shadowStatus || m.Metric == checkStatus || m.Metric == transition
}

// edges chooses the boundaries to read: each limit, or the two around it; nil for all boundaries.
func (m *metric) edges(exist []float64) []float64 {
	if m.all && m.Kind == Histogram {
		return exist
	}
	out := []float64{}
	for _, limit := range m.wanted {
		at, exact := slices.BinarySearchFunc(exist, limit, func(e, limit float64) int {
			switch tolerance := 1e-9 * max(limit, -limit); {
			case e < limit-tolerance:
				return -1
			case e > limit+tolerance:
				return 1
			}
			return 0
		})
		switch {
		case exact:
			out = append(out, exist[at])
		default:
			if at > 0 {
				out = append(out, exist[at-1])
			}
			if at < len(exist) {
				out = append(out, exist[at])
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
