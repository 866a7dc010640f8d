import { checkLength, invalid } from '../check.ts';
import { netGain, type FilteredTraining, type NetGain } from './compute.ts';
import { firstCrossing, summarize } from './statistics.ts';

/** Validation losses along a training, ascending by step. */
export type LossCurve = readonly { step: number; loss: number }[];

/** Where two trainings are compared. */
export interface MatchedLoss {
  /** The loss at which the baseline ends, or where the other never gets there, the one at which that ends. */
  loss: number;
  /** Whether the other training gets down to where the baseline ends. */
  reached: boolean;
  /** Steps at which each is first down to it, linear between the points. */
  baseline: number;
  other: number;
}

/**
 * The lowest loss that both trainings get down to, of the two at which they end: the better one is asked how much sooner
 * it was where the worse one ends, so that there is an answer whichever is the better one.
 */
export function matchedLoss(baseline: LossCurve, other: LossCurve): MatchedLoss {
  for (const [name, curve] of Object.entries({ baseline, other })) {
    if (curve.length === 0) throw invalid(`${name} curve`, 'at least one point', 'none');
  }
  const last = (curve: LossCurve): number => curve.at(-1)!.loss;
  const reached = firstCrossing(other, last(baseline)) !== null;
  const loss = reached ? last(baseline) : last(other);
  // Each is down to its own end at its end, if not before, and the worse one's end lies above the other's.
  return { loss, reached, baseline: firstCrossing(baseline, loss)!, other: firstCrossing(other, loss)! };
}

/** The gain with one seed, and the loss at which it is taken. */
export interface GainWithSeed extends NetGain {
  matched: MatchedLoss;
}

/** Mean over seeds, and standard deviation; null for a single one. */
export interface MeanOverSeeds {
  mean: number;
  sd: number | null;
}

/** Net compute gain over seeds, in shares of what a training without a filter costs. */
export interface GainOverSeeds {
  perSeed: GainWithSeed[];
  /** Seeds with which the filtered training gets down to where the other ends. */
  reachedSeeds: number;
  saved: MeanOverSeeds;
  /** Means; `overSampling` is a part of `scoring`. */
  scoring: number;
  overSampling: number;
  metaTraining: number;
  /** saved − scoring: where what scores is there already. */
  netOfScoring: MeanOverSeeds;
  /** saved − scoring − metaTraining. */
  net: MeanOverSeeds;
  /** Trainings after which the mean of netOfScoring has earned back all of meta-training; null where it never does. */
  paysAfter: number | null;
}

/**
 * Net compute gain of filtered trainings at matched loss (`netGain`), seed by seed, with its spread. A seed with which the
 * filtered training does not get down to where the other ends counts too: it is compared at the loss where it ends itself
 * (`matchedLoss`), which the other has as a rule sooner: a negative saving.
 * @param baselines, filtered validation losses by seed, in the same order
 */
export function gainOverSeeds(
  training: Omit<FilteredTraining, 'reached' | 'baselineReached'>,
  baselines: readonly LossCurve[],
  filtered: readonly LossCurve[],
): GainOverSeeds {
  if (baselines.length === 0) throw invalid('baselines', 'at least one curve', 'none');
  checkLength('filtered', filtered, baselines.length, 'one a curve of the baseline');
  const perSeed = baselines.map((baseline, i): GainWithSeed => {
    const matched = matchedLoss(baseline, filtered[i]);
    return { ...netGain({ ...training, baselineReached: matched.baseline, reached: matched.other })!, matched };
  });
  const over = (value: (gain: GainWithSeed) => number): MeanOverSeeds => {
    const { mean, standardDeviation } = summarize(perSeed.map(value));
    return { mean, sd: perSeed.length > 1 ? standardDeviation : null };
  };
  const { metaTraining } = perSeed[0];
  const netOfScoring = over((gain) => gain.netOfScoring);
  return {
    perSeed,
    reachedSeeds: perSeed.filter(({ matched }) => matched.reached).length,
    saved: over(({ saved }) => saved),
    scoring: over(({ scoring }) => scoring).mean,
    overSampling: over(({ overSampling }) => overSampling).mean,
    metaTraining,
    netOfScoring,
    net: over(({ net }) => net),
    paysAfter: netOfScoring.mean > 0 ? (metaTraining * (training.trainings ?? 1)) / netOfScoring.mean : null,
  };
}
