import type { ExplanationData } from '../score/explain-data.ts';
import type { FeatureEffect, KeptShare } from '../score/explain.ts';
import { draw } from './charts.ts';

const CORRELATION_COLORS = { 'of ranks (Spearman)': 'var(--plan-1)', 'of values (Pearson)': 'var(--plan-3)' };

/** Without a limit to names: their widths are estimated where pages are drawn, and too large. */
const WHOLE = { labelLimit: 0 };

/** Correlation of each heuristic with the score: bars for ranks, ticks for values. */
export function correlationBars(features: FeatureEffect[]): Promise<string> {
  const [ranks, values] = Object.keys(CORRELATION_COLORS);
  const shown = features.filter(({ spearman }) => spearman !== null);
  const sizes = shown.flatMap(({ spearman, pearson }) => [Math.abs(spearman!), Math.abs(pearson!)]);
  const reach = Math.min(1, Math.ceil(11 * Math.max(0.1, ...sizes)) / 10);
  const scale = { domain: [ranks, values], range: Object.values(CORRELATION_COLORS) };
  const y = { field: 'name', type: 'nominal', sort: shown.map(({ name }) => name), title: null, axis: WHOLE };
  const x = {
    field: 'value',
    type: 'quantitative',
    title: 'correlation with the score',
    scale: { domain: [-reach, reach] },
  };
  const color = { field: 'kind', type: 'nominal', scale, legend: WHOLE };
  const layer = (kind: string, of: (feature: FeatureEffect) => number | null, mark: object) => ({
    data: { values: shown.map((feature) => ({ name: feature.name, kind, value: of(feature) })) },
    mark,
    encoding: { y, x, color },
  });
  return draw({
    width: 640,
    height: { step: 19 },
    layer: [
      layer(ranks, ({ spearman }) => spearman, { type: 'bar', height: { band: 0.7 } }),
      layer(values, ({ pearson }) => pearson, { type: 'tick', thickness: 4, size: 17, opacity: 1 }),
    ],
  });
}

const PENALTY = 'penalty λ (right: weaker)';

/** Chosen heuristics have colours of their own while there are enough. */
const NAMED = 7;

/** Coefficients along the path and the held-out error below them, over the penalty; lines mark the two choices. */
export function lassoPicture({ lasso, lassoFeatures }: ExplanationData): Promise<string> {
  const { path, best, oneStandardError } = lasso!;
  const chosen = path[oneStandardError].coefficients;
  const named = lassoFeatures
    .map((name, j) => ({ name, size: Math.abs(chosen[j]) }))
    .filter(({ size }) => size > 0)
    .sort((a, b) => b.size - a.size)
    .slice(0, NAMED)
    .map(({ name }) => name);
  const domain = [...named, 'others'];
  const range = [...named.map((_, i) => `var(--plan-${i + 1})`), 'var(--axis)'];
  const label = (name: string) => (named.includes(name) ? name : 'others');
  const coefficients = path.flatMap(({ lambda, coefficients }) =>
    lassoFeatures.map((name, j) => ({ name, label: label(name), lambda, value: coefficients[j] })),
  );
  const errors = path.map(({ lambda, error, standardError }) => ({
    lambda,
    error,
    low: error - standardError,
    high: error + standardError,
  }));
  const x = (title: string | null) => ({
    field: 'lambda',
    type: 'quantitative',
    title,
    scale: { type: 'log', reverse: true, nice: false },
    axis: { format: '~g', grid: false },
  });
  const choices = (title: string | null) => ({
    data: { values: [best, oneStandardError].map((i) => ({ lambda: path[i].lambda })) },
    mark: { type: 'rule', strokeDash: [4, 3], stroke: 'var(--muted)' },
    encoding: { x: x(title) },
  });
  return draw({
    spacing: 12,
    vconcat: [
      {
        width: 640,
        height: 220,
        layer: [
          {
            data: { values: coefficients },
            mark: { type: 'line', strokeWidth: 2 },
            encoding: {
              x: x(null),
              y: { field: 'value', type: 'quantitative', title: 'coefficient' },
              detail: { field: 'name' },
              color: { field: 'label', type: 'nominal', scale: { domain, range }, legend: { ...WHOLE, columns: 4 } },
            },
          },
          choices(null),
        ],
      },
      {
        width: 640,
        height: 110,
        layer: [
          {
            data: { values: errors },
            mark: { type: 'area', color: 'var(--score)', opacity: 0.25 },
            encoding: {
              x: x(PENALTY),
              y: { field: 'low', type: 'quantitative', scale: { zero: false }, title: 'held-out error' },
              y2: { field: 'high' },
            },
          },
          {
            data: { values: errors },
            mark: { type: 'line', color: 'var(--score)', strokeWidth: 2 },
            encoding: { x: x(PENALTY), y: { field: 'error', type: 'quantitative' } },
          },
          choices(PENALTY),
        ],
      },
    ],
  });
}

/** Share of each domain's rows that stays as more is dropped; dashed, that of all rows. */
export function keptCurves(kept: KeptShare[]): Promise<string> {
  const domains = Object.keys(kept[0].domains);
  const start = domains.map((domain) => ({ domain, rho: 0, share: 1 }));
  const values = kept.flatMap(({ rho, domains }) =>
    Object.entries(domains).map(([domain, share]) => ({ domain, rho, share })),
  );
  const x = {
    field: 'rho',
    type: 'quantitative',
    title: 'ρ: share of all rows that is dropped',
    axis: { format: '.0%' },
  };
  const y = { field: 'share', type: 'quantitative', title: 'kept', axis: { format: '.0%' }, scale: { domain: [0, 1] } };
  return draw({
    width: 640,
    height: 260,
    layer: [
      {
        data: { values: [0, 1].map((rho) => ({ rho, share: 1 - rho })) },
        mark: { type: 'line', strokeDash: [4, 3], color: 'var(--muted)' },
        encoding: { x, y },
      },
      {
        data: { values: [...start, ...values] },
        mark: { type: 'line', strokeWidth: 2.2, point: { size: 30 } },
        encoding: {
          x,
          y,
          color: {
            field: 'domain',
            type: 'nominal',
            scale: { domain: domains, range: domains.map((_, i) => `var(--plan-${i % 8})`) },
          },
        },
      },
    ],
  });
}
