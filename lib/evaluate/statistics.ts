import { mean, sampleRankCorrelation, sampleStandardDeviation, wilcoxonRankSum } from 'simple-statistics';
import { checkFinite, checkFiniteArray, checkInteger, checkLength, invalid } from '../check.ts';

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

/** What repeated paired differences say about their mean. */
export interface PairedTest {
  /** Two-sided p of Student's t: the chance of a mean this far from 0 were the differences normal around 0. */
  t: number;
  /** Half the width of the 95 % confidence interval of the mean. */
  margin: number;
  /** Two-sided p of the exact sign-flip permutation test, which assumes no distribution; never below 2^(1 − n). */
  permutation: number;
}

const MOST_PERMUTED = 20;

/**
 * Tests whether paired differences have a mean other than 0, by Student's t (n − 1 degrees of freedom) and by the
 * permutation test that flips the sign of each difference (Fisher 1935). All-zero differences have p 1.
 * @param differences at least 2; the permutation test goes through all 2^n signs, so n is at most 20
 */
export function pairedTest(differences: ArrayLike<number>): PairedTest {
  const numbers = finiteNumbers('differences', differences);
  const n = checkInteger('differences.length', numbers.length, 2, MOST_PERMUTED);
  const standardError = sampleStandardDeviation(numbers) / Math.sqrt(n);
  const middle = mean(numbers);
  const t = middle === 0 ? 0 : middle / standardError;
  return {
    t: studentTail(t, n - 1),
    margin: standardError * studentQuantile(0.05, n - 1),
    permutation: signFlipTest(numbers),
  };
}

/**
 * P(|T| ≥ |t|) of Student's distribution with a whole number ν of degrees of freedom, by its finite sum (Abramowitz &
 * Stegun 1964, 26.7.3 and 26.7.4): exact but for rounding.
 */
export function studentTail(t: number, degrees: number): number {
  const freedom = checkInteger('degrees', degrees, 1);
  if (Number.isNaN(t)) throw invalid('t', 'a number', t);
  const angle = Math.atan2(Math.abs(t), Math.sqrt(freedom));
  const [cosine, odd] = [Math.cos(angle), freedom % 2];
  let term = odd ? cosine : 1;
  let sum = freedom === 1 ? 0 : term;
  for (let k = odd ? 3 : 2; k < freedom; k += 2) sum += term *= ((k - 1) / k) * cosine ** 2;
  const within = odd ? (2 / Math.PI) * (angle + Math.sin(angle) * sum) : Math.sin(angle) * sum;
  return Math.max(0, 1 - within);
}

/** The t that |T| exceeds with probability `tail`, by bisection. */
export function studentQuantile(tail: number, degrees: number): number {
  checkFinite('tail', tail, { above: 0, max: 1 });
  let [low, high] = [0, 1];
  while (studentTail(high, degrees) > tail) high *= 2;
  for (let i = 0; i < 100; i++) {
    const middle = (low + high) / 2;
    if (studentTail(middle, degrees) > tail) low = middle;
    else high = middle;
  }
  return high;
}

/** The share of the 2^n sign patterns under which the sum is as far from 0 as it is. */
function signFlipTest(differences: number[]): number {
  const observed = Math.abs(differences.reduce((sum, x) => sum + x, 0));
  // Sums of the same terms in another order differ in their last bits.
  const enough = observed - 1e-12 * differences.reduce((sum, x) => sum + Math.abs(x), 0);
  const patterns = 2 ** differences.length;
  let extreme = 0;
  for (let pattern = 0; pattern < patterns; pattern++) {
    const sum = differences.reduce((total, x, i) => total + ((pattern >>> i) & 1 ? -x : x), 0);
    if (Math.abs(sum) >= enough) extreme++;
  }
  return extreme / patterns;
}

/**
 * p-values of several tests, raised so that the chance of one or more false alarms among all of them stays below the
 * level at which they are read (Holm 1979).
 */
export function holm(pValues: ArrayLike<number>): number[] {
  const p = Array.from(pValues, (x, i) => checkFinite(`pValues[${i}]`, x, { min: 0, max: 1 }));
  const order = p.map((_, i) => i).sort((a, b) => p[a] - p[b]);
  const adjusted = new Array<number>(p.length);
  let highest = 0;
  order.forEach((i, rank) => {
    highest = Math.max(highest, Math.min(1, (p.length - rank) * p[i]));
    adjusted[i] = highest;
  });
  return adjusted;
}

/**
 * The step at which a curve first comes down to `level`, linear between its points; null when it never does.
 * @param points ascending by step; a curve that begins at or below the level reaches it at its first point
 */
export function firstCrossing(points: readonly { step: number; loss: number }[], level: number): number | null {
  const after = points.findIndex(({ loss }) => loss <= level);
  if (after < 0) return null;
  const b = points[after];
  if (after === 0) return b.step;
  const a = points[after - 1];
  return a.step + ((b.step - a.step) * (a.loss - level)) / (a.loss - b.loss);
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

/**
 * Standard error of Spearman's rank correlation ρ of n pairs: that of Fisher's z, √((1 + ρ²/2) / (n − 3)) (Bonett and
 * Wright 2000), times dρ/dz = 1 − ρ². NaN for fewer than 4 pairs.
 */
export function spearmanError(correlation: number, pairs: number): number {
  // Rounding may put a perfect correlation beyond 1.
  const rho = Math.max(-1, Math.min(1, checkFinite('correlation', correlation)));
  const n = checkInteger('pairs', pairs, 0);
  return n < 4 ? NaN : (1 - rho ** 2) * Math.sqrt((1 + rho ** 2 / 2) / (n - 3));
}

/** Standard error of a share of n independent trials, √(p(1 − p) / n). */
export function shareError(share: number, trials: number): number {
  const p = checkFinite('share', share, { min: 0, max: 1 });
  return Math.sqrt((p * (1 - p)) / checkInteger('trials', trials, 1));
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
