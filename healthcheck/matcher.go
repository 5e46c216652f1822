package healthcheck

import (
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
)

func matches(m matcher, set attribute.Set) bool {
	text := ""
	if v, ok := set.Value(m.key); ok {
		text = v.String()
	}
	return slices.Contains(m.values, text) != m.not
}

// groupOf is the part of a series' attributes that Per names.
func groupOf(i *Indicator, set attribute.Set) attribute.Set {
	if len(i.per) == 0 {
		return attribute.Set{}
	}
	g, _ := set.Filter(func(kv attribute.KeyValue) bool { return slices.Contains(i.per, kv.Key) })
	return g
}

func keeps(i *Indicator, set attribute.Set) bool {
	return !slices.ContainsFunc(i.matchers, func(m matcher) bool { return !matches(m, set) })
}

// groupName writes a group as a person reads it: queue.name=jobs.
func groupName(set attribute.Set) string {
	var parts []string
	for _, kv := range set.ToSlice() {
		parts = append(parts, string(kv.Key)+"="+kv.Value.String())
	}
	return strings.Join(parts, ",")
}
