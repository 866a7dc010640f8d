import { checkFiniteArray, checkLength, checkList, invalid } from '../check.ts';
import { fixedExponentLaw, TYPICAL_EXPONENT } from './fixed-exponent-law.ts';
import { lawErrors, leastSquaresLaw } from './law-least-squares.ts';
import { lawValue, type LawPoint, type ScalingLaw } from './law.ts';
import { lawsThrough } from './three-point-law.ts';

export { lawGain, lawValue, type ScalingLaw } from './law.ts';

/** Why no law of the form is the answer, by name. */
export const DIAGNOSES = {
  'too-few-points': 'fewer than three different amounts, which a law of three parameters needs',
  flat: 'all values are equal: the amount makes no difference',
  increasing: 'values rise with the amount: more of it does harm',
  'non-monotone': 'values rise and fall with the amount',
  concave: 'values fall faster and faster, and a law of this form ever slower',
  undetermined: 'many different laws fit about as well: the error of b is larger than b',
  'too-steep': 'values fall further than a law of this form can at this curvature; are they divided by the base run’s?',
} as const;

export type Diagnosis = keyof typeof DIAGNOSES;

/** What is done instead, by name. */
export const FALLBACKS = {
  'fixed-exponent': `b held at ${TYPICAL_EXPONENT}, a by least squares`,
  'no-effect': 'a law without effect, so that the domain gets no more than its floor',
} as const;

export type Fallback = keyof typeof FALLBACKS;

export interface ScalingLawFit extends ScalingLaw {
  /** Root mean square of y less the law, in units of y. */
  residual: number;
  method: 'exact' | 'least-squares' | 'fallback';
  /** null where a law of the form was found. */
  diagnosis: Diagnosis | null;
  /** What was done instead; null without a diagnosis. */
  fallback: Fallback | null;
  /** Of a, b and c; null where nothing tells the noise (three points without σ), or after a fallback. */
  standardErrors: ScalingLaw | null;
  /** A second law through the same three points, of smaller b; null where there is none. */
  alternative: ScalingLaw | null;
}

export interface ScalingLawOptions {
  /** Standard deviation of each y; points count with weight 1 / σ². */
  sigma?: ArrayLike<number>;
}

/** Values that differ by less than this share of their size are equal. */
const FLAT = 1e-10;
/** How much more than a straight line three points must bend, as a share. */
const STRAIGHT = 1e-9;

/**
 * Fits y = (x + a)^(−b) + c with a, b > 0 (Kang et al. 2024, "AutoScale", §3.2) to how a validation metric, relative to
 * that of a base run, answers to the amount of one domain, relative to that of the base run.
 *
 * Three different x: the law through the (weighted mean) values, exactly. Where two laws pass through them, the one of
 * larger b is taken, which promises less beyond the points; the other is told as `alternative`. More than three:
 * weighted least squares. Data of another shape get a diagnosis and a fallback, both named in the result.
 *
 * @param x amounts, >= 0; equal ones are repeated measurements
 * @param y values, near 1 when they are relative to the base run
 * @throws GradfoldError for lengths that differ, no points, and INVALID_DATA naming a value that is negative (x), not
 *   positive (σ) or not finite.
 */
export function fitScalingLaw(
  x: ArrayLike<number>,
  y: ArrayLike<number>,
  options: ScalingLawOptions = {},
): ScalingLawFit {
  const { sigma } = options;
  const points = pointsOf(x, y, sigma);
  const found = find(points, sigma !== undefined);
  const { a, b, c } = found.law;
  const squares = points.reduce((sum, point) => sum + (point.y - lawValue(found.law, point.x)) ** 2, 0);
  return {
    a,
    b,
    c,
    residual: Math.sqrt(squares / points.length),
    method: found.method,
    diagnosis: found.diagnosis ?? null,
    fallback: found.fallback ?? null,
    standardErrors: found.method === 'fallback' ? null : lawErrors(points, found.law, sigma !== undefined),
    alternative: found.alternative ?? null,
  };
}

function pointsOf(x: ArrayLike<number>, y: ArrayLike<number>, sigma?: ArrayLike<number>): LawPoint[] {
  checkList('x', x);
  if (x.length === 0) throw invalid('x', 'at least one amount', x);
  checkLength('y', y, x.length, 'one for each x');
  checkFiniteArray('x', x);
  checkFiniteArray('y', y);
  if (sigma !== undefined) {
    checkLength('sigma', sigma, x.length, 'one for each x');
    checkFiniteArray('sigma', sigma);
  }
  return Array.from({ length: x.length }, (_, i) => {
    if (x[i] < 0) throw invalid(`x[${i}]`, 'an amount >= 0', x[i], { code: 'INVALID_DATA' });
    if (sigma && !(sigma[i] > 0)) throw invalid(`sigma[${i}]`, 'a number > 0', sigma[i], { code: 'INVALID_DATA' });
    return { x: x[i], y: y[i], weight: sigma ? 1 / sigma[i] ** 2 : 1 };
  }).sort((p, q) => p.x - q.x);
}

interface Found {
  law: ScalingLaw;
  method: ScalingLawFit['method'];
  diagnosis?: Diagnosis;
  fallback?: Fallback;
  alternative?: ScalingLaw;
}

function find(points: LawPoint[], known: boolean): Found {
  const groups = groupByX(points);
  const shape = shapeOf(groups);
  if (groups.length > 3 && shape !== 'flat' && shape !== 'increasing') {
    const law = leastSquaresLaw(points);
    const errors = law && lawErrors(points, law, known);
    if (law && (errors === null || errors.b <= law.b)) return { law, method: 'least-squares' };
  }
  if (groups.length === 3 && shape === null) {
    const [law, alternative] = lawsThrough([groups[0], groups[1], groups[2]]);
    if (law) return { law, method: 'exact', alternative };
  }
  const diagnosis = shape ?? (groups.length > 3 ? 'undetermined' : 'too-steep');
  const { law, effect } = fixedExponentLaw(points);
  return { law, method: 'fallback', diagnosis, fallback: effect ? 'fixed-exponent' : 'no-effect' };
}

/** Weighted means of the values at each x. */
function groupByX(points: LawPoint[]): LawPoint[] {
  const groups: LawPoint[] = [];
  for (const { x, y, weight } of points) {
    const last = groups.at(-1);
    if (last?.x !== x) groups.push({ x, y, weight });
    else {
      last.weight += weight;
      last.y += ((y - last.y) * weight) / last.weight;
    }
  }
  return groups;
}

/** What speaks against a law of the form; null when nothing does. */
function shapeOf(groups: LawPoint[]): Diagnosis | null {
  const values = groups.map(({ y }) => y);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  if (groups.length > 1) {
    if (high - low <= FLAT * Math.max(Math.abs(low), Math.abs(high))) return 'flat';
    const steps = values.slice(1).map((y, i) => y - values[i]);
    if (steps.every((step) => step >= 0)) return 'increasing';
    if (groups.length > 2 && !steps.every((step) => step < 0)) return 'non-monotone';
  }
  if (groups.length < 3) return 'too-few-points';
  return groups.length === 3 && !bends(groups) ? 'concave' : null;
}

/** Whether the first fall of three is steeper than the second. */
function bends([first, middle, last]: LawPoint[]): boolean {
  const early = (first.y - middle.y) / (middle.x - first.x);
  const late = (middle.y - last.y) / (last.x - middle.x);
  return early > late * (1 + STRAIGHT);
}
