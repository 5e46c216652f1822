package promhealth

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// lookup is one search of the registries for the wanted families.
type lookup struct {
	want    *wanted
	before  []*spec           // of the last lookup
	not     func(string) bool // names that the reader has itself
	done    chan struct{}
	sources []*source // after done is closed
	known   map[string]presence
}

// start searches in its own goroutine, because a foreign Describe may block.
func (f *families) start(want *wanted) *lookup {
	l := &lookup{want: want, not: f.isInstrument, done: make(chan struct{}), known: map[string]presence{}}
	for _, s := range f.sources {
		l.before = append(l.before, s.spec)
	}
	go func() {
		defer close(l.done)
		_ = guarded(func() { // if a Gatherer panics, the families not yet found count as not registered
			for _, r := range f.registries {
				l.search(r)
			}
			if len(f.gatherers) > 0 {
				l.gathered(f.gatherers)
			}
		})
	}()
	return l
}

// wants returns the parts of a family that rules read.
func (l *lookup) wants(name string) (parts []part) {
	for _, w := range []struct {
		suffix string
		aspect
	}{{"", whole}, {"_count", count}, {"_sum", sum}} {
		if limits, yes := l.want.limits[name+w.suffix]; yes && !l.not(name+w.suffix) {
			parts = append(parts, part{name + w.suffix, w.aspect, around(limits)})
		}
	}
	return parts
}

// search finds the collectors in a registry that have a wanted family.
func (l *lookup) search(r *prometheus.Registry) {
	in := search{registry: r, all: describe(r)}
	byText, found := map[string]described{}, map[string]bool{}
	for _, d := range in.all {
		byText[d.text] = d
	}
	take := func(s spec) {
		for _, d := range s.outer {
			found[d.text] = true
		}
		l.take(s)
	}
	try := func(group []described, c prometheus.Collector) {
		if c == nil {
			return // the collector was unregistered, or describes something else in every call
		}
		if s, ok := bind(c, group); ok {
			s.registry, s.key = r, fmt.Sprintf("%p %s", r, s.key)
			take(s)
		}
	}
	for _, s := range l.before {
		group, same := make([]described, 0, len(s.outer)), s.collector != nil && s.unique()
		for _, d := range s.outer {
			now, is := byText[d.text]
			if !is {
				break
			}
			group, same = append(group, now), same && now.desc == d.desc
		}
		switch {
		case s.registry != r || len(group) < len(s.outer):
		case same:
			take(*s)
		default:
			try(group, existing(r, group))
		}
	}
	for k, d := range in.all {
		if len(l.wants(d.name)) == 0 || found[d.text] {
			continue
		}
		try(in.owner(k))
	}
}

// bind finds the prefix and the labels that a wrapped Registerer adds to a collector.
func bind(c prometheus.Collector, group []described) (s spec, ok bool) {
	own := describe(c)
	s = spec{collector: c, outer: group, names: map[*prometheus.Desc]string{}}
	s.prefix, s.labels, ok = wrapping(own, group)
	for _, d := range own {
		s.names[d.desc] = d.name
	}
	texts := make([]string, len(group))
	for i, d := range group {
		texts[i] = d.text
	}
	slices.Sort(texts)
	s.key = strings.Join(texts, "\n")
	return s, ok
}

// take makes a source of a collector.
func (l *lookup) take(s spec) {
	parts := map[string][]part{}
	for _, name := range s.names {
		if wanted := l.wants(s.prefix + name); len(wanted) > 0 {
			parts[name] = wanted
		}
	}
	if len(parts) == 0 {
		return
	}
	s.want(parts)
	for _, name := range s.wanted {
		before, twice := l.known[name]
		l.known[name] = presence{quiet: mayBeQuiet(s.collector) && (!twice || before.quiet)}
	}
	l.sources = append(l.sources, newSource(&s))
}

func newSource(s *spec) *source { return &source{spec: s, cache: newCache(isVec(s.collector))} }

