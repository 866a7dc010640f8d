/*
 * The normal distribution to float64 precision, from the two classical expansions of the error function (Abramowitz and
 * Stegun 1964, 7.1.6 and 7.1.14). Each is used where it converges with terms of one sign, so nothing cancels.
 */

/** Where the expansions meet; the continued fraction needs its 100 levels only here. */
const MEETING_POINT = 2;
const LEVELS = 100;

/** erf(x) = 2/√π ∫₀ˣ e^{−t²} dt */
export function erf(x: number): number {
  const z = Math.abs(x);
  return Math.sign(x) * (z < MEETING_POINT ? series(z) : 1 - continuedFraction(z));
}

/** 1 − erf(x), without cancellation for large x. */
export function erfc(x: number): number {
  return x < MEETING_POINT ? 1 - erf(x) : continuedFraction(x);
}

/** Φ(x) = ½ erfc(−x/√2) */
export function normalCdf(x: number): number {
  return 0.5 * erfc(-x / Math.SQRT2);
}

/** φ(x) = e^{−x²/2} / √(2π) */
export function normalPdf(x: number): number {
  return Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);
}

/** erf(z) = 2/√π e^{−z²} Σₙ 2ⁿ z²ⁿ⁺¹ / (2n + 1)!! */
function series(z: number): number {
  let term = z;
  let sum = 0;
  for (let n = 1; sum + term !== sum; n++) {
    sum += term;
    term *= (2 * z * z) / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-z * z) * sum;
}

/** erfc(z) = e^{−z²}/√π · 1/(z + ½/(z + 1/(z + ³⁄₂/(z + …)))), evaluated from its depth. */
function continuedFraction(z: number): number {
  let tail = z;
  for (let level = LEVELS; level >= 1; level--) tail = z + level / 2 / tail;
  return Math.exp(-z * z) / (Math.sqrt(Math.PI) * tail);
}
