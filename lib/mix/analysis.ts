import { checkFinite, invalid } from '../check.ts';
import { proportionalWeights, uniformWeights } from './baselines.ts';
import { amount } from './amount.ts';
import { descendMixture } from './mixture-descent.ts';
import { optimizeMixture, type Mixture } from './mixture.ts';
import { predictMixture, type MixturePrediction } from './predict.ts';
import type { MixtureResponse, ScaleResponse } from './response.ts';
import { lawValue, type ScalingLaw } from './scaling-law.ts';

/** What is known of one scale: runs, or laws, or the best amounts themselves. */
export interface MixtureScale {
  total: number;
  /** Base amounts of the laws; null where only the best amounts are known. */
  base: number[] | null;
  laws: ScalingLaw[] | null;
  /** The best amounts, where they are not to be found from laws. */
  quantities: number[] | null;
  response: ScaleResponse | null;
}

export interface MixtureInput {
  domains: string[];
  measures: string[];
  /** Ascending by total. */
  scales: MixtureScale[];
}

export interface AnalysisOptions {
  /** Least multiple of its base amount that a domain gets (default 0.2, as in Kang et al.). */
  floor?: number;
  /** Largest multiples of the base amount, by domain. */
  caps?: Record<string, number>;
  /** Amounts that there are, by domain, in the unit of the scales. */
  sizes?: Record<string, number>;
  /** How often a domain may be gone through at the scales of the laws; needs sizes (default: any number of times). */
  maxEpochs?: number;
  /** Sum of the optimal amounts, where it is not that of the base runs. */
  total?: number;
  /** Steps of the published gradient descent, to be shown beside the optimum (default: none). */
  descent?: number;
  /** Sum of the amounts to be predicted. */
  target?: number;
  /** Predict from the scales below the target alone, to compare with the others. */
  holdOut?: boolean;
}

export const DEFAULT_FLOOR = 0.2;

/** One scale with its optimum. */
export interface AnalyzedScale extends MixtureScale {
  /** null where the best amounts were given. */
  optimum: Mixture | null;
  /** As the published descent finds it; null unless asked for. */
  descent: Mixture | null;
  quantities: number[];
  weights: number[];
  /** What the laws say of the metric at the optimum, relative to the base run; null without laws. */
  predicted: number | null;
}

export interface MixtureAnalysis {
  domains: string[];
  measures: string[];
  scales: AnalyzedScale[];
  /** Scales that were held out: what the prediction can be compared with. */
  searched: AnalyzedScale[];
  /** null without a target, or with one scale alone. */
  prediction: (MixturePrediction & { target: number }) | null;
  /** Weights to compare with, by name. */
  baselines: Record<string, number[]>;
  warnings: string[];
}

/** What runs say, as an input of `analyzeMixture`. */
export function inputOf({ domains, measures, scales }: MixtureResponse): MixtureInput {
  return {
    domains,
    measures,
    scales: scales.map((response) => ({
      total: response.total,
      base: response.base,
      laws: response.responses.map(({ fit: { a, b, c } }) => ({ a, b, c })),
      quantities: null,
      response,
    })),
  };
}

/**
 * The best mixture at each scale, and at the target when there are two scales or more.
 * @throws GradfoldError as `optimizeMixture` and `predictMixture` do, and for names that are no domains.
 */
export function analyzeMixture(input: MixtureInput, options: AnalysisOptions = {}): MixtureAnalysis {
  const { domains, measures } = input;
  const sizes = options.sizes && byDomain('sizes', options.sizes, domains);
  const { target } = options;
  const isHeldOut = ({ total }: MixtureScale) =>
    options.holdOut === true && target !== undefined && total > target * (1 - SAME);
  const all = input.scales.map((scale) => analyzeScale(scale, domains, sizes, options));
  const scales = all.filter((scale) => !isHeldOut(scale));
  if (target !== undefined && scales.length < 2) {
    throw invalid('target', 'best amounts at two scales or more to predict from', `${scales.length}`);
  }
  const prediction =
    target === undefined ? null : { ...predictMixture({ scales, target, sizes: sizes ?? undefined, domains }), target };
  return {
    domains,
    measures,
    scales,
    searched: all.filter(isHeldOut),
    prediction,
    baselines: {
      uniform: uniformWeights(domains.length),
      ...(sizes ? { 'by size': proportionalWeights(sizes) } : {}),
    },
    warnings: [...all.flatMap((scale) => scaleWarnings(scale, domains)), ...(prediction?.warnings ?? [])],
  };
}

/** A scale is the target when it is as near as this, as a share. */
const SAME = 1e-6;

function analyzeScale(
  scale: MixtureScale,
  domains: string[],
  sizes: number[] | undefined,
  options: AnalysisOptions,
): AnalyzedScale {
  const { base, laws } = scale;
  if (scale.quantities || !base || !laws) {
    const quantities = scale.quantities!;
    const sum = quantities.reduce((s, n) => s + n, 0);
    const weights = quantities.map((n) => n / sum);
    return { ...scale, quantities, weights, optimum: null, descent: null, predicted: null };
  }
  const problem = {
    quantities: base,
    laws,
    floor: options.floor ?? DEFAULT_FLOOR,
    caps: capsOf(base, domains, sizes, options),
    total: options.total,
  };
  const optimum = optimizeMixture(problem);
  const descent = options.descent === undefined ? null : descendMixture({ ...problem, steps: options.descent });
  const gain = laws.map((law, d) => lawValue(law, optimum.multiples[d]) - lawValue(law, 1));
  return {
    ...scale,
    quantities: optimum.quantities,
    weights: optimum.weights,
    optimum,
    descent,
    predicted: 1 + gain.reduce((sum, change) => sum + change, 0),
  };
}

function capsOf(
  base: number[],
  domains: string[],
  sizes: number[] | undefined,
  { caps = {}, maxEpochs }: AnalysisOptions,
): number[] {
  for (const name of Object.keys(caps)) checkDomain('caps', name, domains);
  if (maxEpochs !== undefined && sizes === undefined) {
    throw invalid('sizes', 'the size of each domain, which maxEpochs is about', undefined);
  }
  return domains.map((domain, d) => {
    const stated = domain in caps ? checkFinite(`caps.${domain}`, caps[domain], { above: 0 }) : Infinity;
    return maxEpochs === undefined ? stated : Math.min(stated, (maxEpochs * sizes![d]) / base[d]);
  });
}

function byDomain(what: string, values: Record<string, number>, domains: string[]): number[] {
  for (const name of Object.keys(values)) checkDomain(what, name, domains);
  return domains.map((domain) => checkFinite(`${what}.${domain}`, values[domain], { above: 0 }));
}

function checkDomain(what: string, name: string, domains: string[]): void {
  if (!domains.includes(name)) throw invalid(what, `one of ${domains.join(', ')}`, name);
}

/** Domains whose optimum is outside of what was measured, where the law is a guess. */
function scaleWarnings({ response, optimum, total }: AnalyzedScale, domains: string[]): string[] {
  if (!response || !optimum) return [];
  const outside = response.responses.flatMap(({ points }, d) => {
    const x = optimum.multiples[d];
    const [low, high] = [points[0].x, points.at(-1)!.x];
    return x < low * (1 - SLACK) || x > high * (1 + SLACK) ? [`${domains[d]} (× ${x.toFixed(2)})`] : [];
  });
  return outside.length === 0
    ? []
    : [`at scale ${amount(total)} these best amounts are outside of what was measured: ${outside.join(', ')}`];
}

/** Rounding by which an amount may be outside. */
const SLACK = 1e-9;
