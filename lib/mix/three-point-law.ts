import type { ScalingLaw } from './law.ts';
import { bisect, minimize } from './roots.ts';

type Point = Pick<{ x: number; y: number }, 'x' | 'y'>;

/**
 * The laws y = (x + a)^(−b) + c with a, b > 0 that pass through three points exactly.
 *
 * Differences of y leave two equations: the ratio of the two falls, which for each a belongs to one b, and the size of
 * the second one. Along the curve of (a, b) of the wanted ratio that size rises to a largest one and falls again, so
 * there are two laws, or one, or none. Both parameters are found by bisection and finished by Newton steps.
 *
 * @param points ascending in x, falling in y, and convex: the first fall steeper than the second
 * @returns the larger b first; nothing where no such law falls as far as the points do
 */
export function lawsThrough([first, middle, last]: readonly [Point, Point, Point]): ScalingLaw[] {
  const curve = new RatioCurve(first.x, middle.x, last.x, (first.y - middle.y) / (middle.y - last.y));
  const wanted = Math.log(middle.y - last.y);
  const excess = (s: number): number => curve.logFall(curve.a(s)) - wanted;
  const top = highest(excess);
  if (!(excess(top) >= 0)) return [];
  const ends = [LAST, FIRST].filter((end) => excess(end) < 0);
  return ends.map((end) => {
    const { a, b } = curve.finish(curve.a(bisect(excess, top, end)), wanted);
    return { a, b, c: middle.y - (middle.x + a) ** -b };
  });
}

// The curve is walked along s = ln((a − least a) / span of x).
const FIRST = Math.log(1e-9);
const LAST = Math.log(1e7);
const STEPS = 120;

/** Where the fall is largest along the curve. */
function highest(excess: (s: number) => number): number {
  const width = (LAST - FIRST) / STEPS;
  const values = Array.from({ length: STEPS + 1 }, (_, i) => excess(FIRST + i * width));
  const best = FIRST + values.indexOf(Math.max(...values)) * width;
  return minimize((s) => -excess(s), Math.max(FIRST, best - width), Math.min(LAST, best + width));
}

/** ln(e^z − 1), also where e^z overflows. */
const logExpm1 = (z: number): number => (z > 30 ? z + Math.log1p(-Math.exp(-z)) : Math.log(Math.expm1(z)));

/** All (a, b) whose law falls by a given ratio more between the first two of three x than between the last two. */
class RatioCurve {
  readonly #x: [number, number, number];
  readonly #logRatio: number;
  readonly #leastA: number;

  constructor(x0: number, x1: number, x2: number, ratio: number) {
    this.#x = [x0, x1, x2];
    this.#logRatio = Math.log(ratio);
    // As b goes to 0 the ratio goes to that of the logarithms, so a smaller a than that gives it for no b.
    const tooSmall = (a: number): boolean => {
      const [p, q] = this.#logs(a);
      return p / q >= ratio;
    };
    const span = x2 - x0;
    const least = span * Number.EPSILON;
    this.#leastA = tooSmall(least)
      ? Math.exp(bisect((t) => (tooSmall(Math.exp(t)) ? -1 : 1), Math.log(least), Math.log(span * 1e12)))
      : 0;
  }

  a(s: number): number {
    return this.#leastA + (this.#x[2] - this.#x[0]) * Math.exp(s);
  }

  /** ln((x1 + a) / (x0 + a)) and ln((x2 + a) / (x1 + a)). */
  #logs(a: number): [number, number] {
    const [x0, x1, x2] = this.#x;
    return [Math.log1p((x1 - x0) / (x0 + a)), Math.log1p((x2 - x1) / (x1 + a))];
  }

  /** ln of the ratio of falls, less the wanted one; rises with b. */
  #mismatch(a: number, b: number): number {
    const [p, q] = this.#logs(a);
    return logExpm1(b * p) - Math.log(-Math.expm1(-b * q)) - this.#logRatio;
  }

  #b(a: number): number {
    return Math.exp(bisect((t) => this.#mismatch(a, Math.exp(t)), Math.log(1e-12), Math.log(1e12)));
  }

  /** ln of how far the law of this a falls between the last two x. */
  logFall(a: number, b = this.#b(a)): number {
    const [, q] = this.#logs(a);
    return -b * Math.log(this.#x[1] + a) + Math.log(-Math.expm1(-b * q));
  }

  /** From an a next to the solution to the solution: Newton steps in (ln a, ln b) for as long as they gain. */
  finish(a: number, wanted: number): { a: number; b: number } {
    let best = { a, b: this.#b(a) };
    let error = Infinity;
    for (let i = 0; i < 20; i++) {
      const step = this.#newton(best, wanted);
      if (!(step.error < error)) break;
      error = step.error;
      const next = { a: best.a * Math.exp(step.logA), b: best.b * Math.exp(step.logB) };
      if (!(this.#newton(next, wanted).error < error)) break;
      best = next;
    }
    return best;
  }

  #newton({ a, b }: { a: number; b: number }, wanted: number): { error: number; logA: number; logB: number } {
    const [x0, x1, x2] = this.#x;
    const [p, q] = this.#logs(a);
    const [dp, dq] = [1 / (x1 + a) - 1 / (x0 + a), 1 / (x2 + a) - 1 / (x1 + a)];
    const up = -1 / Math.expm1(-b * p); // e^(bp) / (e^(bp) − 1)
    const down = 1 / Math.expm1(b * q); // e^(−bq) / (1 − e^(−bq))
    const [ratio, fall] = [this.#mismatch(a, b), this.logFall(a, b) - wanted];
    const ratioBy = [a * b * (dp * up - dq * down), b * (p * up - q * down)];
    const fallBy = [a * b * (dq * down - 1 / (x1 + a)), b * (q * down - Math.log(x1 + a))];
    const determinant = ratioBy[0] * fallBy[1] - ratioBy[1] * fallBy[0];
    return {
      error: Math.abs(ratio) + Math.abs(fall),
      logA: (ratioBy[1] * fall - fallBy[1] * ratio) / determinant,
      logB: (fallBy[0] * ratio - ratioBy[0] * fall) / determinant,
    };
  }
}