// gathered makes a source of a Gatherer for all families that no registry has.
func (l *lookup) gathered(g prometheus.Gatherer) {
	parts := map[string][]part{}
	for name := range l.want.limits {
		if _, found := l.known[name]; found {
			continue
		}
		// Only the answer shows whether the name is a family, or the count or sum of one.
		for _, base := range []string{name, strings.TrimSuffix(name, "_count"), strings.TrimSuffix(name, "_sum")} {
			parts[base] = l.wants(base)
		}
	}
	if len(parts) > 0 {
		s := &spec{key: "Gatherer", gatherer: g}
		s.want(parts)
		l.sources = append(l.sources, newSource(s))
	}
}

// mayBeQuiet reports whether a collector may send no series, because it has no child or no
// observation. A histogram looks like a summary here, but always has a series.
func mayBeQuiet(c prometheus.Collector) bool {
	_, summary := c.(prometheus.Summary)
	return isVec(c) || summary
}

// isVec reports whether a collector is a vec. The series of a vec have the same labels in memory in
// every collection.
func isVec(c prometheus.Collector) bool {
	switch c.(type) {
	case *prometheus.GaugeVec, *prometheus.CounterVec, *prometheus.HistogramVec, *prometheus.SummaryVec:
		return true
	}
	return false
}

// search is the search of one registry.
type search struct {
	registry  *prometheus.Registry
	all       []described
	reordered [][]described // all, in other orders
}

const (
	// orders is how often a registry is asked for its descriptions, to find the ones that stay
	// together.
	orders = 4

	// maxProbes bounds the search for a collector that has many families.
	maxProbes = 4096
)

// owner finds the collector of all[k] and all its descriptions. A registry lists the descriptions
// of one collector in a row, and does not say where the row ends. But the order of the collectors
// differs in every call.
//
// Every probe contains all[k], so it can't block a collector that no rule names.
func (s *search) owner(k int) (group []described, c prometheus.Collector) {
	if c := existing(s.registry, s.all[k:k+1]); c != nil {
		return s.all[k : k+1], c
	}
	for len(s.reordered) < orders {
		s.reordered = append(s.reordered, describe(s.registry))
	}
	low, high := k, k+1
	for low > 0 && s.together(k, low-1) {
		low--
	}
	for high < len(s.all) && s.together(k, high) {
		high++
	}
	probes := 0
	for size := high - low; size > 1; size-- {
		for from := max(low, k-size+1); from <= k && from+size <= high; from++ {
			if probes++; probes > maxProbes {
				return nil, nil
			}
			if c := existing(s.registry, s.all[from:from+size]); c != nil {
				return s.all[from : from+size], c
			}
		}
	}
	return nil, nil
}

// together reports whether all[i] has the same distance from all[k] in the other orders too.
func (s *search) together(k, i int) bool {
	for _, other := range s.reordered {
		at := slices.IndexFunc(other, func(d described) bool { return d.text == s.all[k].text })
		j := at + i - k
		if at < 0 || j < 0 || j >= len(other) || other[j].text != s.all[i].text {
			return false
		}
	}
	return true
}

// existing returns the collector with exactly these descriptions. Only Register of client_golang
// finds it, by refusing a second collector with the same descriptions. If the collector was
// unregistered meanwhile, the probe is registered for some microseconds and blocks others with the
// same descriptions. So descriptions are compared first, and probes are few.
func existing(r *prometheus.Registry, p probe) prometheus.Collector {
	err := r.Register(p)
	var already prometheus.AlreadyRegisteredError
	switch {
	case err == nil:
		r.Unregister(p)
	case errors.As(err, &already):
		if _, ours := already.ExistingCollector.(probe); !ours {
			return already.ExistingCollector
		}
	}
	return nil
}

// probe has the descriptions of another collector, and collects nothing.
type probe []described

func (p probe) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range p {
		ch <- d.desc
	}
}

func (probe) Collect(chan<- prometheus.Metric) {}
