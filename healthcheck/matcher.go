package healthcheck

import (
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
)

// matcher selects series by one attribute.
type matcher struct {
	key    attribute.Key
	values []string
	not    bool
}

func (m matcher) keeps(set attribute.Set) bool {
	text := ""
	if v, ok := set.Value(m.key); ok {
		text = v.String()
	}
	return slices.Contains(m.values, text) != m.not
}

// group is the part of a series' attributes that Per names.
func (i *Indicator) group(set attribute.Set) attribute.Set {
	if len(i.per) == 0 {
		return attribute.Set{}
	}
	g, _ := set.Filter(func(kv attribute.KeyValue) bool { return slices.Contains(i.per, kv.Key) })
	return g
}

func (i *Indicator) keeps(set attribute.Set) bool {
	return !slices.ContainsFunc(i.matchers, func(m matcher) bool { return !m.keeps(set) })
}

// groupName writes a group as a person reads it: queue.name=jobs.
func groupName(set attribute.Set) string {
	var parts []string
	for _, kv := range set.ToSlice() {
		parts = append(parts, string(kv.Key)+"="+kv.Value.String())
	}
	return strings.Join(parts, ",")
}
