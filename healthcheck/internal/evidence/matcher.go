package evidence

import (
	"slices"
	"strings"

	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"go.opentelemetry.io/otel/attribute"
)

func matches(m query.Matcher, set attribute.Set) bool {
	text := ""
	if v, ok := set.Value(m.Key); ok {
		text = conventions.Text(v)
	}
	return slices.Contains(m.Values, text) != m.Not
}

// groupOf is the part of a series' attributes that Per names.
func groupOf(i *query.Indicator, set attribute.Set) attribute.Set {
	if len(i.GroupBy) == 0 {
		return attribute.Set{}
	}
	g, _ := set.Filter(func(kv attribute.KeyValue) bool { return slices.Contains(i.GroupBy, kv.Key) })
	return g
}

func keeps(i *query.Indicator, set attribute.Set) bool {
	return !slices.ContainsFunc(i.Matchers, func(m query.Matcher) bool { return !matches(m, set) })
}

// GroupName writes a group for people: queue.name=jobs.
func GroupName(set attribute.Set) string {
	var parts []string
	for _, kv := range set.ToSlice() {
		parts = append(parts, string(kv.Key)+"="+conventions.Text(kv.Value))
	}
	return strings.Join(parts, ",")
}
