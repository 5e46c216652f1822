// What state timelines and heatmaps have in common. Grafana does not publish these two panels.
import React, { useLayoutEffect, useRef } from 'react';
import * as D from '@grafana/data';

export function Canvas({ look, width, height, draw }) {
  const ref = useRef();
  useLayoutEffect(() => {
    const canvas = ref.current, scale = devicePixelRatio;
    canvas.width = width * scale;
    canvas.height = height * scale;
    const c = canvas.getContext('2d');
    c.scale(scale, scale);
    c.font = `12px ${look.theme.typography.fontFamily}`;
    draw(c);
  });
  return <canvas ref={ref} style={{ width, height, display: 'block' }} />;
}

const minute = 60000;
const steps = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880].map((m) => m * minute);

// place gives the place of a time between left and right.
export const place = (look, left, right) => (t) => left + Math.max(0, Math.min(1, (t - look.from) / (look.to - look.from))) * (right - left);

export function timeAxis(c, look, left, right, top, bottom) {
  const span = look.to - look.from, by = steps.find((s) => span / s <= Math.max(2, (right - left) / 90)) ?? steps.at(-1);
  const at = place(look, left, right);
  c.textAlign = 'center';
  c.textBaseline = 'top';
  for (let t = Math.ceil(look.from / by) * by; t <= look.to; t += by) {
    const x = Math.round(at(t));
    c.fillStyle = look.theme.isDark ? 'rgba(240, 250, 255, 0.09)' : 'rgba(0, 10, 23, 0.09)';
    c.fillRect(x, top, 1, bottom - top + 4);
    c.fillStyle = look.theme.colors.text.primary;
    if (x - left > 12 && right - x > 16) c.fillText(D.dateTimeFormat(t, { format: span > 2 * 1440 * minute ? 'MM/DD' : 'HH:mm', timeZone: 'utc' }), x, bottom + 7);
  }
}

// marks draws annotations: a region with a bar below it, or a line.
export function marks(c, look, left, right, top, bottom) {
  const at = place(look, left, right);
  c.save();
  for (const m of look.marks) {
    const from = at(m.from), to = at(m.to), colour = look.theme.visualization.getColorByName(m.color);
    c.fillStyle = c.strokeStyle = colour;
    if (to - from > 2) {
      c.globalAlpha = 0.1;
      c.fillRect(from, top, to - from, bottom - top);
      c.globalAlpha = 0.9;
      c.fillRect(from, bottom, to - from, 3);
    }
    c.globalAlpha = 0.8;
    c.lineWidth = 1;
    c.setLineDash([5, 5]);
    for (const x of to - from > 2 && m.to < look.to ? [from, to] : [from]) {
      c.beginPath();
      c.moveTo(x, top);
      c.lineTo(x, bottom);
      c.stroke();
    }
    c.setLineDash([]);
    c.globalAlpha = 1;
    c.beginPath();
    c.moveTo(from - 4, bottom + 5);
    c.lineTo(from + 4, bottom + 5);
    c.lineTo(from, bottom);
    c.fill();
  }
  c.restore();
}

// short cuts a text to a width.
export function short(c, text, width) {
  while (text.length > 2 && c.measureText(text).width > width) text = text.slice(0, -2).trimEnd() + '…';
  return text;
}
