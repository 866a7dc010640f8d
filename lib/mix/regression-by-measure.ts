import { checkFinite, invalid } from '../check.ts';
import { bestByPrediction, regress, type MixtureRegressionOptions } from './regression.ts';

export interface MeasuresRegressionOptions extends Omit<MixtureRegressionOptions, 'losses'> {
  /** Losses of each run by measure. */
  losses: Readonly<Record<string, ArrayLike<number>>>;
  /** What each measure counts in the average that is to fall; default: all the same. */
  measureWeights?: Readonly<Record<string, number>>;
}

export interface MeasuresRegression {
  /** The mixture of least predicted average. */
  weights: number[];
  /** That average. */
  predicted: number;
  /** By measure: share of the variance that its regression explains, on its own runs. */
  r2: Record<string, number>;
}

/**
 * A mixture by regression, one a measured domain: ln of its loss is linear in the weights, and the mixture of least
 * average of the predicted losses is looked for. Where losses fall steeply enough with their own domain's weight that is
 * inside; one regression of the average, tilted as a whole, always ends in a corner (Ye et al. 2024, "Data Mixing Laws",
 * has a form like this; random runs and search as in Liu et al. 2024, RegMix).
 * @throws GradfoldError as `regressionMixture`; for no measure, or a weighted one that is not there.
 */
export function regressionByMeasure(options: MeasuresRegressionOptions): MeasuresRegression {
  const { weights, losses, measureWeights, form } = options;
  const names = Object.keys(measureWeights ?? losses);
  if (names.length === 0) throw invalid('losses', 'at least one measure', 'none');
  const parts = names.map((name) => {
    if (!Object.hasOwn(losses, name)) throw invalid(`losses.${name}`, 'losses of a weighted measure', undefined);
    const share = checkFinite(`measureWeights.${name}`, measureWeights?.[name] ?? 1, { above: 0 });
    return { name, share, regression: regress({ weights, losses: losses[name] }, form) };
  });
  const total = parts.reduce((sum, { share }) => sum + share, 0);
  const predict = (w: readonly number[]) =>
    parts.reduce((sum, { share, regression }) => sum + (share / total) * regression.predict(w), 0);
  const mixture = bestByPrediction(predict, weights[0].length, options);
  return {
    weights: mixture,
    predicted: predict(mixture),
    r2: Object.fromEntries(parts.map(({ name, regression }) => [name, regression.r2])),
  };
}
