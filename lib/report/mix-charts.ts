import type { AnalyzedScale, MixtureAnalysis } from '../mix/analysis.ts';
import { amount } from '../mix/amount.ts';
import { percent } from '../mix/describe.ts';
import { predictMixture } from '../mix/predict.ts';
import type { ScaleResponse } from '../mix/response.ts';
import { lawValue } from '../mix/scaling-law.ts';
import { draw } from './charts.ts';

/** As many as the page's style has variables for; the first is grey. */
const COLORS = 8;
const colorsOf = (names: string[]) => ({
  domain: names,
  range: names.map((_, i) => `var(--plan-${(i % (COLORS - 1)) + 1})`),
});

const CURVE_POINTS = 80;

/** Weight of each domain over the total, drawn through the scales and on to the target. */
export function weightCurves(
  { domains, scales, prediction }: MixtureAnalysis,
  searched: readonly AnalyzedScale[] = [],
): Promise<string> {
  const totals = scales.map(({ quantities }) => quantities.reduce((sum, n) => sum + n, 0));
  const [low, high] = [Math.min(...totals), Math.max(...totals, prediction?.target ?? 0)];
  const steps = Array.from({ length: CURVE_POINTS + 1 }, (_, i) => low * (high / low) ** (i / CURVE_POINTS));
  const curve = steps.flatMap((total) =>
    predictMixture({ scales, target: total }).weights.map((weight, d) => ({ domain: domains[d], total, weight })),
  );
  const at = (total: number, weights: number[], kind: string) =>
    weights.map((weight, d) => ({ domain: domains[d], total, weight, kind }));
  const points = [
    ...scales.flatMap(({ weights }, s) => at(totals[s], weights, 'best by the laws')),
    ...(prediction ? at(prediction.target, prediction.weights, 'predicted') : []),
    ...searched.flatMap(({ total, weights }) => at(total, weights, 'searched there')),
  ];
  const x = {
    field: 'total',
    type: 'quantitative',
    title: 'sum of all amounts',
    scale: { type: 'log', nice: false },
    axis: { format: '~s', tickCount: 6 },
  };
  const y = { field: 'weight', type: 'quantitative', title: 'weight', axis: { format: '.0%' } };
  const color = {
    field: 'domain',
    type: 'nominal',
    scale: colorsOf(domains),
    legend: { labelLimit: 0, columns: 4, symbolType: 'stroke' },
  };
  const shape = {
    field: 'kind',
    type: 'nominal',
    scale: {
      domain: ['best by the laws', 'predicted', ...(searched.length > 0 ? ['searched there'] : [])],
      range: ['circle', 'diamond', 'cross'],
    },
    legend: prediction ? { labelLimit: 0, symbolFillColor: 'var(--muted)', symbolStrokeColor: 'var(--muted)' } : null,
  };
  return draw({
    width: 860,
    height: 320,
    layer: [
      { data: { values: curve }, mark: { type: 'line', strokeWidth: 2.2 }, encoding: { x, y, color } },
      {
        data: { values: points },
        mark: { type: 'point', filled: true, size: 80, opacity: 1 },
        encoding: { x, y, color, shape },
      },
    ],
  });
}

interface CurvePoint {
  domain: string;
  scale: string;
  x: number;
  y: number;
}

