import { bestOffset, lawGain, lawValue, weightedSquares, type LawPoint, type ScalingLaw } from './law.ts';
import { bisect } from './roots.ts';

/** In the middle of the exponents that Kang et al. (2024) fitted to GPT-2 Large on RedPajama: 1.19 to 1.95. */
export const TYPICAL_EXPONENT = 1.5;

/** Bounds of a in units of the largest x; at the upper one the law is flat. */
const LEAST = 1e-6;
const LARGEST = 1e4;
const STEPS = 200;

/**
 * The law of least weighted squares with a given exponent b: only a is sought, on a grid and then by bisection of the
 * derivative, and c follows. Data that do not fall end at the largest a, where the law is flat.
 */
export function fixedExponentLaw(
  points: readonly LawPoint[],
  b = TYPICAL_EXPONENT,
): { law: ScalingLaw; effect: boolean } {
  const scale = Math.max(...points.map(({ x }) => x)) || 1;
  const lawAt = (t: number): ScalingLaw => {
    const a = scale * Math.exp(t);
    return { a, b, c: bestOffset(a, b, points) };
  };
  const [first, last] = [Math.log(LEAST), Math.log(LARGEST)];
  const grid = Array.from({ length: STEPS + 1 }, (_, i) => first + (i * (last - first)) / STEPS);
  const squares = grid.map((t) => weightedSquares(lawAt(t), points));
  const best = squares.lastIndexOf(Math.min(...squares));
  if (best === STEPS) return { law: lawAt(last), effect: false };
  // c minimises the squares for each a, so their derivative by a is that with c held.
  const slope = (t: number): number => {
    const law = lawAt(t);
    return points.reduce((sum, { x, y, weight }) => sum + weight * (y - lawValue(law, x)) * lawGain(law, x), 0);
  };
  return { law: lawAt(bisect(slope, grid[Math.max(0, best - 1)], grid[best + 1])), effect: true };
}
