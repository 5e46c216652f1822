package generate

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/bargauge"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/heatmap"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/statetimeline"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/tempo"
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

// query is a query in the default naming, with the placeholders of [dialect.fill].
type query struct {
	expr, legend string
	instant      bool
	exemplars    bool
	heat         bool
	traces       bool // TraceQL
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

// link leads to another dashboard.
type link struct {
	title, uid string
	vars       []string // NAME, passed on as it is, or NAME=label
}

const (
	green, yellow, orange, red = "green", "yellow", "orange", "red"
	purple, blue, grey         = "purple", "blue", "#8e8e8e"
	lightBlue                  = "light-blue"
)

// tile shows a current number or state on a colour.
func tile() *stat.PanelBuilder {
	return stat.NewPanelBuilder().GraphMode(common.BigValueGraphModeNone).ColorMode(common.BigValueColorModeBackground).
		TextMode(common.BigValueTextModeAuto).WideLayout(true).Orientation(common.VizOrientationAuto).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"}))
}

// plain shows numbers without a colour.
func plain() *stat.PanelBuilder { return tile().ColorMode(common.BigValueColorModeNone) }

// lines shows numbers over time.
func lines() *timeseries.PanelBuilder {
	return timeseries.NewPanelBuilder().LineWidth(1).FillOpacity(5).ShowPoints(common.VisibilityModeAuto).
		ThresholdsStyle(common.NewGraphThresholdsStyleConfigBuilder().Mode(common.GraphThresholdsStyleModeDashed)).
		ColorScheme(dashboard.NewFieldColorBuilder().Mode(dashboard.FieldColorModeIdPaletteClassic)).
		Legend(common.NewVizLegendOptionsBuilder().DisplayMode(common.LegendDisplayModeTable).Placement(common.LegendPlacementBottom).
			ShowLegend(true).Calcs([]string{"lastNotNull", "max"})).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending))
}

// stacked shows parts of a whole.
func stacked() *timeseries.PanelBuilder {
	return lines().FillOpacity(40).Stacking(common.NewStackingConfigBuilder().Mode(common.StackingModeNormal).Group("A"))
}

// timeline shows states over time, with their names if there is room.
func timeline() *statetimeline.PanelBuilder {
	return statetimeline.NewPanelBuilder().MergeValues(true).ShowValue(common.VisibilityModeAuto).RowHeight(.85).PerPage(20).
		FillOpacity(75).LineWidth(0).AlignValue(common.TimelineValueAlignmentLeft).
		Legend(common.NewVizLegendOptionsBuilder().DisplayMode(common.LegendDisplayModeList).Placement(common.LegendPlacementBottom).ShowLegend(true)).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeSingle))
}

// heat shows the distribution of a histogram over time.
func heat() *heatmap.PanelBuilder {
	return heatmap.NewPanelBuilder().Calculate(false).CellGap(1).ShowLegend().ExemplarsColor("rgba(255,0,255,0.9)").
		Color(heatmap.NewHeatmapColorOptionsBuilder().Mode(heatmap.HeatmapColorModeScheme).Scheme("Oranges").Steps(64).
			Scale(heatmap.HeatmapColorScaleExponential).Exponent(.5).Fill("dark-orange")).
		YAxis(heatmap.NewYAxisConfigBuilder().Unit("s")).
		Tooltip(heatmap.NewHeatmapTooltipBuilder().Mode(common.TooltipDisplayModeSingle).YHistogram(true))
}

func bars() *bargauge.PanelBuilder {
	return bargauge.NewPanelBuilder().DisplayMode(common.BarGaugeDisplayModeBasic).ValueMode(common.BarGaugeValueModeText).
		Orientation(common.VizOrientationHorizontal).ShowUnfilled(true).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"}))
}

// rows is a table with the newest or worst first.
func rows(by string, desc bool) *table.PanelBuilder {
	return table.NewPanelBuilder().CellHeight(common.TableCellHeightSm).Footer(common.NewTableFooterOptionsBuilder().Show(false).Reducer([]string{})).
		SortBy([]cog.Builder[common.TableSortByFieldState]{sortBy(by, desc)})
}

