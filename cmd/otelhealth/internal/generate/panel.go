package generate

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// panel is a panel in our form. Its id is fixed and never reused, because links to a panel and
// diffs depend on it.
type panel struct {
	id                 uint32
	title, about, unit string
	w, h               uint32
	view               cog.Builder[dashboard.Panel]
	queries            []query
	noData             string // text to show instead of "No data"
	states             []state
	steps              []step
	links              []link // for each value; in a table, for the whole table
	columns            []column
	min, max           *float64
	soft               *float64 // the axis reaches at least this value; see [panel.axis]
	decimals           *float64
	log, symlog        bool     // a logarithmic axis; a logarithmic one that is linear up to 1
	dashed             []string // regular expressions for series that are limits, not measurements
	unnamed            bool     // the dashed series are not in the legend
}

// state gives a number a meaning.
type state struct {
	from, to    float64
	text, color string
}

// step is a threshold: the colour from this value on.
type step struct {
	from  float64
	color string
}

// build converts the panel to Grafana's form.
func (p panel) build(d dialect) (dashboard.Panel, error) {
	out, err := p.view.Build()
	if err != nil {
		return out, fmt.Errorf("%s: %w", p.title, err)
	}
	source := metrics()
	for n, q := range p.queries {
		target, err := q.build(d, string(rune('A'+n)), p.columns != nil)
		if err != nil {
			return out, fmt.Errorf("%s: %w", p.title, err)
		}
		if q.traces {
			source = traces()
		}
		out.Targets = append(out.Targets, target)
	}
	out.Id, out.Title, out.Description, out.Datasource = &p.id, &p.title, &p.about, &source
	if out.FieldConfig == nil {
		out.FieldConfig = &dashboard.FieldConfigSource{}
	}
	if out.FieldConfig.Overrides == nil {
		out.FieldConfig.Overrides = []dashboard.DashboardFieldConfigSourceOverrides{}
	}
	f := &out.FieldConfig.Defaults
	f.Min, f.Max, f.Decimals = p.min, p.max, p.decimals
	if p.unit != "" {
		f.Unit = &p.unit
	}
	noData := p.noData
	if noData == "" {
		noData = "no telemetry"
	}
	f.NoValue = &noData
	f.Mappings = mappings(p.states, noData)
	steps := p.steps
	if steps == nil {
		steps = []step{{0, "text"}} // otherwise Grafana colours everything above 80 red
		if p.states != nil {
			steps = []step{{0, grey}}
		}
	}
	f.Thresholds = &dashboard.ThresholdsConfig{Mode: dashboard.ThresholdsModeAbsolute, Steps: thresholds(steps)}
	for _, l := range p.links {
		if p.columns == nil {
			f.Links = append(f.Links, l.build(d))
		} else {
			out.Links = append(out.Links, l.build(d))
		}
	}
	if p.columns != nil {
		var labels, queries []string
		for _, c := range p.columns {
			labels = append(labels, c.field)
		}
		for _, q := range p.queries {
			queries = append(queries, q.expr)
		}
		s, err := d.scopedTo(strings.Join(labels, " "), queries...)
		if err != nil {
			return out, fmt.Errorf("%s: %w", p.title, err)
		}
		p.tabulate(s, &out)
	}
	p.axis(out)
	p.sizes(out)
	for _, re := range p.dashed {
		out.FieldConfig.Overrides = append(out.FieldConfig.Overrides, override("byRegexp", "/"+re+"/",
			"custom.lineStyle", map[string]any{"fill": "dash", "dash": []int{8, 8}}, "custom.fillOpacity", 0, "custom.lineWidth", 2,
			"custom.stacking", map[string]any{"mode": "none", "group": re}, "custom.hideFrom", map[string]bool{"legend": p.unnamed, "tooltip": false, "viz": false}))
	}
	return out, nil
}

// axis sets the axis and the legend of lines. A wide panel has its legend on the right, with numbers, because
// below it there is room for two rows only. A narrow panel has it below, without numbers. Without a soft
// maximum the axis of a percentage that is always 0 ends at 10,000 %.
func (p panel) axis(out dashboard.Panel) {
	o, ok := out.Options.(*timeseries.Options)
	if !ok {
		return
	}
	if p.w < 24 {
		o.Legend.DisplayMode, o.Legend.Calcs = common.LegendDisplayModeList, []string{}
	} else {
		o.Legend.Placement = common.LegendPlacementRight
	}
	custom := out.FieldConfig.Defaults.Custom.(*timeseries.FieldConfig)
	switch {
	case p.log:
		custom.ScaleDistribution = &common.ScaleDistributionConfig{Type: common.ScaleDistributionLog, Log: ptr(10)}
	case p.symlog:
		custom.ScaleDistribution = &common.ScaleDistributionConfig{Type: common.ScaleDistributionSymlog, Log: ptr(10), LinearThreshold: ptr(1)}
	case p.soft != nil:
		custom.AxisSoftMax = p.soft
	case p.max == nil && p.unit != "s" && p.unit != "bytes" && p.unit != "Bps":
		custom.AxisSoftMax = ptr(1)
	}
}

// sizes sets the text sizes of a tile with many values. Otherwise names are eight pixels high.
func (p panel) sizes(out dashboard.Panel) {
	if o, ok := out.Options.(*stat.Options); ok && (len(p.queries) > 1 || strings.Contains(p.queries[0].legend, "{{")) {
		o.Text = &common.VizTextDisplayOptions{TitleSize: ptr(14), ValueSize: ptr(18)}
		if o.ColorMode == common.BigValueColorModeNone { // a list: names left, values right
			o.Orientation = common.VizOrientationHorizontal
		} else {
			o.Text.ValueSize = ptr(34)
		}
	}
}

// mappings give numbers words and colours. The last mapping is for null.
func mappings(states []state, noData string) (list []dashboard.ValueMapping) {
	if states == nil {
		return nil
	}
	values := map[string]dashboard.ValueMappingResult{}
	for n, s := range states {
		result := dashboard.ValueMappingResult{Text: &s.text, Color: &s.color, Index: cog.ToPtr(int32(n))}
		if s.from == s.to {
			values[strconv.FormatFloat(s.from, 'g', -1, 64)] = result
			continue
		}
		list = append(list, dashboard.ValueMapping{RangeMap: &dashboard.RangeMap{Type: dashboard.MappingTypeRangeToText,
			Options: dashboard.DashboardRangeMapOptions{From: &s.from, To: &s.to, Result: result}}})
	}
	if len(values) > 0 {
		list = append(list, dashboard.ValueMapping{ValueMap: &dashboard.ValueMap{Type: dashboard.MappingTypeValueToText, Options: values}})
	}
	return append(list, dashboard.ValueMapping{SpecialValueMap: &dashboard.SpecialValueMap{Type: dashboard.MappingTypeSpecialValue,
		Options: dashboard.DashboardSpecialValueMapOptions{Match: dashboard.SpecialValueMatchNullAndNan,
			Result: dashboard.ValueMappingResult{Text: &noData, Color: cog.ToPtr(grey), Index: cog.ToPtr(int32(len(states)))}}}})
}

// thresholds begin with the colour below the first step. Its value is null, as Grafana requires.
func thresholds(steps []step) (list []dashboard.Threshold) {
	for n, s := range steps {
		t := dashboard.Threshold{Color: s.color}
		if n > 0 {
			t.Value = &s.from
		}
		list = append(list, t)
	}
	return list
}
