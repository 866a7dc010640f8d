import type { TopLevelSpec } from 'vega-lite';
import type { PlanRow, ReportData, ScoringRow } from './data.ts';
import { familyOf, familiesOf } from './families.ts';

const LABEL = { labelColor: 'var(--muted)', titleColor: 'var(--muted)', labelFontSize: 12, titleFontSize: 12 };

/** Colours are style variables of the page, so that one drawing serves light and dark. */
const CONFIG = {
  background: 'transparent',
  font: 'system-ui, sans-serif',
  view: { stroke: null },
  axis: {
    ...LABEL,
    labelLimit: 220,
    titleFontWeight: 'normal',
    gridColor: 'var(--grid)',
    domainColor: 'var(--axis)',
    tickColor: 'var(--axis)',
    tickCount: 5,
  },
  legend: { ...LABEL, orient: 'top', title: null, symbolStrokeWidth: 3, symbolOpacity: 1, columns: 8 },
  header: { ...LABEL, title: null, labelFontWeight: 'bold' },
} as const;

/** A Vega-Lite drawing in the page's style, as inline SVG. */
export async function draw(spec: object): Promise<string> {
  const { Error: ErrorLevel, parse, View } = await import('vega');
  const { compile } = await import('vega-lite');
  const { spec: vega } = compile({ ...spec, config: CONFIG } as TopLevelSpec);
  const view = new View(parse(vega), { renderer: 'none', logLevel: ErrorLevel });
  try {
    // Inline SVG needs no namespace, and a fixed size would not shrink on a phone.
    return (await view.toSVG())
      .replace(/ xmlns(:\w+)?="[^"]*"/g, '')
      .replace(/<svg ([^>]*?) width="(\d+(\.\d+)?)" height="\d+(\.\d+)?"/, '<svg $1 style="max-width:$2px"');
  } finally {
    view.finalize();
  }
}

/** As many as the page's style has variables for. */
const COLORS = 8;
const color = (i: number): string => `var(--plan-${i % COLORS})`;

/** Where all plans fit into one panel, each has a colour of its own; beyond that colours mean orders. */
export const FEW = 5;

/** What colours mean: the style variable of each plan, and how it is called in a legend. */
export function planColors(plans: PlanRow[]): {
  label(plan: PlanRow): string;
  scale: { domain: string[]; range: string[] };
  of(plan: PlanRow): string;
} {
  const [baseline, ...others] = plans;
  const label = (plan: PlanRow) => (plan === baseline || plans.length <= FEW ? plan.name : plan.order);
  const domain = [...new Set([baseline, ...others].map(label))];
  return {
    label,
    scale: { domain, range: domain.map((_, i) => color(i)) },
    of: (plan) => color(domain.indexOf(label(plan))),
  };
}

/** Loss along training, a panel a measure: the mean over seeds drawn strong, each seed faint. */
export function lossCurves(data: ReportData): Promise<string> {
  const { kind, points } = data.curves;
  const colors = planColors(data.plans);
  const last = Math.max(0, ...points.map((point) => point.step));
  const half = kind === 'training' ? Math.max(1, Math.round(last / 40)) : 0;
  const x = { field: 'step', type: 'quantitative', title: 'optimizer step' };
  const y = { type: 'quantitative', title: `${kind} loss (nats a token)`, scale: { zero: false }, field: 'smooth' };
  return draw({
    data: { values: points },
    transform: [
      {
        window: [{ op: 'mean', field: 'loss', as: 'smooth' }],
        frame: [-half, half],
        groupby: ['plan', 'seed', 'measure'],
        sort: [{ field: 'step' }],
      },
    ],
    facet: { column: { field: 'measure', sort: measuresOf(data) } },
    resolve: { scale: { y: 'independent' } },
    spec: {
      width: 380,
      height: 220,
      encoding: { color: { field: 'plan', type: 'nominal', scale: colors.scale } },
      layer: [
        { mark: { type: 'line', strokeWidth: 1, opacity: 0.35 }, encoding: { x, y, detail: { field: 'seed' } } },
        { mark: { type: 'line', strokeWidth: 2.2 }, encoding: { x, y: { ...y, aggregate: 'mean' } } },
      ],
    },
  });
}

