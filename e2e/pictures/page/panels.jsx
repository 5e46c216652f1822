// The panels that Grafana publishes, with the options of the dashboard's JSON.
import React from 'react';
import * as D from '@grafana/data';
import * as U from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
import { marks } from './canvas.jsx';
import { Timeline } from './timeline.jsx';
import { Heatmap } from './heatmap.jsx';

const reduced = (panel, data, look) => D.getFieldDisplayValues({ fieldConfig: panel.fieldConfig, reduceOptions: panel.options.reduceOptions, replaceVariables: (s) => s, theme: look.theme, data, timeZone: 'utc' });

function Stat({ panel, data, look, width, height }) {
  const o = panel.options, values = reduced(panel, data, look);
  const textMode = o.textMode === 'auto' && values.length === 1 ? 'value' : o.textMode;
  return <U.VizRepeater source={values} getValues={() => values} width={width} height={height} itemSpacing={3} orientation={o.orientation} autoGrid renderCounter={0}
    getAlignmentFactors={D.getDisplayValueAlignmentFactors}
    renderValue={({ value, alignmentFactors, width, height, count }) => <U.BigValue value={value.display} count={count} colorMode={o.colorMode} graphMode={o.graphMode} justifyMode={o.justifyMode}
      textMode={textMode} alignmentFactors={alignmentFactors} width={width} height={height} theme={look.theme} wideLayout={o.wideLayout} text={o.text} />} />;
}

function Bars({ panel, data, look, width, height }) {
  const o = panel.options, values = reduced(panel, data, look);
  return <U.VizRepeater source={values} getValues={() => values} width={width} height={height} itemSpacing={10} orientation={o.orientation} minVizWidth={o.minVizWidth} minVizHeight={o.minVizHeight} renderCounter={0}
    getAlignmentFactors={D.getDisplayValueAlignmentFactors}
    renderValue={({ value: v, alignmentFactors, width, height, orientation }) => <U.BarGauge value={v.display} width={width} height={height} orientation={orientation} field={v.field} text={o.text}
      display={v.view?.getFieldDisplayProcessor(v.colIndex)} theme={look.theme} itemSpacing={10} lcdCellWidth={12} displayMode={o.displayMode} alignmentFactors={alignmentFactors}
      showUnfilled={o.showUnfilled} valueDisplayMode={o.valueMode} namePlacement={o.namePlacement} isOverflow={false} />} />;
}

const drawing = { drawStyle: 'line', lineInterpolation: 'linear', spanNulls: false, showPoints: 'auto', pointSize: 5 };

function Lines({ panel, data, look, width, height }) {
  const frames = data.map((f) => ({ ...f, fields: f.fields.map((x) => ({ ...x, config: { ...x.config, custom: { ...drawing, ...x.config.custom } } })) }));
  const range = { from: D.dateTime(look.from), to: D.dateTime(look.to) };
  return <U.TimeSeries frames={frames} structureRev={1} width={width} height={height} timeRange={{ ...range, raw: range }} timeZone="utc" legend={panel.options.legend} options={panel.options}>
    {(config) => {
      config.addHook('draw', (u) => {
        const scale = devicePixelRatio, b = u.bbox;
        u.ctx.save();
        u.ctx.scale(scale, scale);
        marks(u.ctx, look, b.left / scale, (b.left + b.width) / scale, b.top / scale, (b.top + b.height) / scale);
        u.ctx.restore();
      });
      return null;
    }}
  </U.TimeSeries>;
}

function Table({ panel, data, look, width, height }) {
  const frame = data[0];
  // Grafana gives a column 150 pixels at least, and then scrolls. Nobody scrolls a picture.
  for (const f of frame.fields) f.config.custom = { minWidth: 60, ...f.config.custom };
  return <TableNG data={frame} width={width} height={height} showTypeIcons={false} cellHeight={panel.options.cellHeight} sortBy={panel.options.sortBy} fieldConfig={panel.fieldConfig}
    noValue={panel.fieldConfig.defaults.noValue} enableVirtualization={false} contentAwareWidthsEnabled disableKeyboardEvents
    timeRange={{ from: D.dateTime(look.from), to: D.dateTime(look.to), raw: {} }} />;
}

export const kinds = { stat: Stat, bargauge: Bars, timeseries: Lines, table: Table, 'state-timeline': Timeline, heatmap: Heatmap };
