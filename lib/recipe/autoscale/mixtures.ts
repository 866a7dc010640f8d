import { analyzeMixture, inputOf, type MixtureAnalysis } from '../../mix/analysis.ts';
import { proportionalWeights, uniformWeights } from '../../mix/baselines.ts';
import { regressionMixture } from '../../mix/regression.ts';
import { fitResponses } from '../../mix/response.ts';
import type { MixRun } from '../../mix/results.ts';
import type { MixtureFindings } from '../../report/autoscale-data.ts';
import type { AutoscaleRecipe } from './schema.ts';
import { baseQuotas } from './settings.ts';

/** One random small run of the regression. */
export interface RandomRun {
  /** In the order of the recipe's domains. */
  weights: number[];
  loss: number;
}

/** The mixtures that are trained on at the target, the baseline first. */
export const MIXTURES = {
  uniform: {
    title: 'the same of every domain',
    weights: ({ domains }) => uniformWeights(domains.length),
  },
  proportional: {
    title: 'in proportion to size',
    weights: ({ sizes }) => proportionalWeights(sizes),
  },
  regression: {
    title: 'regression over random small runs',
    weights: ({ regression }) => regression.weights,
  },
  'small-optimum': {
    title: 'the optimum of the largest small scale, as it is',
    weights: ({ small }) => small.scales.at(-1)!.weights,
  },
  autoscale: {
    title: 'AutoScale: predicted from the small scales',
    weights: ({ small }) => small.prediction!.weights,
  },
  'target-optimum': {
    title: 'the optimum of the target, searched by itself',
    weights: ({ target }) => target?.scales[0].weights ?? null,
  },
} satisfies Record<string, { title: string; weights(findings: MixtureFindings): number[] | null }>;

export type MixtureName = keyof typeof MIXTURES;

/** The mixtures that a recipe compares. */
export function comparedMixtures({ scales }: Pick<AutoscaleRecipe, 'scales'>): MixtureName[] {
  const names = Object.keys(MIXTURES) as MixtureName[];
  return names.filter((name) => scales.searchTarget || name !== 'target-optimum');
}

/**
 * Fits the answers of the loss to each domain's quantity, optimises every scale, predicts the target, and does what the
 * alternatives do.
 * @param runs by scale (rows of the base run)
 * @param sizes rows of the training split by domain
 */
export function findMixtures(
  recipe: AutoscaleRecipe,
  { runs, random, sizes }: { runs: Record<number, MixRun[]>; random: RandomRun[]; sizes: Record<string, number> },
): MixtureFindings {
  const { domains, scales, search, compare, measure, seed } = recipe;
  const analyze = (rows: number[], target?: number): MixtureAnalysis => {
    const response = fitResponses(
      rows.flatMap((scale) => runs[scale]),
      { base: baseQuotas(recipe, rows[0]), measureWeights: measure.weights },
    );
    return analyzeMixture(inputOf(response), { floor: search.floor, sizes, target });
  };
  const { form } = compare.regression;
  const regression = regressionMixture({
    weights: random.map(({ weights }) => weights),
    losses: random.map(({ loss }) => loss),
    form,
    seed,
  });
  return {
    domains,
    sizes: domains.map((domain) => sizes[domain]),
    small: analyze(scales.small, scales.target),
    target: scales.searchTarget ? analyze([scales.target]) : null,
    regression: { ...regression, runs: random.length },
  };
}