const measuresOf = (data: ReportData): string[] => [...new Set(data.curves.points.map((point) => point.measure))];

/** Where many plans would cover each other: loss minus that of the baseline at the same step, a panel a family. */
export function leadCurves(data: ReportData): Promise<string> {
  const colors = planColors(data.plans);
  const [baseline, ...others] = data.plans;
  const at = (plan: string, { seed, measure, step }: Point) => [plan, seed, measure, step].join(' ');
  const losses = new Map(data.curves.points.map((point) => [at(point.plan, point), point.loss]));
  const planOf = new Map(others.map((plan) => [plan.name, plan]));
  const title = (measure: string, family: string) => `${measure}: ${family}`;
  const values = data.curves.points.flatMap((point) => {
    const plan = planOf.get(point.plan);
    if (!plan) return [];
    return {
      ...point,
      lead: point.loss - losses.get(at(baseline.name, point))!,
      label: colors.label(plan),
      panel: title(point.measure, familyOf(plan)),
    };
  });
  const { domain, range } = colors.scale;
  return draw({
    data: { values },
    facet: {
      field: 'panel',
      sort: measuresOf(data).flatMap((measure) => familiesOf(others).map((family) => title(measure, family))),
    },
    columns: 3,
    spacing: 20,
    spec: {
      width: 245,
      height: 120,
      layer: [
        {
          mark: { type: 'line', strokeWidth: 2 },
          encoding: {
            x: { field: 'step', type: 'quantitative', title: null, axis: { tickCount: 4 } },
            y: { field: 'lead', type: 'quantitative', aggregate: 'mean', title: null, axis: { tickCount: 4 } },
            color: { field: 'label', type: 'nominal', scale: { domain: domain.slice(1), range: range.slice(1) } },
            detail: { field: 'plan' },
          },
        },
        {
          mark: { type: 'rule', strokeDash: [3, 3] },
          encoding: { y: { datum: 0 }, color: { value: 'var(--axis)' } },
        },
      ],
    },
  });
}

type Point = ReportData['curves']['points'][number];

/** Whether curves are drawn as leads: with few plans, or without validation, the losses themselves are clearer. */
export const drawsLeads = ({ plans, curves }: ReportData): boolean =>
  plans.length > FEW && curves.kind === 'validation';