/** Measured points and laws, a panel a domain; a stroke where the best amount is. */
export function responseCurves(scales: readonly AnalyzedScale[], domains: string[]): Promise<string> {
  const measured = scales.flatMap((scale) => (scale.response ? [{ scale, response: scale.response }] : []));
  const names = measured.map(({ scale }) => amount(scale.total));
  const line: CurvePoint[] = [];
  const points: (CurvePoint & { low: number; high: number })[] = [];
  const best: CurvePoint[] = [];
  for (const { scale, response } of measured) {
    const name = amount(scale.total);
    response.responses.forEach(({ domain, points: own, fit }, d) => {
      for (const { x, y, sigma } of own) {
        points.push({ domain, scale: name, x, y, low: y - 2 * (sigma ?? 0), high: y + 2 * (sigma ?? 0) });
      }
      const x = scale.optimum?.multiples[d];
      if (x !== undefined && x > 0) best.push({ domain, scale: name, x, y: lawValue(fit, x) });
      const ends = [own[0].x, own.at(-1)!.x, x || 1];
      const [low, high] = [0.9 * Math.min(...ends), 1.1 * Math.max(...ends)];
      for (let i = 0; i <= CURVE_POINTS; i++) {
        const at = low * (high / low) ** (i / CURVE_POINTS);
        line.push({ domain, scale: name, x: at, y: lawValue(fit, at) });
      }
    });
  }
  const x = {
    field: 'x',
    type: 'quantitative',
    title: 'amount, × that of the base run',
    scale: { type: 'log', nice: false },
    axis: { format: '~g', tickCount: 5, grid: false },
  };
  const y = {
    field: 'y',
    type: 'quantitative',
    title: 'metric, × base',
    scale: { zero: false },
    axis: { tickCount: 4 },
  };
  const color = {
    field: 'scale',
    type: 'nominal',
    scale: colorsOf(names),
    ...(names.length > 1 ? { legend: { labelLimit: 0 } } : { legend: null }),
  };
  return draw({
    facet: { field: 'domain', type: 'nominal', sort: domains, title: null },
    columns: 3,
    spacing: 20,
    ...layers([
      { values: line, mark: { type: 'line', strokeWidth: 2 }, encoding: { x, y, color } },
      { values: best, mark: { type: 'tick', orient: 'vertical', thickness: 2.5, size: 26 }, encoding: { x, y, color } },
      ...(points.some(({ low, high }) => high > low)
        ? [
            {
              values: points,
              mark: { type: 'rule', strokeWidth: 1.5 },
              encoding: { x, y: { ...y, field: 'low' }, y2: { field: 'high' }, color },
            },
          ]
        : []),
      { values: points, mark: { type: 'point', filled: true, size: 45 }, encoding: { x, y, color } },
    ]),
  });
}

/** Layers of a faceted drawing share one table, so that each takes its own rows of it. */
function layers(parts: { values: object[]; mark: object; encoding: object }[]): object {
  return {
    data: { values: parts.flatMap(({ values }, layer) => values.map((value) => ({ ...value, layer }))) },
    spec: {
      width: 270,
      height: 140,
      layer: parts.map(({ mark, encoding }, layer) => ({
        transform: [{ filter: `datum.layer === ${layer}` }],
        mark,
        encoding,
      })),
    },
  };
}

const BETTER = 'better';
const WORSE = 'worse';

/** What more and less of each domain does to each measure: a panel a factor. */
export function responseHeatmap({ cells, responses }: ScaleResponse, measures: string[]): Promise<string> {
  const domains = responses.map(({ domain }) => domain);
  const values = cells.map(({ factor, change, ...cell }) => ({
    ...cell,
    factor: `× ${amount(factor)}`,
    size: Math.abs(change),
    side: change < 0 ? BETTER : WORSE,
    label: `${change < 0 ? '−' : '+'}${percent(Math.abs(change))}`,
  }));
  const most = Math.max(...values.map(({ size }) => size));
  const width = Math.min(64, Math.max(44, 560 / measures.length));
  return draw({
    data: { values },
    facet: { column: { field: 'factor', type: 'nominal', sort: null, title: 'the domain of the row, changed by' } },
    spacing: 24,
    spec: {
      width: { step: width },
      height: { step: 28 },
      encoding: {
        x: {
          field: 'measure',
          type: 'nominal',
          sort: measures,
          title: 'measured on',
          axis: { labelAngle: -35, orient: 'bottom' },
        },
        y: { field: 'domain', type: 'nominal', sort: domains, title: null },
      },
      layer: [
        {
          mark: { type: 'rect', stroke: 'var(--card)' },
          encoding: {
            color: {
              field: 'side',
              type: 'nominal',
              scale: { domain: [BETTER, WORSE], range: ['var(--good)', 'var(--bad)'] },
            },
            opacity: {
              field: 'size',
              type: 'quantitative',
              scale: { domain: [0, most], range: [0.04, 0.75] },
              legend: null,
            },
          },
        },
        {
          mark: { type: 'text', fontSize: 10, fill: 'var(--ink)' },
          encoding: { text: { field: 'label', type: 'nominal' } },
        },
      ],
    },
  });
}
