import { invalid } from '../check.ts';
import { summarize } from '../evaluate/statistics.ts';
import type { MixRun } from './results.ts';
import { fitScalingLaw, type ScalingLawFit } from './scaling-law.ts';

export interface ResponseOptions {
  /** Base amounts by domain: relative ones where the results name their scale, else the amounts (default: all equal). */
  base?: Record<string, number>;
  /** What each measure counts in the average (default: that of the table, else all the same). */
  measureWeights?: Record<string, number>;
}

/** How the metric answered to one domain's amount. */
export interface DomainResponse {
  domain: string;
  /** Relative to the base run, ascending in x; σ where seeds or the table tell it. */
  points: { x: number; y: number; sigma: number | null; runs: number }[];
  fit: ScalingLawFit;
}

/** The change of one measure by one run, relative to the base run. */
export interface ResponseCell {
  domain: string;
  factor: number;
  measure: string;
  change: number;
}

/** What the runs of one scale say. */
export interface ScaleResponse {
  /** Sum of the base amounts. */
  total: number;
  /** Base amounts, in the order of the domains. */
  base: number[];
  /** The average metric of the base run. */
  baseMetric: number;
  responses: DomainResponse[];
  cells: ResponseCell[];
  runs: number;
}

export interface MixtureResponse {
  domains: string[];
  measures: string[];
  /** Ascending by total. */
  scales: ScaleResponse[];
}

/**
 * What the runs of a mixture experiment (direct data optimisation, Kang et al. 2024) say: at each scale a law for each
 * domain of how the average metric, relative to the base run, answers to its amount.
 *
 * Where every seed has a base run of its own, runs are compared with that of their seed, and with two seeds or more the
 * spread of these ratios gives the errors; where the table states σ, that does; otherwise there are none.
 *
 * @throws GradfoldError INVALID_DATA where a base run, a domain at some scale or a measure is missing.
 */
export function fitResponses(runs: readonly MixRun[], options: ResponseOptions = {}): MixtureResponse {
  const domains = [...new Set(runs.flatMap(({ domain }) => domain ?? []))];
  if (domains.length < 2) {
    throw invalid('domain', 'runs that change two domains or more', domains.join(', ') || 'none', INVALID_DATA);
  }
  const measures = [...new Set(runs.flatMap(({ metrics }) => Object.keys(metrics)))];
  for (const name of Object.keys(options.base ?? {})) checkName('base', name, domains);
  for (const name of Object.keys(options.measureWeights ?? {})) checkName('measure weights', name, measures);
  const totals = [...new Set(runs.map(({ scale }) => scale))];
  if (totals.length > 1 && totals.includes(null)) {
    throw invalid('scale', 'a scale for every run, or for none', 'some without', INVALID_DATA);
  }
  const scales = totals.map((scale) =>
    scaleResponse(
      runs.filter((run) => run.scale === scale),
      { domains, measures, scale, options },
    ),
  );
  return { domains, measures, scales: scales.sort((p, q) => p.total - q.total) };
}

const INVALID_DATA = { code: 'INVALID_DATA' } as const;

function checkName(what: string, name: string, known: string[]): void {
  if (!known.includes(name)) throw invalid(what, `one of ${known.join(', ')}`, name);
}

interface ScaleContext {
  domains: string[];
  measures: string[];
  scale: number | null;
  options: ResponseOptions;
}

function scaleResponse(runs: MixRun[], context: ScaleContext): ScaleResponse {
  const { domains, scale, options } = context;
  const where = scale === null ? 'results' : `results at scale ${scale}`;
  const amounts = domains.map((domain) => options.base?.[domain] ?? 1);
  const sum = amounts.reduce((s, n) => s + n, 0);
  const base = scale === null ? amounts : amounts.map((n) => (n / sum) * scale);
  const metric = (run: MixRun) => averageOf(run, context, where);
  const factorOf = (run: MixRun) => run.factor ?? run.quantity! / base[domains.indexOf(run.domain!)];
  const baseRuns = runs.filter(({ domain }) => domain === null);
  if (baseRuns.length === 0) {
    throw invalid(where, 'a base run, whose domain is empty', 'none', INVALID_DATA);
  }
  const ratios = new Ratios(runs, baseRuns, metric);
  const responses = domains.map((domain) => {
    const own = runs.filter((run) => run.domain === domain);
    if (own.length === 0) throw invalid(where, `runs that change ${domain}`, 'none', INVALID_DATA);
    const factors = [...new Set(own.map(factorOf))];
    const changed = factors.map((x) =>
      ratios.point(
        x,
        own.filter((run) => factorOf(run) === x),
      ),
    );
    return respond(domain, changed, ratios);
  });
  return {
    total: scale ?? sum,
    base,
    baseMetric: summarize(baseRuns.map(metric)).mean,
    responses,
    cells: cellsOf(runs, baseRuns, context, factorOf),
    runs: runs.length,
  };
}

