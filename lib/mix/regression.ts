import { checkFiniteArray, checkInteger, checkLength, checkList, invalid } from '../check.ts';
import { leastSquares, standardize } from '../evaluate/least-squares.ts';
import { randomUniforms, streamOf } from '../random.ts';

/** How a loss depends on the weights: ŷ = s + Σ t_d w_d, or ln ŷ of the same form. */
export type RegressionForm = 'linear' | 'log-linear';

export interface MixtureRegressionOptions {
  /** Domain weights of each run, summing to 1: [runs][domains]. */
  weights: readonly ArrayLike<number>[];
  /** Validation loss of each run; > 0 for the log-linear form. */
  losses: ArrayLike<number>;
  /** Default: log-linear. */
  form?: RegressionForm;
  /** Random mixtures that are tried (default 50,000), and the best of them that are averaged (default 100). */
  candidates?: number;
  top?: number;
  seed?: number;
}

export interface MixtureRegression {
  /** The mixture that is best by the regression. */
  weights: number[];
  /** What the regression says of it, in units of the losses. */
  predicted: number;
  /** Share of the variance (of ln y in the log-linear form) that the regression explains, on its own runs. */
  r2: number;
  /** The same less what as many columns of noise would explain; null with too few runs. */
  adjustedR2: number | null;
}

const STREAM = streamOf('mix/random mixtures');

/**
 * Mixtures drawn uniformly from all that there are (Dirichlet with all parameters 1), for the small runs of a regression.
 * @returns [count][domains], each summing to 1; mixture i depends on the seed and i alone
 */
export function randomMixtures({
  domains,
  count,
  seed = 0,
}: {
  domains: number;
  count: number;
  seed?: number;
}): number[][] {
  checkInteger('domains', domains, 1);
  checkInteger('count', count, 0);
  const indices = Uint32Array.from({ length: domains * count }, (_, i) => i);
  const uniforms = randomUniforms(seed, STREAM, indices);
  return Array.from({ length: count }, (_, i) => {
    const draws = Array.from(uniforms.subarray(i * domains, (i + 1) * domains), (u) => -Math.log1p(-u));
    const sum = draws.reduce((s, x) => s + x, 0);
    return draws.map((x) => x / sum);
  });
}

/**
 * A mixture by regression of the loss on the weights over random small runs (Liu et al. 2024, "RegMix", with their linear
 * model): random mixtures are rated by the regression, and the best of them averaged, since the best single one of a
 * linear model is always a single domain.
 * @throws GradfoldError for lengths that differ, weights that do not sum to 1, fewer than two runs, equal losses.
 */
export function regressionMixture(options: MixtureRegressionOptions): MixtureRegression {
  const { form = 'log-linear', candidates = 50_000, top = 100, seed = 0 } = options;
  const { weights, losses } = checkRuns(options, form);
  checkInteger('candidates', candidates, 1);
  checkInteger('top', top, 1, candidates);
  const domains = weights[0].length;
  const inputs = standardize(Array.from({ length: domains }, (_, d) => weights.map((row) => row[d])));
  const outputs = standardize([losses.map((y) => (form === 'linear' ? y : Math.log(y)))]);
  const { coefficients, r2, adjustedR2 } = leastSquares(inputs.columns, outputs.columns[0]);
  const predict = (w: readonly number[]): number => {
    const z = w.reduce((sum, x, d) => {
      const coefficient = coefficients[d];
      return coefficient === null ? sum : sum + (coefficient * (x - inputs.means[d])) / inputs.deviations[d];
    }, 0);
    const y = outputs.means[0] + z * outputs.deviations[0];
    return form === 'linear' ? y : Math.exp(y);
  };
  const rated = randomMixtures({ domains, count: candidates, seed }).map((w) => ({ w, y: predict(w) }));
  const best = rated.sort((p, q) => p.y - q.y).slice(0, top);
  const mixture = Array.from({ length: domains }, (_, d) => best.reduce((sum, { w }) => sum + w[d], 0) / top);
  return { weights: mixture, predicted: predict(mixture), r2, adjustedR2 };
}

/** Rounding by which weights may sum to something else than 1. */
const SLACK = 1e-6;

function checkRuns({ weights, losses }: MixtureRegressionOptions, form: RegressionForm) {
  checkList('weights', weights);
  checkInteger('weights.length', weights.length, 2);
  checkLength('losses', losses, weights.length, 'one for each run');
  checkFiniteArray('losses', losses);
  const rows = weights.map((row, i) => {
    checkLength(`weights[${i}]`, row, weights[0].length, 'as weights[0] has');
    checkFiniteArray(`weights[${i}]`, row);
    const values = Array.from(row);
    const sum = values.reduce((s, w) => s + w, 0);
    if (values.some((w) => w < 0) || Math.abs(sum - 1) > SLACK) {
      throw invalid(`weights[${i}]`, 'weights >= 0 that sum to 1', `[${values.join(', ')}]`);
    }
    return values;
  });
  const values = Array.from(losses);
  const negative = values.findIndex((y) => form === 'log-linear' && y <= 0);
  if (negative >= 0) throw invalid(`losses[${negative}]`, 'a loss > 0, whose logarithm there is', values[negative]);
  return { weights: rows, losses: values };
}
