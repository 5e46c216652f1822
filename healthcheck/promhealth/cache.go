package promhealth

import (
	dto "github.com/prometheus/client_model/go"
	"go.opentelemetry.io/otel/attribute"
)

// cache keeps data of one collection for the next.
type cache struct {
	sets  map[**dto.LabelPair]attribute.Set // by the labels, which vecs of client_golang reuse; nil for other collectors
	used  int                               // sets, since the last trim
	sizes map[string]int                    // series of each family
}

func newCache(vec bool) *cache {
	c := &cache{sizes: map[string]int{}}
	if vec {
		c.sets = map[**dto.LabelPair]attribute.Set{}
	}
	return c
}

// of returns the labels of a series and those of a wrapped Registerer.
func (c *cache) of(labels, more []*dto.LabelPair) attribute.Set {
	if len(labels)+len(more) == 0 {
		return *attribute.EmptySet()
	}
	keep := c.sets != nil && len(labels) > 0
	if keep {
		c.used++
		if s, ok := c.sets[&labels[0]]; ok {
			return s
		}
	}
	all := make([]attribute.KeyValue, 0, len(labels)+len(more))
	for _, some := range [][]*dto.LabelPair{labels, more} {
		for _, l := range some {
			all = append(all, attribute.String(l.GetName(), l.GetValue()))
		}
	}
	s := attribute.NewSet(all...)
	if keep {
		c.sets[&labels[0]] = s
	}
	return s
}

// trim forgets series that have gone away.
func (c *cache) trim() {
	if len(c.sets) > 2*c.used+64 {
		clear(c.sets)
	}
	c.used = 0
}