function averageOf(run: MixRun, { measures, options }: ScaleContext, where: string): number {
  const { measureWeights } = options;
  if (run.average !== null && measureWeights === undefined) return positive(run.average, `${where}: average`);
  const counted = measures.filter((measure) => measureWeights === undefined || (measureWeights[measure] ?? 0) > 0);
  if (counted.length === 0) throw invalid(where, 'an average, or a column for each measure', 'neither', INVALID_DATA);
  const weight = (measure: string) => measureWeights?.[measure] ?? 1;
  const total = counted.reduce((sum, measure) => sum + weight(measure), 0);
  const value = counted.reduce((sum, measure) => {
    const measured = run.metrics[measure];
    if (measured === undefined) throw invalid(`${where}: ${measure}`, 'a value for each run', 'none', INVALID_DATA);
    return sum + (weight(measure) * measured) / total;
  }, 0);
  return positive(value, `${where}: average`);
}

function positive(value: number, where: string): number {
  if (!(value > 0))
    throw invalid(where, 'a metric > 0, since it is taken relative to the base run', value, INVALID_DATA);
  return value;
}

type Point = DomainResponse['points'][number];

/** Metrics relative to the base run, with errors where they can be told. */
class Ratios {
  readonly #metric: (run: MixRun) => number;
  readonly #base: number;
  readonly #bySeed: Map<number | null, number>;
  readonly #paired: boolean;
  readonly #stated: boolean;
  readonly #baseSigma: number;

  constructor(runs: MixRun[], baseRuns: MixRun[], metric: (run: MixRun) => number) {
    this.#metric = metric;
    this.#base = summarize(baseRuns.map(metric)).mean;
    this.#bySeed = new Map(baseRuns.map((run) => [run.seed, metric(run)]));
    this.#paired = runs.every(({ seed }) => seed !== null && this.#bySeed.has(seed));
    this.#stated = runs.every(({ sigma }) => sigma !== null);
    const squares = baseRuns.reduce((sum, { sigma }) => sum + (sigma ?? 0) ** 2, 0);
    this.#baseSigma = Math.sqrt(squares) / baseRuns.length / this.#base;
  }

  /** The mean over runs that changed the same domain by the same factor. */
  point(x: number, runs: MixRun[]): Point {
    const values = runs.map((run) => this.#metric(run) / (this.#paired ? this.#bySeed.get(run.seed)! : this.#base));
    const { mean, standardDeviation, count } = summarize(values);
    const stated = Math.sqrt(runs.reduce((sum, { sigma }) => sum + (sigma ?? 0) ** 2, 0)) / count / this.#base;
    const observed = this.#paired && count > 1 ? standardDeviation / Math.sqrt(count) : null;
    return { x, y: mean, sigma: this.#stated ? stated : observed, runs: count };
  }

  /** The base run itself: 1, with the stated error or none. */
  basePoint(): Point {
    return { x: 1, y: 1, sigma: this.#stated ? this.#baseSigma : null, runs: this.#bySeed.size };
  }
}

/** Errors of the base run's ratio to itself, which is 1 by definition: so small that the law goes through it. */
const PINNED = 1e-3;
/** Seeds that agree to the last bits have some error all the same. */
const LEAST_ERROR = 1e-9;

function respond(domain: string, changed: Point[], ratios: Ratios): DomainResponse {
  const points = [...changed.filter(({ x }) => x !== 1), ratios.basePoint()].sort((p, q) => p.x - q.x);
  const sigmas = changed.flatMap(({ x, sigma }) => (x === 1 || sigma === null ? [] : [Math.max(sigma, LEAST_ERROR)]));
  const known = sigmas.length === points.length - 1;
  const sigma = known
    ? points.map((point) => Math.max(point.sigma ?? PINNED * Math.min(...sigmas), LEAST_ERROR * PINNED))
    : undefined;
  const fit = fitScalingLaw(
    points.map(({ x }) => x),
    points.map(({ y }) => y),
    { sigma },
  );
  return { domain, points, fit };
}

/** Mean change of each measure by each run, over seeds. */
function cellsOf(
  runs: MixRun[],
  baseRuns: MixRun[],
  { domains, measures }: ScaleContext,
  factorOf: (run: MixRun) => number,
): ResponseCell[] {
  const mean = (of: MixRun[], measure: string) => summarize(of.map(({ metrics }) => metrics[measure])).mean;
  const complete = measures.filter((measure) => runs.every(({ metrics }) => measure in metrics));
  return domains.flatMap((domain) => {
    const own = runs.filter((run) => run.domain === domain);
    const factors = [...new Set(own.map(factorOf))].sort((p, q) => p - q);
    return factors.flatMap((factor) => {
      const same = own.filter((run) => factorOf(run) === factor);
      return complete.map((measure) => ({
        domain,
        factor,
        measure,
        change: mean(same, measure) / mean(baseRuns, measure) - 1,
      }));
    });
  });
}
