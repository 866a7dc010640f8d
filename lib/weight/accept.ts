import { checkFinite, checkInteger, checkObject } from '../check.ts';

export interface AcceptOptions {
  /** B: how many samples compete in a batch. */
  batch: number;
  /** K: how many of them are kept. */
  keep: number;
}

/**
 * The chance that a sample is among the K best of a batch of B when a fraction p of all samples scores below it:
 * Σ_{s=0}^{K−1} C(B−1, s) (1−p)^s p^(B−1−s) (Calian et al. 2025, "DataRater"), the probability that at most K−1 of the
 * B−1 others score higher. Accurate to about 1e-12 relative for any batch: the largest term comes from Loader's
 * saddle-point form, the others from their ratios, over whichever tail is the shorter to sum.
 * @throws GradfoldError INVALID_ARGUMENT for p outside [0, 1], batch < 1, or keep outside [1, batch].
 */
export function acceptProbability(p: number, options: AcceptOptions): number {
  checkObject('options', options);
  const { batch, keep } = options;
  checkFinite('p', p, { min: 0, max: 1 });
  checkInteger('batch', batch, 1);
  checkInteger('keep', keep, 1, batch);
  const others = batch - 1;
  if (keep > others || p === 1) return 1;
  if (p === 0) return 0;
  const q = 1 - p;
  // Both tails fall away from the mean, so each is summed starting next to the cut.
  if (keep - 1 <= others * q) return lowerTail(others, p, q, keep - 1);
  // P(at least `keep` others are higher), as the lower tail of those that are not.
  return 1 - lowerTail(others, q, p, others - keep);
}

/** Σ_{s=0}^{last} C(n, s) q^s p^(n−s) for last at or below the mean n q, where terms fall towards s = 0. */
function lowerTail(n: number, p: number, q: number, last: number): number {
  let term = 1;
  let sum = 1;
  for (let s = last; s > 0 && term > Number.EPSILON * 1e-3 * sum; s--) {
    term *= (s / (n - s + 1)) * (p / q);
    sum += term;
  }
  return Math.min(1, Math.exp(logBinomial(n, last, p, q)) * sum);
}

/**
 * log of C(n, s) q^s p^(n−s), 0 < p, q < 1, 0 <= s < n, without the cancellation of log-factorials (Loader 2000, "Fast and accurate
 * computation of binomial probabilities").
 */
function logBinomial(n: number, s: number, p: number, q: number): number {
  if (s === 0) return n * (p > 0.5 ? Math.log1p(-q) : Math.log(p));
  const correction = stirlingError(n) - stirlingError(s) - stirlingError(n - s);
  const deviance = poissonDeviance(s, n * q) + poissonDeviance(n - s, n * p);
  return correction - deviance + 0.5 * Math.log(n / (2 * Math.PI * s * (n - s)));
}

/** log n! − log(√(2πn) (n/e)^n) */
function stirlingError(n: number): number {
  if (n < SMALL_ERRORS.length) return SMALL_ERRORS[n];
  const square = n * n;
  return (1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - 1 / 1188 / square) / square) / square) / square) / n;
}

/** Below 16 the series is not accurate enough; factorials are exact. */
const SMALL_ERRORS = Array.from({ length: 16 }, (_, n) => {
  let factorial = 1;
  for (let i = 2; i <= n; i++) factorial *= i;
  return n === 0 ? 0 : Math.log(factorial) - 0.5 * Math.log(2 * Math.PI * n) - n * Math.log(n) + n;
});

/** x log(x / mean) + mean − x, by its series near x = mean where the three terms cancel. */
function poissonDeviance(x: number, mean: number): number {
  const difference = x - mean;
  if (Math.abs(difference) >= 0.1 * (x + mean)) return x * Math.log(x / mean) - difference;
  const v = difference / (x + mean);
  let sum = difference * v;
  let power = 2 * x * v;
  for (let j = 1; ; j++) {
    power *= v * v;
    const next = sum + power / (2 * j + 1);
    if (next === sum) return sum;
    sum = next;
  }
}
