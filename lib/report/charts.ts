import { Error as ErrorLevel, parse, View } from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
import { quantileSorted } from 'simple-statistics';
import type { ReportData } from './data.ts';

const WIDTH = 360;
const LABEL = { labelColor: 'var(--muted)', titleColor: 'var(--muted)', labelFontSize: 12, titleFontSize: 12 };

/** Colours are style variables of the page, so that one drawing serves light and dark. */
const CONFIG = {
  background: 'transparent',
  font: 'system-ui, sans-serif',
  view: { stroke: null },
  axis: {
    ...LABEL,
    titleFontWeight: 'normal',
    gridColor: 'var(--grid)',
    domainColor: 'var(--axis)',
    tickColor: 'var(--axis)',
    tickCount: 5,
  },
  legend: { ...LABEL, orient: 'top', title: null, symbolStrokeWidth: 3, symbolOpacity: 1 },
  header: { ...LABEL, title: null },
} as const;

async function draw(spec: object): Promise<string> {
  const { spec: vega } = compile({ ...spec, config: CONFIG } as TopLevelSpec);
  const view = new View(parse(vega), { renderer: 'none', logLevel: ErrorLevel });
  try {
    // Inline SVG needs no namespace, and a fixed size would not shrink on a phone.
    return (await view.toSVG())
      .replace(/ xmlns(:\w+)?="[^"]*"/g, '')
      .replace(/<svg ([^>]*?) width="\d+(\.\d+)?" height="\d+(\.\d+)?"/, '<svg $1');
  } finally {
    view.finalize();
  }
}

/** One style variable a plan, in their order. */
function planColor(data: ReportData): object {
  const domain = data.plans.map((plan) => plan.name);
  return { field: 'plan', type: 'nominal', scale: { domain, range: domain.map((_, i) => `var(--plan-${i % 5})`) } };
}

/** Loss along training (that of training rows smoothed): the mean over seeds drawn strong, each seed faint. */
export function lossCurves(data: ReportData): Promise<string> {
  const { kind, points } = data.curves;
  const last = Math.max(0, ...points.map((point) => point.step));
  const half = kind === 'training' ? Math.max(1, Math.round(last / 40)) : 0;
  const x = { field: 'step', type: 'quantitative', title: 'optimizer step' };
  const y = { type: 'quantitative', title: `${kind} loss`, scale: { zero: false } };
  return draw({
    width: WIDTH,
    height: 220,
    data: { values: points },
    transform: [
      {
        window: [{ op: 'mean', field: 'loss', as: 'smooth' }],
        frame: [-half, half],
        groupby: ['plan', 'seed'],
        sort: [{ field: 'step' }],
      },
    ],
    encoding: { color: planColor(data) },
    layer: [
      {
        mark: { type: 'line', strokeWidth: 1, opacity: 0.35 },
        encoding: { x, y: { ...y, field: 'smooth' }, detail: { field: 'seed' } },
      },
      { mark: { type: 'line', strokeWidth: 2.5 }, encoding: { x, y: { ...y, field: 'smooth', aggregate: 'mean' } } },
    ],
  });
}

/** How the scores of each domain are distributed: shares of the domain's rows, outer 1 % on each side left out. */
export function scoreHistograms(data: ReportData): Promise<string> {
  const BINS = 40;
  const all = Float64Array.from(data.scores.flatMap((x) => x.values)).sort();
  const [low, high] = [0.01, 0.99].map((p) => quantileSorted(Array.from(all), p));
  const width = (high - low) / BINS || 1;
  const values = data.scores.flatMap(({ domain, values }) => {
    const counts = new Float64Array(BINS);
    for (const score of values) {
      const bin = Math.floor((score - low) / width);
      if (bin >= 0 && bin < BINS) counts[bin]++;
    }
    return Array.from(counts, (count, i) => ({
      domain,
      from: low + i * width,
      to: low + (i + 1) * width,
      share: count / Math.max(1, values.length),
    }));
  });
  return draw({
    data: { values },
    ...panels(
      'domain',
      data.scores.map((x) => x.domain),
    ),
    spec: {
      width: WIDTH,
      height: 56,
      mark: { type: 'bar', color: 'var(--score)', binSpacing: 1 },
      encoding: {
        x: {
          field: 'from',
          type: 'quantitative',
          bin: { binned: true },
          title: 'score (higher: helps the target more)',
          axis: { format: '~g' },
        },
        x2: { field: 'to' },
        y: { field: 'share', type: 'quantitative', title: null, axis: { format: '.0%', tickCount: 2 } },
      },
    },
  });
}

/** One panel below the other for each value of a field, headed by it. */
function panels(field: string, sort: string[]) {
  const header = {
    labelAngle: 0,
    labelAlign: 'left',
    labelAnchor: 'start',
    labelOrient: 'top',
    labelPadding: 2,
    labelFontWeight: 'bold',
  };
  return { facet: { row: { field, sort, header } }, spacing: 8 };
}

/** Score by position in training order, one panel a plan; the outer 0.5 % of scores on each side left out. */
export function orderPicture(data: ReportData): Promise<string> {
  const sorted = data.positions.map((point) => point.score).sort((a, b) => a - b);
  const domain = sorted.length > 0 ? [quantileSorted(sorted, 0.005), quantileSorted(sorted, 0.995)] : [0, 1];
  const values = data.positions.filter(({ score }) => score >= domain[0] && score <= domain[1]);
  return draw({
    data: { values },
    ...panels(
      'plan',
      data.plans.map((plan) => plan.name),
    ),
    spec: {
      width: WIDTH,
      height: 100,
      mark: { type: 'point', filled: true, size: 5, opacity: 0.7 },
      encoding: {
        x: { field: 'position', type: 'quantitative', title: 'position in training order (rows)' },
        y: {
          field: 'score',
          type: 'quantitative',
          title: 'score',
          scale: { domain, nice: true },
          axis: { tickCount: 3, format: '~g' },
        },
        color: { ...planColor(data), legend: null },
      },
    },
  });
}

/** Paired difference to the baseline per domain: each seed a dot, the mean a bar. Left of zero is better. */
export function differences(data: ReportData): Promise<string> {
  const rows = data.domains.flatMap((row) =>
    row.plans.flatMap(({ plan, difference }) =>
      difference ? difference.perSeed.map((value) => ({ domain: row.domain, plan, value, mean: difference.mean })) : [],
    ),
  );
  const y = { field: 'domain', type: 'nominal', sort: data.domains.map((row) => row.domain), title: null };
  const challengers = data.plans.length - 1;
  return draw({
    width: 220,
    height: { step: Math.max(26, 18 * challengers) },
    data: { values: rows },
    encoding: {
      y,
      x: { type: 'quantitative', title: `loss minus that of ${data.plans[0].name} (left: better)` },
      color: { ...planColor(data), ...(challengers === 1 ? { legend: null } : {}) },
      ...(challengers > 1 ? { yOffset: { field: 'plan', type: 'nominal' } } : {}),
    },
    layer: [
      {
        mark: { type: 'rule', color: 'var(--axis)' },
        encoding: { x: { datum: 0 }, color: { value: 'var(--axis)' }, y: { value: 0 }, y2: { value: 'height' } },
      },
      { mark: { type: 'tick', thickness: 3, size: 16 }, encoding: { x: { field: 'mean', aggregate: 'mean' } } },
      { mark: { type: 'point', filled: true, size: 30, opacity: 0.6 }, encoding: { x: { field: 'value' } } },
    ],
  });
}