func sortBy(column string, desc bool) cog.Builder[common.TableSortByFieldState] {
	return common.NewTableSortByFieldStateBuilder().DisplayName(column).Desc(desc)
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

func (q query) build(d dialect, ref string, tabular bool) (variants.Dataquery, error) {
	if q.traces {
		return tempo.NewDataqueryBuilder().RefId(ref).Datasource(traces()).QueryType("traceql").Query(q.expr).Limit(20).
			TableType(tempo.SearchTableTypeTraces).Build()
	}
	expr, err := d.expr(q.expr)
	if err != nil {
		return nil, err
	}
	s, err := d.scopedTo(q.legend, q.expr)
	if err != nil {
		return nil, err
	}
	b := prometheus.NewDataqueryBuilder().RefId(ref).Datasource(metrics()).EditorMode(prometheus.QueryEditorModeCode).
		Expr(expr).LegendFormat(s.legend(q.legend)).Exemplar(q.exemplars)
	switch {
	case q.instant:
		b.Instant()
	default:
		b.Range()
	}
	switch {
	case tabular:
		b.Format(prometheus.PromQueryFormatTable)
	case q.heat:
		b.Format(prometheus.PromQueryFormatHeatmap)
	default:
		b.Format(prometheus.PromQueryFormatTimeSeries)
	}
	return b.Build()
}

// fill replaces the placeholders for the chosen jobs and instances in selectors. A query has @own, or
// [unmatched] says why not.
func (d dialect) fill(q string) string {
	group, none := "", ""
	for _, l := range d.group {
		group += fmt.Sprintf(`%q=~"$%s",`, l, variableOf(l))
		none += fmt.Sprintf(`%q=~"$%s|",`, l, variableOf(l))
	}
	return strings.NewReplacer(
		"@own", group+`job=~"$job",instance=~"$instance"`,
		"@job", group+`job=~"$job"`,
		"@alerts", none+fmt.Sprintf(`alertname=~%q,job=~"$job|"`, strings.Join(d.alertNames(), "|")), // the rules' own alerts have no job
		"@check", group+`job=~"$job",instance=~"$instance",health_check_name=~"$check"`,
		"@collector", group+`job=~"$collector"`,
	).Replace(q)
}

// alertNames are the names of our alerts. A Prometheus has others too, and one of them, Watchdog, always fires.
func (d dialect) alertNames() (names []string) {
	for _, g := range rules(d, "") {
		for _, r := range g.rules {
			if r.alert != "" {
				names = append(names, r.alert)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// expr returns a panel's query in the user's naming.
func (d dialect) expr(q string) (string, error) {
	q, err := d.query(d.fill(q))
	if err != nil || !d.native {
		return q, err
	}
	return nativeHistograms(q)
}

var braces = regexp.MustCompile(`\{\{ *(\w+) *\}\}`)

// legend renames the labels in a legend, and adds the group's labels to a job.
func (d dialect) legend(format string) string {
	whose := ""
	for _, l := range d.group {
		whose += "{{" + l + "}} "
	}
	format = strings.ReplaceAll(format, "{{job}}", whose+"{{job}}")
	return braces.ReplaceAllStringFunc(format, func(m string) string {
		return "{{" + d.label(braces.FindStringSubmatch(m)[1]) + "}}"
	})
}

func metrics() common.DataSourceRef { return source("prometheus", "${datasource}") }
func traces() common.DataSourceRef  { return source("tempo", "${traces}") }

func source(kind, uid string) common.DataSourceRef {
	return common.DataSourceRef{Type: &kind, Uid: &uid}
}

// url returns an address in Grafana that keeps the time range and the data sources.
func (l link) url(d dialect, from string) string {
	u := "/d/" + l.uid + "?${datasource:queryparam}&${traces:queryparam}"
	vars := l.vars
	for _, g := range d.group { // a job's value also has the labels of the group
		v := variableOf(g)
		if slices.Contains(l.vars, "job=job") {
			v += "=" + g
		}
		vars = append(slices.Clip(vars), v)
	}
	for _, v := range vars {
		if name, label, ok := strings.Cut(v, "="); ok {
			u += fmt.Sprintf(`&var-%s=${%s["%s"]:percentencode}`, name, from, d.label(label))
		} else {
			u += "&${" + v + ":queryparam}"
		}
	}
	return u + "&${__url_time_range}"
}

func (l link) build(d dialect) dashboard.DashboardLink {
	url := l.url(d, "__field.labels")
	return dashboard.DashboardLink{Title: l.title, Type: dashboard.DashboardLinkTypeLink, Url: &url, Tags: []string{}}
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
