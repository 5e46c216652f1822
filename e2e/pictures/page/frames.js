// Turns results of queries into Grafana's frames. Units, mappings, thresholds, overrides and
// transformations are Grafana's own code.
import { lastValueFrom } from 'rxjs';
import * as D from '@grafana/data';

const time = (values) => ({ name: 'Time', type: D.FieldType.time, values });

// tabular is one frame with a column for each label, as the data source of Prometheus makes it.
function tabular(query) {
  const labels = [...new Set(query.series.flatMap((s) => Object.keys(s.labels)))].sort();
  if (!query.series.length) return [];
  return [D.toDataFrame({
    refId: query.refId,
    fields: [
      time(query.series.map((s) => s.times.at(-1))),
      ...labels.map((name) => ({ name, type: D.FieldType.string, values: query.series.map((s) => s.labels[name] ?? '') })),
      { name: 'Value #' + query.refId, type: D.FieldType.number, values: query.series.map((s) => s.values.at(-1)) },
    ],
  })];
}

// lines is a frame for each series. A missing point is null, so that a line breaks there.
function lines(query) {
  return query.series.map((s) => {
    const at = new Map(s.times.map((t, n) => [t, s.values[n]]));
    const times = query.times ?? s.times;
    const name = query.legend.replace(/\{\{\s*([\w.]+)\s*\}\}/g, (_, label) => s.labels[label] ?? '').trim();
    return D.toDataFrame({
      refId: query.refId,
      fields: [time(times), { name: 'Value', type: D.FieldType.number, labels: s.labels, values: times.map((t) => at.get(t) ?? null), config: { displayNameFromDS: name } }],
    });
  });
}

// properties are the ones of our dashboards. Grafana's own list is not among its libraries.
function registry(config) {
  const property = (path, custom) => ({
    id: custom ? 'custom.' + path : path, path, name: path, isCustom: custom, shouldApply: () => true,
    process: path === 'thresholds' ? D.thresholdsOverrideProcessor : (v) => v, override: () => null, editor: () => null, getItemsCount: () => 0,
  });
  const own = ['unit', 'decimals', 'min', 'max', 'thresholds', 'mappings', 'links', 'noValue', 'color', 'displayName', 'filterable'].map((p) => property(p, false));
  const custom = new Set(Object.keys(config.defaults.custom ?? {}));
  for (const o of config.overrides) for (const p of o.properties) if (p.id.startsWith('custom.')) custom.add(p.id.slice('custom.'.length));
  return new D.FieldConfigOptionsRegistry(() => [...own, ...[...custom].map((p) => property(p, true))]);
}

export function prepare() {
  const transformers = [...new Map(Object.values(D.standardTransformers).map((t) => [t.id, t])).values()];
  D.standardTransformersRegistry.setInit(() => transformers.map((t) => ({ id: t.id, name: t.id, transformation: () => Promise.resolve(t), editor: () => null })));
  D.standardFieldConfigEditorRegistry.setInit(() => registry({ defaults: {}, overrides: [] }).list());
}

// frames are a panel's data, as Grafana would hand them to it.
export async function frames(panel, queries, theme) {
  let data = queries.flatMap((q) => (q.format === 'table' ? tabular(q) : lines(q)));
  // Grafana names the only value of a table without its query.
  if (queries.length === 1) for (const f of data) for (const x of f.fields) if (x.name === 'Value #' + f.refId) x.name = 'Value';
  if (panel.transformations?.length) data = await lastValueFrom(D.transformDataFrame(panel.transformations, data));
  const out = D.applyFieldOverrides({ data, fieldConfig: panel.fieldConfig, fieldConfigRegistry: registry(panel.fieldConfig), theme, timeZone: 'utc', replaceVariables: (s) => s });
  D.cacheFieldDisplayNames(out);
  return out;
}

// empty tells whether there is no number to draw.
export const empty = (data) => !data.some((f) => f.length && f.fields.some((x) => x.type !== D.FieldType.time && x.values.some((v) => v != null && v !== '' && !Number.isNaN(v))));
