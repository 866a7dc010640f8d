import { Error as ErrorLevel, parse, View } from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
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
const FEW = 5;

/** What colours mean: the style variable of each plan, and how it is called in a legend. */
export function planColors(plans: PlanRow[]): {
  label(plan: PlanRow): string;
  scale: object;
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

/** Loss along training by measure, for each family of plans beside the baseline: means over seeds. */
export function lossCurves(data: ReportData): Promise<string> {
  const { kind, points } = data.curves;
  const colors = planColors(data.plans);
  const measures = [...new Set(points.map((point) => point.measure))];
  const families = data.plans.length <= FEW ? [''] : familiesOf(data.plans.slice(1));
  const planOf = new Map(data.plans.map((plan) => [plan.name, plan]));
  const isBaseline = (name: string) => name === data.plans[0].name;
  const values = points.flatMap((point) => {
    const plan = planOf.get(point.plan)!;
    const shownIn = families.length === 1 ? families : isBaseline(point.plan) ? families : [familyOf(plan)];
    return shownIn.map((family) => ({ ...point, plan: point.plan, label: colors.label(plan), family }));
  });
  const last = Math.max(0, ...points.map((point) => point.step));
  const half = kind === 'training' ? Math.max(1, Math.round(last / 40)) : 0;
  const x = { field: 'step', type: 'quantitative', title: 'optimizer step' };
  const y = { type: 'quantitative', title: `${kind} loss (nats a token)`, scale: { zero: false }, field: 'smooth' };
  const single = {
    mark: { type: 'line', strokeWidth: 1, opacity: 0.35 },
    encoding: { x, y, detail: { field: 'seed' } },
  };
  return draw({
    data: { values },
    transform: [
      {
        window: [{ op: 'mean', field: 'loss', as: 'smooth' }],
        frame: [-half, half],
        groupby: ['plan', 'seed', 'measure', 'family'],
        sort: [{ field: 'step' }],
      },
    ],
    facet: {
      column: { field: 'measure', sort: measures, header: { labelOrient: 'top' } },
      ...(families.length > 1
        ? {
            row: {
              field: 'family',
              sort: families,
              header: { labelOrient: 'top', labelAnchor: 'start', labelAlign: 'left', labelAngle: 0 },
            },
          }
        : {}),
    },
    resolve: { scale: { y: 'independent' } },
    spec: {
      width: measures.length > 1 ? 330 : 420,
      height: families.length > 1 ? 150 : 220,
      encoding: { color: { field: 'label', type: 'nominal', scale: colors.scale } },
      layer: [
        ...(data.plans.length <= FEW ? [single] : []),
        {
          mark: { type: 'line', strokeWidth: 2.2 },
          encoding: { x, y: { ...y, aggregate: 'mean' }, detail: { field: 'plan' } },
        },
      ],
    },
  });
}

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
          title: many ? null : 'score: share of the pool below',
          scale: { domain: [0, 1] },
          axis: { tickCount: 2, format: '.0%' },
        },
        color: { field: 'label', type: 'nominal', scale: colors.scale, legend: null },
      },
    },
  });
}

/** Paired difference to the baseline, a panel a domain: each seed a dot, mean and 95 % interval drawn over them. */
export function differences(data: ReportData): Promise<string> {
  const others = data.plans.slice(1);
  const scorings = [...new Set(others.map(({ scoring }) => scoring ?? 'no scoring'))];
  const scoringOf = new Map(others.map((plan) => [plan.name, plan.scoring ?? 'no scoring']));
  const heading = (domain: string, target: boolean) => (target ? `${domain} (target)` : domain);
  const rows = data.domains.flatMap((row) =>
    row.plans.flatMap(({ plan, difference }) =>
      difference
        ? difference.perSeed.map((value) => ({
            domain: heading(row.domain, row.target),
            plan,
            scoring: scoringOf.get(plan),
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
      width: 165,
      height: { step: others.length > FEW ? 17 : 26 },
      encoding: {
        y: { field: 'plan', type: 'nominal', sort: others.map(({ name }) => name), title: null },
        color: {
          field: 'scoring',
          type: 'nominal',
          scale: { domain: scorings, range: scorings.map((_, i) => color(i + 1)) },
          ...(scorings.length === 1 ? { legend: null } : {}),
        },
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
