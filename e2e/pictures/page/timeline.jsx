// A state timeline: a row for each series, and a bar for each state with its word.
import React from 'react';
import * as D from '@grafana/data';
import { Canvas, marks, place, short, timeAxis } from './canvas.jsx';

const components = (colour) => D.colorManipulator.decomposeColor(colour.startsWith('#') ? D.colorManipulator.hexToRgb(colour) : colour).values.slice(0, 3);

// over is the colour that is seen where one lies on the panel.
function over(look, colour, opacity) {
  const below = components(look.theme.colors.background.primary);
  return `rgb(${components(colour).map((v, n) => Math.round(v * opacity + below[n] * (1 - opacity))).join(', ')})`;
}

// bars joins the points of a series with the same text.
function bars(series, end) {
  const list = [];
  series.field.values.forEach((value, n) => {
    if (value == null) return;
    const display = series.field.display(value), text = D.formattedValueToString(display), last = list.at(-1);
    const to = series.times[n + 1] ?? end;
    if (last && last.text === text && last.to === series.times[n]) last.to = to;
    else list.push({ from: series.times[n], to, text, color: display.color });
  });
  return list;
}

export function Timeline({ panel, data, look, width, height }) {
  const rows = data.flatMap((f) => f.fields.slice(1).map((field) => ({ field, times: f.fields[0].values, name: D.getFieldDisplayName(field, f, data) })))
    .slice(0, panel.options.perPage).map((s) => ({ name: s.name, bars: bars(s, look.to) }));
  const order = (panel.fieldConfig.defaults.mappings ?? []).flatMap((m) => Object.values(m.options ?? {}).map((o) => o?.text));
  const legend = [...new Map(rows.flatMap((r) => r.bars.map((b) => [b.text, b.color])))].sort((a, b) => order.indexOf(a[0]) - order.indexOf(b[0]));
  const opacity = (panel.fieldConfig.defaults.custom?.fillOpacity ?? 70) / 100, graph = height - 26;
  const draw = (c) => {
    const left = Math.min(width * 0.3, Math.max(...rows.map((r) => c.measureText(r.name).width)) + 14), right = width - 12, bottom = graph - 24, tall = bottom / rows.length;
    const at = place(look, left, right);
    timeAxis(c, look, left, right, 0, bottom);
    c.textBaseline = 'middle';
    rows.forEach((row, n) => {
      const high = tall * panel.options.rowHeight, top = n * tall + (tall - high) / 2;
      c.textAlign = 'right';
      c.fillStyle = look.theme.colors.text.primary;
      c.fillText(short(c, row.name, left - 12), left - 8, top + high / 2);
      for (const b of row.bars) {
        const from = at(b.from), to = at(b.to);
        c.fillStyle = over(look, b.color, opacity);
        c.fillRect(from, top, Math.max(1, to - from), high);
        if (high >= 12 && to - from > c.measureText(b.text).width + 10) {
          c.textAlign = 'left';
          c.fillStyle = look.theme.colors.getContrastText(over(look, b.color, opacity), 3);
          c.fillText(b.text, from + 5, top + high / 2);
        }
      }
    });
    marks(c, look, left, right, 0, bottom);
  };
  return <>
    <Canvas look={look} width={width} height={graph} draw={draw} />
    <div style={{ display: 'flex', gap: 16, padding: '6px 8px 0', fontSize: 12 }}>
      {legend.map(([text, color]) => <span key={text} style={{ display: 'flex', alignItems: 'center', gap: 8 }}><i style={{ width: 14, height: 4, borderRadius: 2, background: over(look, color, opacity) }} />{text}</span>)}
    </div>
  </>;
}
