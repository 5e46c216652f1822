package generate

import (
	"maps"
	"slices"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// column is a table's column: a label or a query's value.
type column struct {
	field, title, unit string
	states             []state
	steps              []step
	link               *link
	words              map[string]string // colours of a label's values
	width              int
	decimals           *float64
	optional           bool // a service may have none, so an empty cell does not mean silence
}

// tabulate joins the queries to one table by their common labels, and shows the requested columns
// in order.
func (p panel) tabulate(d dialect, out *dashboard.Panel) {
	show, names := map[string]int{}, map[string]string{}
	var list []string
	var columns []column
	for _, c := range p.columns {
		if c.field == "job" {
			for _, l := range d.group {
				columns = append(columns, column{field: l, title: strings.ToUpper(l[:1]) + l[1:]})
			}
		}
		columns = append(columns, c)
	}
	for n, c := range columns {
		field := c.field
		if len(field) > 1 {
			field = d.label(field)
		} else if field = "Value #" + field; len(p.queries) == 1 {
			field = "Value"
		}
		show[field], names[field] = n, c.title
		list = append(list, field)
		if o := c.override(d); len(o.Properties) > 0 {
			out.FieldConfig.Overrides = append(out.FieldConfig.Overrides, o)
		}
	}
	out.Transformations = []dashboard.DataTransformerConfig{
		{Id: "merge", Options: map[string]any{}},
		{Id: "filterFieldsByName", Options: map[string]any{"include": map[string]any{"names": list}}},
		{Id: "organize", Options: map[string]any{"excludeByName": map[string]any{}, "indexByName": show, "renameByName": names}},
	}
}

func (c column) override(d dialect) dashboard.DashboardFieldConfigSourceOverrides {
	var list []any
	if c.unit != "" {
		list = append(list, "unit", c.unit)
	}
	if c.width != 0 {
		list = append(list, "custom.width", c.width)
	}
	if c.link != nil {
		list = append(list, "links", []any{map[string]any{"title": c.link.title, "url": c.link.url(d, "__data.fields")}})
	}
	if c.decimals != nil {
		list = append(list, "decimals", *c.decimals)
	}
	if c.states != nil {
		list = append(list, "mappings", mappings(c.states, "no telemetry"))
	}
	if c.optional {
		list = append(list, "noValue", "—", "mappings", mappings([]state{}, "—"))
	}
	if c.words != nil {
		values := map[string]dashboard.ValueMappingResult{}
		for n, word := range slices.Sorted(maps.Keys(c.words)) {
			values[word] = dashboard.ValueMappingResult{Text: &word, Color: cog.ToPtr(c.words[word]), Index: cog.ToPtr(int32(n))}
		}
		list = append(list, "mappings", []dashboard.ValueMapping{
			{ValueMap: &dashboard.ValueMap{Type: dashboard.MappingTypeValueToText, Options: values}},
			mappings([]state{}, "no telemetry")[0],
		})
	}
	if c.steps != nil {
		list = append(list, "thresholds", dashboard.ThresholdsConfig{Mode: dashboard.ThresholdsModeAbsolute, Steps: thresholds(c.steps)})
	}
	if c.states != nil || c.words != nil || c.steps != nil {
		list = append(list, "custom.cellOptions", map[string]any{"type": "color-text"})
	}
	return override("byName", c.title, list...)
}

// override sets pairs of a property's id and its value.
func override(matcher, name string, pairs ...any) dashboard.DashboardFieldConfigSourceOverrides {
	o := dashboard.DashboardFieldConfigSourceOverrides{Matcher: dashboard.MatcherConfig{Id: matcher, Options: name}}
	for n := 0; n < len(pairs); n += 2 {
		o.Properties = append(o.Properties, dashboard.DynamicConfigValue{Id: pairs[n].(string), Value: pairs[n+1]})
	}
	return o
}