/** How the scores of each domain are distributed: shares of the domain's rows. */
export function scoreHistograms(scoring: Pick<ScoringRow, 'histograms' | 'title'>): Promise<string> {
  const values = scoring.histograms.flatMap(({ domain, low, width, shares }) =>
    shares.map((share, i) => ({ domain, from: low + i * width, to: low + (i + 1) * width, share })),
  );
  return draw({
    data: { values },
    ...panels(
      'domain',
      scoring.histograms.map((x) => x.domain),
    ),
    spec: {
      width: 300,
      height: 50,
      mark: { type: 'bar', color: 'var(--score)', binSpacing: 1 },
      encoding: {
        x: {
          field: 'from',
          type: 'quantitative',
          bin: { binned: true },
          title: `${scoring.title} (right: better)`,
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

/** Rank of the score by position in training order, one small panel a plan. */
export function orderPictures(data: ReportData): Promise<string> {
  const colors = planColors(data.plans);
  const labels = new Map(data.plans.map((plan) => [plan.name, colors.label(plan)]));
  const shown = data.plans.map(({ name }) => name).filter((name) => data.positions.some(({ plan }) => plan === name));
  const many = shown.length > 4;
  return draw({
    data: { values: data.positions.map((point) => ({ ...point, label: labels.get(point.plan) })) },
    facet: { field: 'plan', type: 'nominal', sort: shown, title: null },
    columns: many ? 4 : 2,
    spacing: 14,
    spec: {
      width: many ? 185 : 380,
      height: many ? 80 : 120,
      mark: { type: 'point', filled: true, size: many ? 4 : 6, opacity: 0.7 },
      encoding: {
        x: { field: 'position', type: 'quantitative', title: many ? null : 'row of training', axis: { tickCount: 3 } },
        y: {
          field: 'rank',
          type: 'quantitative',
          title: many ? null : 'rank of the score',
          scale: { domain: [0, 1] },
          axis: { tickCount: 2, format: '.0%' },
        },
        color: { field: 'label', type: 'nominal', scale: colors.scale, legend: null },
      },
    },
  });
}

/** Few plans have the colours of the other charts, and their names beside them; of many each scoring has one. */
function differenceColors(plans: PlanRow[]) {
  const others = plans.slice(1);
  if (plans.length <= FEW) {
    const { scale } = planColors(plans);
    return { of: new Map(others.map(({ name }) => [name, name])), channel: { scale, legend: null } };
  }
  const of = new Map(others.map(({ name, scoring }) => [name, scoring ?? 'no scoring']));
  const domain = [...new Set(of.values())];
  const scale = { domain, range: domain.map((_, i) => color(i + FEW)) }; // not the colours of orders
  return { of, channel: { title: 'scoring', scale, ...(domain.length === 1 ? { legend: null } : {}) } };
}

/** Paired difference to the baseline, a panel a domain: each seed a dot, mean and 95 % interval drawn over them. */
export function differences(data: ReportData): Promise<string> {
  const others = data.plans.slice(1);
  const scale = differenceColors(data.plans);
  const heading = (domain: string, target: boolean) => (target ? `${domain} (target)` : domain);
  const rows = data.domains.flatMap((row) =>
    row.plans.flatMap(({ plan, difference }) =>
      difference
        ? difference.perSeed.map((value) => ({
            domain: heading(row.domain, row.target),
            plan,
            color: scale.of.get(plan),
            value,
            mean: difference.mean,
            low: difference.mean - (difference.test?.margin ?? 0),
            high: difference.mean + (difference.test?.margin ?? 0),
            opacity: difference.clear ? 1 : 0.4,
          }))
        : [],
    ),
  );
  const once = { aggregate: 'mean' };
  return draw({
    data: { values: rows },
    facet: { column: { field: 'domain', sort: data.domains.map((row) => heading(row.domain, row.target)) } },
    resolve: { scale: { x: 'independent' } },
    spacing: 18,
    spec: {
      width: 172,
      height: { step: others.length > FEW ? 17 : 26 },
      encoding: {
        y: {
          field: 'plan',
          type: 'nominal',
          sort: others.map(({ name }) => name),
          title: null,
          axis: { labelLimit: 500 },
        },
        color: { field: 'color', type: 'nominal', ...scale.channel },
        opacity: { field: 'opacity', type: 'quantitative', scale: null, legend: null },
      },
      layer: [
        {
          mark: { type: 'rule', strokeWidth: 1.5 },
          encoding: { x: { field: 'low', type: 'quantitative', ...once }, x2: { field: 'high', ...once } },
        },
        {
          mark: { type: 'tick', thickness: 3, size: 12 },
          encoding: { x: { field: 'mean', type: 'quantitative', ...once } },
        },
        {
          mark: { type: 'point', filled: true, size: 14 },
          encoding: {
            x: { field: 'value', type: 'quantitative', title: 'nats (left: better)', axis: { tickCount: 4 } },
          },
        },
        {
          mark: { type: 'rule', strokeDash: [3, 3] },
          encoding: { x: { datum: 0 }, y: null, color: { value: 'var(--axis)' }, opacity: { value: 1 } },
        },
      ],
    },
  });
}
