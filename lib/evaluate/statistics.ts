import { mean, sampleRankCorrelation, sampleStandardDeviation, wilcoxonRankSum } from 'simple-statistics';
import { checkFiniteArray, checkLength, invalid } from '../check.ts';

/** Mean and spread of repeated measurements, such as one loss per seed. */
export interface Summary {
  mean: number;
  /** With the n − 1 denominator; NaN for a single value, which has no spread. */
  standardDeviation: number;
  count: number;
}

/** @throws GradfoldError for no values, or a value that is not finite (named by index). */
export function summarize(values: ArrayLike<number>): Summary {
  const numbers = finiteNumbers('values', values);
  return {
    mean: mean(numbers),
    standardDeviation: numbers.length > 1 ? sampleStandardDeviation(numbers) : NaN,
    count: numbers.length,
  };
}

/**
 * The differences a_i − b_i of runs that share everything but the treatment (their seed above all). Their spread is
 * that of the treatment's effect; the spread between seeds, common to both, cancels.
 */
export function pairedDifference(a: ArrayLike<number>, b: ArrayLike<number>): Summary & { differences: Float64Array } {
  const [left, right] = finitePair(a, b);
  const differences = Float64Array.from(left, (x, i) => x - right[i]);
  return { ...summarize(differences), differences };
}

/**
 * Area under the ROC curve: the probability that a positive scores higher than a negative, ties counting half
 * (the Mann-Whitney U statistic over the number of pairs; 0.5 is chance).
 */
export function areaUnderCurve(positives: ArrayLike<number>, negatives: ArrayLike<number>): number {
  const x = finiteNumbers('positives', positives);
  const y = finiteNumbers('negatives', negatives);
  return (wilcoxonRankSum(x, y) - (x.length * (x.length + 1)) / 2) / (x.length * y.length);
}

/** Spearman's rank correlation of paired values, tied ones sharing their mean rank; NaN when either side is constant. */
export function spearman(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const [left, right] = finitePair(a, b);
  if (left.length < 2) throw invalid('a', 'at least 2 pairs', left.length);
  return sampleRankCorrelation(left, right);
}

function finitePair(a: ArrayLike<number>, b: ArrayLike<number>): [number[], number[]] {
  checkLength('b', b, a.length, 'one for each of a');
  return [finiteNumbers('a', a), finiteNumbers('b', b)];
}

function finiteNumbers(name: string, values: ArrayLike<number>): number[] {
  if (values.length === 0) throw invalid(name, 'at least one value', values);
  checkFiniteArray(name, values);
  return Array.from(values);
}
