import { mean, sampleVariance } from 'simple-statistics';
import { checkFiniteArray, invalid } from '../check.ts';

/** An area under the ROC curve, and what it may be off by for want of more values. */
export interface RocArea {
  /** P(a positive scores higher than a negative), ties counting half. */
  area: number;
  /** NaN when either side has a single value. */
  standardError: number;
}

/**
 * The area under the ROC curve with its standard error by DeLong, DeLong and Clarke-Pearson (1988): on either side the
 * variance of each value's share of won comparisons, over the number of values.
 * @throws GradfoldError for no values on a side, or one that is not finite (named by index).
 */
export function areaWithError(positives: ArrayLike<number>, negatives: ArrayLike<number>): RocArea {
  const won = sharesBelow(sorted('positives', positives), sorted('negatives', negatives));
  const lost = sharesBelow(sorted('negatives', negatives), sorted('positives', positives));
  return { area: mean(won), standardError: Math.sqrt(varianceOfMean(won) + varianceOfMean(lost)) };
}

function sorted(name: string, values: ArrayLike<number>): Float64Array {
  if (values.length === 0) throw invalid(name, 'at least one value', values);
  checkFiniteArray(name, values);
  return Float64Array.from(values).sort();
}

/** For each value the share of the others that are below it, ties counting half; both sides ascending. */
function sharesBelow(values: Float64Array, others: Float64Array): number[] {
  let [below, upTo] = [0, 0];
  return Array.from(values, (value) => {
    while (below < others.length && others[below] < value) below++;
    while (upTo < others.length && others[upTo] <= value) upTo++;
    return (below + upTo) / (2 * others.length);
  });
}

function varianceOfMean(values: number[]): number {
  return values.length > 1 ? sampleVariance(values) / values.length : NaN;
}
