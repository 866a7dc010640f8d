import { Matrix, SVD } from 'ml-matrix';
import { checkArray, checkFinite, checkLength, checkList, checkObject, invalid } from '../check.ts';
import { bisect } from './roots.ts';

export interface PredictionProblem {
  /** The best amounts of each domain at two or more scales, in one unit, all > 0. */
  scales: readonly { quantities: ArrayLike<number> }[];
  /** Sum of the amounts that are wanted, in that unit. */
  target: number;
  /** How much there is of each domain, in that unit, to say how often it would be repeated. */
  sizes?: ArrayLike<number>;
  /** Names of the domains, for warnings. */
  domains?: readonly string[];
}

export interface MixturePrediction {
  /** Amounts of each domain; they sum to the target. */
  quantities: number[];
  /** Shares of the target. */
  weights: number[];
  /** Where on the curve the target is: the smallest scale is at 0, the largest at their number − 1. */
  t: number;
  /** How many times each domain's amount grows from one scale to the next. */
  growth: number[];
  /** Root mean square of ln amount less the curve's over all scales and domains: 0 with two scales. */
  residual: number;
  /** ln amount less the curve's, by scale (ascending) and domain. */
  residuals: number[][];
  /** How often each domain would be gone through; null without sizes. */
  epochs: number[] | null;
  warnings: string[];
}

/** Rounding by which a prediction may be beyond one step. */
const SLACK = 1e-9;

/**
 * The best mixture at another scale (Kang et al. 2024, "AutoScale", §3.3): each domain's best amount is
 * N_d(t) = exp(α_d + β_d t), and t solves Σ_d N_d(t) = target. From two scales at t = 0 and 1 the curve goes through both,
 * so that the next step, t = 2, is N⁽²⁾ N⁽²⁾ / N⁽¹⁾. From more it is the line of least squares through ln N: the first
 * principal axis, since where the scales are on it is not known either.
 *
 * @throws GradfoldError for fewer than two scales, amounts that are not positive, scales of equal total, and a target
 *   below the least total of the curve.
 */
export function predictMixture(problem: PredictionProblem): MixturePrediction {
  const { scales, target, sizes, domains } = checkProblem(problem);
  const curve = lineThrough(scales.map((quantities) => quantities.map(Math.log)));
  const amounts = (t: number) => curve.alpha.map((alpha, d) => Math.exp(alpha + curve.beta[d] * t));
  const t = positionOf(target, curve, scales.length - 1);
  const raw = amounts(t);
  const sum = raw.reduce((s, n) => s + n, 0);
  const quantities = raw.map((n) => (n / sum) * target); // rounding apart, sum is target
  const epochs = sizes ? quantities.map((n, d) => n / sizes[d]) : null;
  const flat = curve.residuals.flat();
  return {
    quantities,
    weights: raw.map((n) => n / sum),
    t,
    growth: curve.beta.map(Math.exp),
    residual: Math.sqrt(flat.reduce((s, r) => s + r * r, 0) / flat.length),
    residuals: curve.residuals,
    epochs,
    warnings: [...distanceWarnings(t, scales.length - 1), ...epochWarnings(epochs, domains)],
  };
}

/** The checked problem, its scales ascending by their totals. */
function checkProblem(problem: PredictionProblem): {
  scales: number[][];
  target: number;
  sizes: number[] | null;
  domains: readonly string[];
} {
  checkObject('problem', problem);
  checkArray('scales', problem.scales);
  if (problem.scales.length < 2) throw invalid('scales', 'the best amounts at two or more scales', problem.scales);
  const positive = (name: string, value: unknown) => checkFinite(name, value, { above: 0 });
  const scales = problem.scales.map((scale, s) => {
    checkObject(`scales[${s}]`, scale);
    checkList(`scales[${s}].quantities`, scale.quantities);
    checkLength(`scales[${s}].quantities`, scale.quantities, problem.scales[0].quantities.length, 'as scales[0] has');
    return Array.from(scale.quantities, (n, d) => {
      const name = `scales[${s}].quantities[${d}]`;
      if (n === 0) throw invalid(name, 'an amount > 0', n, { fix: 'nothing grows from 0; give domains a floor' });
      return positive(name, n);
    });
  });
  const count = scales[0].length;
  if (count === 0) throw invalid('scales[0].quantities', 'an amount for each domain', problem.scales[0].quantities);
  const { sizes, domains } = problem;
  if (sizes !== undefined) checkLength('sizes', sizes, count, 'one for each domain');
  if (domains !== undefined) checkLength('domains', domains, count, 'one for each quantity');
  const total = (quantities: number[]) => quantities.reduce((sum, n) => sum + n, 0);
  scales.sort((p, q) => total(p) - total(q));
  const [smallest, largest] = [total(scales[0]), total(scales.at(-1)!)];
  if (!(largest > smallest * (1 + SLACK))) throw invalid('scales', 'totals that differ', `${smallest} each`);
  return {
    scales,
    target: positive('target', problem.target),
    sizes: sizes ? Array.from(sizes, (n, d) => positive(`sizes[${d}]`, n)) : null,
    domains: domains ?? scales[0].map((_, d) => `domain ${d}`),
  };
}

