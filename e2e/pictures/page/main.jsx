// Draws a dashboard's JSON with the results of its queries, which /picture.json has. What went wrong
// is in window.done.
import 'uplot/dist/uPlot.min.css';
import React from 'react';
import { createRoot } from 'react-dom/client';
import * as D from '@grafana/data';
import * as U from '@grafana/ui';
import { empty, frames, prepare } from './frames.js';
import { kinds } from './panels.jsx';

const cell = 30, gap = 8, head = 44;
const caption = 'A rendering of the dashboard’s JSON with simulated data, not a screenshot of Grafana.';
const problems = [];

class Guard extends React.Component {
  state = {};
  static getDerivedStateFromError(error) { return { error }; }
  componentDidCatch(error) { problems.push(`${this.props.title}: ${error.stack ?? error}`); }
  render() { return this.state.error ? null : this.props.children; }
}

function Panel({ panel, data, look, left, top, width, height }) {
  const Kind = kinds[panel.type];
  return <div style={{ position: 'absolute', left, top, width, height }}>
    <U.PanelChrome title={panel.title} width={width} height={height} padding={panel.type === 'table' ? 'none' : 'md'}>
      {(w, h) => Kind && !empty(data)
        ? <Guard title={panel.title}><Kind panel={panel} data={data} look={look} width={w} height={h} /></Guard>
        : <div style={{ height: h, display: 'flex', alignItems: 'center', justifyContent: 'center', color: look.theme.colors.text.secondary }}>{panel.fieldConfig.defaults.noValue}</div>}
    </U.PanelChrome>
  </div>;
}

// cutLegends hides the entries of a legend that are cut at the edge, because nobody scrolls a picture.
function cutLegends() {
  for (const row of document.querySelectorAll('section table tbody tr, section li')) {
    const box = row.closest('section')?.getBoundingClientRect(), r = row.getBoundingClientRect();
    if (box && r.bottom > box.bottom - 2) row.style.visibility = 'hidden';
  }
}

async function main() {
  const picture = await (await fetch('/picture.json')).json();
  const { board, width } = picture, theme = D.createTheme({ colors: { mode: picture.theme } });
  const look = { theme, from: picture.from, to: picture.to, marks: picture.marks };
  Date.now = () => picture.to; // "5 minutes ago" is said at the end of the range
  prepare();
  const step = (width - gap) / 24;
  let y = 0, skipped = 0, at = 0;
  const shown = [];
  for (const panel of board.panels) {
    skipped += Math.max(0, panel.gridPos.y - at); // rows that are not drawn leave no hole
    at = Math.max(at, panel.gridPos.y + panel.gridPos.h);
    const top = head + gap + (panel.gridPos.y - skipped) * (cell + gap);
    const data = panel.type === 'row' ? [] : await frames(panel, picture.results[panel.id] ?? [], theme);
    if (panel.type !== 'row' && !kinds[panel.type]) problems.push(`${panel.title}: nothing draws a ${panel.type}`);
    if (panel.type !== 'row' && empty(data)) (picture.empty.includes(panel.id) ? [] : problems).push(`${panel.title}: no data`);
    shown.push({ panel, data, top });
    y = Math.max(y, top + panel.gridPos.h * (cell + gap));
  }
  document.documentElement.style.fontSize = '14px';
  Object.assign(document.body.style, { margin: 0, background: theme.colors.background.canvas, color: theme.colors.text.primary, fontFamily: theme.typography.fontFamily, width: width + 'px' });
  const root = document.getElementById('root'), react = createRoot(root);
  Object.assign(root.style, { position: 'relative', width: width + 'px', height: y + 'px' });
  // A canvas that is drawn before the font is there falls back to another one.
  react.render(<D.ThemeContext.Provider value={theme}><U.GlobalStyles /></D.ThemeContext.Provider>);
  await new Promise((done) => setTimeout(done, 50));
  for (const weight of [400, 500]) if (!(await document.fonts.load(weight + ' 12px Inter')).length) throw new Error('there is no font Inter of weight ' + weight);
  react.render(<D.ThemeContext.Provider value={theme}><U.GlobalStyles />
    <div style={{ position: 'absolute', left: gap * 2, right: gap * 2, height: head, display: 'flex', alignItems: 'center', gap: 16, whiteSpace: 'nowrap' }}>
      <b style={{ fontSize: 18, fontWeight: 500 }}>{board.title}</b>
      {picture.chosen.map(([name, value]) => <span key={name} style={{ color: theme.colors.text.secondary }}>{name} <span style={{ color: theme.colors.text.primary }}>{value}</span></span>)}
      <span style={{ marginLeft: 'auto', fontSize: 12, color: theme.colors.text.secondary }}>{caption}</span>
    </div>
    {shown.map(({ panel, data, top }) => panel.type === 'row'
      ? <div key={panel.id} style={{ position: 'absolute', left: gap * 2, top, height: cell, lineHeight: cell + 'px', fontWeight: 500 }}>⌄&nbsp; {panel.title}</div>
      : <Panel key={panel.id} panel={panel} data={data} look={look} left={gap + panel.gridPos.x * step} top={top} width={Math.floor(panel.gridPos.w * step - gap)} height={panel.gridPos.h * (cell + gap) - gap} />)}
  </D.ThemeContext.Provider>);
  for (let n = 0; n < 12; n++) await new Promise((done) => setTimeout(() => requestAnimationFrame(done), 40));
  cutLegends();
  window.done = { width, height: y, problems };
}

main().catch((e) => { window.done = { width: 0, height: 0, problems: [String(e.stack ?? e)] }; });
