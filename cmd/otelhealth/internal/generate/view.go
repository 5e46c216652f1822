package generate

import (
	"github.com/grafana/grafana-foundation-sdk/go/bargauge"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/heatmap"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/statetimeline"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

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
func rows(by ...cog.Builder[common.TableSortByFieldState]) *table.PanelBuilder {
	return table.NewPanelBuilder().CellHeight(common.TableCellHeightSm).Footer(common.NewTableFooterOptionsBuilder().Show(false).Reducer([]string{})).
		SortBy(by)
}

func sortBy(column string, desc bool) cog.Builder[common.TableSortByFieldState] {
	return common.NewTableSortByFieldStateBuilder().DisplayName(column).Desc(desc)
}
