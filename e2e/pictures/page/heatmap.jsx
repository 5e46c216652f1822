// A heatmap of a classic histogram: how many fell between two bounds, in each step.
import React from 'react';
import { interpolateOranges } from 'd3-scale-chromatic';
import * as D from '@grafana/data';
import { Canvas, place, timeAxis } from './canvas.jsx';

const bound = (le) => (le === '+Inf' ? Infinity : Number(le));

export function Heatmap({ panel, data, look, width, height }) {
  const buckets = data.map((f) => ({ le: bound(f.fields[1].labels.le), values: f.fields[1].values })).sort((a, b) => a.le - b.le);
  const times = data[0].fields[0].values, step = times[1] - times[0], least = 1e-6;
  const cells = buckets.map((b, n) => b.values.map((v, i) => (v == null ? 0 : Math.max(0, v - (n ? (buckets[n - 1].values[i] ?? 0) : 0)))));
  const used = cells.map((row) => row.some((v) => v > least)), first = used.indexOf(true), last = used.lastIndexOf(true);
  const rows = cells.slice(first, last + 1), all = rows.flat().filter((v) => v > least), lowest = Math.min(...all), highest = Math.max(...all);
  const { exponent, steps } = panel.options.color;
  const shade = (v) => {
    const share = Math.round(((v - lowest) / (highest - lowest || 1)) ** exponent * (steps - 1)) / (steps - 1);
    return interpolateOranges(look.theme.isDark ? 1 - share : share);
  };
  const format = D.getDisplayProcessor({ field: { type: D.FieldType.number, config: { unit: panel.options.yAxis.unit } }, theme: look.theme });
  const graph = height - 28;
  const draw = (c) => {
    const left = 62, right = width - 12, bottom = graph - 24, tall = (bottom - 8) / rows.length, at = place(look, left, right);
    timeAxis(c, look, left, right, 8, bottom);
    rows.forEach((row, n) => {
      const y = bottom - (n + 1) * tall, le = buckets[n + first].le;
      c.fillStyle = look.theme.colors.text.primary;
      c.textAlign = 'right';
      c.textBaseline = 'middle';
      if (n % Math.ceil(16 / tall) === 0) c.fillText(le === Infinity ? '+Inf' : D.formattedValueToString(format(le)), left - 8, Math.max(7, y));
      row.forEach((v, i) => {
        if (!(v > least)) return;
        const from = at(times[i]), to = at(times[i] + step);
        c.fillStyle = shade(v);
        c.fillRect(from, y, Math.max(0.5, to - from - (to - from > 4 ? 1 : 0)), tall - 1);
      });
    });
  };
  const number = (v) => (v >= 10 ? v.toFixed(0) : v.toPrecision(1));
  const ramp = Array.from({ length: 16 }, (_, n) => shade(lowest + ((highest - lowest) * n) / 15)).join(', ');
  return <>
    <Canvas look={look} width={width} height={graph} draw={draw} />
    <div style={{ display: 'flex', alignItems: 'center', gap: 8, fontSize: 12, padding: '6px 8px 0 62px' }}>
      {number(lowest)}<span style={{ width: 180, height: 8, background: `linear-gradient(to right, ${ramp})` }} />{number(highest)} a second
    </div>
  </>;
}
