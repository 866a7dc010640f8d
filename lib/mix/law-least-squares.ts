import { levenbergMarquardt } from 'ml-levenberg-marquardt';
import { solveIndependent } from '../evaluate/least-squares.ts';
import { bestOffset, lawJacobian, lawValue, weightedSquares, type LawPoint, type ScalingLaw } from './law.ts';

const STARTS_A = [0.03, 0.3, 1, 3, 10];
const STARTS_B = [0.1, 0.5, 1.5, 4];
/** Bounds of a in units of the largest x, and of b. */
const BOUNDS = { a: [1e-9, 1e4], b: [1e-4, 100] };
/** Iterations from each start, and from the best of what they come to. */
const ITERATIONS = { start: 25, best: 300 };

/**
 * The law of least weighted squares through more than three points: Levenberg–Marquardt in (ln a, ln b, c) from twenty
 * starts, the best of them finished by Gauss–Newton steps.
 * @returns null where the squares go on falling to the bounds of a or b, so that no law is best
 */
export function leastSquaresLaw(points: readonly LawPoint[]): ScalingLaw | null {
  const scale = Math.max(...points.map(({ x }) => x));
  const bounds = {
    min: [Math.log(BOUNDS.a[0] * scale), Math.log(BOUNDS.b[0])],
    max: [Math.log(BOUNDS.a[1] * scale), Math.log(BOUNDS.b[1])],
  };
  let best: ScalingLaw | null = null;
  for (const startA of STARTS_A) {
    for (const b of STARTS_B) {
      const a = startA * scale;
      const law = descend(points, { a, b, c: bestOffset(a, b, points) }, bounds, ITERATIONS.start);
      if (law && (best === null || weightedSquares(law, points) < weightedSquares(best, points))) best = law;
    }
  }
  if (best === null) return null;
  const inside = (value: number, i: number) => value > bounds.min[i] + 1e-6 && value < bounds.max[i] - 1e-6;
  const found = finish(points, descend(points, best, bounds, ITERATIONS.best) ?? best);
  return inside(Math.log(found.a), 0) && inside(Math.log(found.b), 1) ? found : null;
}

/** Levenberg–Marquardt from one start; null where its equations become singular on the way. */
function descend(
  points: readonly LawPoint[],
  start: ScalingLaw,
  { min, max }: { min: number[]; max: number[] },
  maxIterations: number,
): ScalingLaw | null {
  const lawOf = ([logA, logB, c]: number[]): ScalingLaw => ({ a: Math.exp(logA), b: Math.exp(logB), c });
  const offset = 1e6 * Math.max(...points.map(({ y }) => Math.abs(y)), 1);
  // The library damps by absolute amounts, so residuals come in units of what there is to explain.
  const unit = spreadOf(points);
  const scales = points.map(({ weight }) => Math.sqrt(weight) / unit);
  const data = { x: points.map((_, i) => i), y: points.map(({ y }, i) => y * scales[i]) };
  const value = (p: number[]) => {
    const law = lawOf(p);
    return (i: number) => lawValue(law, points[i].x) * scales[i];
  };
  const jacobian = (p: number[]) => {
    const law = lawOf(p);
    return (i: number) => {
      const [byA, byB, byC] = lawJacobian(law, points[i].x);
      return [law.a * byA * scales[i], law.b * byB * scales[i], byC * scales[i]];
    };
  };
  try {
    const { parameterValues } = levenbergMarquardt(data, value, {
      initialValues: [Math.log(start.a), Math.log(start.b), start.c],
      minValues: [...min, -offset],
      maxValues: [...max, offset],
      jacobianFunction: jacobian,
      maxIterations,
      errorTolerance: 0,
    });
    return lawOf(parameterValues);
  } catch (error) {
    if (error instanceof Error && /singular/.test(error.message)) return null;
    throw error;
  }
}

/** Root of the weighted mean square of what no law explains. */
function spreadOf(points: readonly LawPoint[]): number {
  const weights = points.reduce((sum, { weight }) => sum + weight, 0);
  const mean = points.reduce((sum, { y, weight }) => sum + weight * y, 0) / weights;
  return Math.sqrt(points.reduce((sum, { y, weight }) => sum + weight * (y - mean) ** 2, 0));
}

/** Gauss–Newton steps for as long as they lower the squares. */
function finish(points: readonly LawPoint[], law: ScalingLaw): ScalingLaw {
  for (let i = 0; i < 50; i++) {
    const { solution } = linearized(points, law);
    const next = {
      a: law.a * Math.exp(solution[0]),
      b: law.b * Math.exp(solution[1]),
      c: law.c + solution[2],
    };
    if (!(weightedSquares(next, points) < weightedSquares(law, points))) break;
    law = next;
  }
  return law;
}

/** The least-squares step in (ln a, ln b, c) from a law, and the diagonal of the inverse of JᵀWJ there. */
function linearized(points: readonly LawPoint[], law: ScalingLaw): { solution: number[]; inverse: number[] } {
  const roots = points.map(({ weight }) => Math.sqrt(weight));
  const rows = points.map(({ x }) => lawJacobian(law, x));
  const column = (k: number, unit: number) => rows.map((row, i) => row[k] * unit * roots[i]);
  return solveIndependent(
    [column(0, law.a), column(1, law.b), column(2, 1)],
    points.map(({ x, y }, i) => (y - lawValue(law, x)) * roots[i]),
  );
}

/**
 * Standard errors of a, b and c from the Jacobian at the law.
 * @param known whether the weights are 1 / σ²; otherwise the scatter around the law tells σ
 * @returns null where there is nothing to tell σ from
 */
export function lawErrors(points: readonly LawPoint[], law: ScalingLaw, known: boolean): ScalingLaw | null {
  const freedom = points.length - 3;
  if (!known && freedom <= 0) return null;
  const variance = known ? 1 : weightedSquares(law, points) / freedom;
  const [a, b, c] = linearized(points, law).inverse.map((x) => Math.sqrt(variance * x));
  return { a: a * law.a, b: b * law.b, c };
}