interface Curve {
  alpha: number[];
  beta: number[];
  residuals: number[][];
}

/** The line alpha + beta t of least squares through points, the first one's foot at t = 0, the last one's at their number − 1. */
function lineThrough(points: number[][]): Curve {
  const last = points.length - 1;
  const center = points[0].map((_, d) => points.reduce((sum, point) => sum + point[d], 0) / points.length);
  const centered = new Matrix(points.map((point) => point.map((x, d) => x - center[d])));
  const axis = new SVD(centered, { autoTranspose: true }).rightSingularVectors.getColumn(0);
  const places = centered.mmul(Matrix.columnVector(axis)).to1DArray();
  const spread = places[last] - places[0];
  const beta = axis.map((x) => (x * spread) / last);
  const alpha = center.map((x, d) => x + axis[d] * places[0]);
  const residuals = points.map((point, s) => {
    const t = ((places[s] - places[0]) / spread) * last;
    return point.map((x, d) => x - (alpha[d] + beta[d] * t));
  });
  return { alpha, beta, residuals };
}

/**
 * The t at which the amounts sum to the target. Where some domains shrink, there may be two; it is the larger, on the
 * side of the curve where the sum grows.
 */
function positionOf(target: number, { alpha, beta }: Curve, last: number): number {
  // ln Σ exp is convex in t, so the sum falls to a least value at most once before it grows.
  const logTotal = (t: number): number => {
    const exponents = alpha.map((x, d) => x + beta[d] * t);
    const largest = Math.max(...exponents);
    return largest + Math.log(exponents.reduce((sum, x) => sum + Math.exp(x - largest), 0));
  };
  const growth = (t: number): number => {
    const exponents = alpha.map((x, d) => x + beta[d] * t);
    const largest = Math.max(...exponents);
    return exponents.reduce((sum, x, d) => sum + beta[d] * Math.exp(x - largest), 0);
  };
  if (!(growth(last) > 0)) throw invalid('scales', 'totals that grow along the curve', Math.exp(logTotal(last)));
  const wanted = Math.log(target);
  let high = last;
  while (logTotal(high) < wanted) high += Math.max(1, high);
  let low = 0;
  for (let step = 1; logTotal(low) > wanted && growth(low) > 0; step *= 2) low -= step;
  if (growth(low) <= 0) {
    low = bisect(growth, low, high);
    if (logTotal(low) > wanted) {
      throw invalid('target', `at least ${Math.exp(logTotal(low))}, the least total of the curve`, target, {
        fix: 'some domains shrink from scale to scale, so the curve goes no further down',
      });
    }
  }
  return bisect((t) => logTotal(t) - wanted, low, high);
}

function distanceWarnings(t: number, last: number): string[] {
  const beyond = Math.max(t - last, -t);
  if (beyond <= 1 + SLACK) return [];
  const steps = beyond.toFixed(1);
  return [
    t > last
      ? `the target is ${steps} steps of extrapolation above the largest scale; more than one is a guess, so measure at a scale between`
      : `the target is ${steps} steps of extrapolation below the smallest scale; measure at that scale instead`,
  ];
}

function epochWarnings(epochs: number[] | null, domains: readonly string[]): string[] {
  return (epochs ?? []).flatMap((count, d) =>
    count > 1 + SLACK
      ? [`the amount of ${domains[d]} is ${count.toFixed(2)} times what there is, so it would be repeated`]
      : [],
  );
}
