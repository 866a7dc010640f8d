import { checkFinite, checkObject } from '../check.ts';

/** How a loss answers to an amount of data: y = (x + a)^(−b) + c, with a, b > 0. */
export interface ScalingLaw {
  /** What all other data are worth, as an amount of this. */
  a: number;
  /** How fast more of it gains. */
  b: number;
  /** What no amount of it goes below. */
  c: number;
}

/** One measured point of a law. */
export interface LawPoint {
  x: number;
  y: number;
  /** 1 / σ², or 1 where no errors are known. */
  weight: number;
}

/** (x + a)^(−b) + c. */
export const lawValue = ({ a, b, c }: ScalingLaw, x: number): number => (x + a) ** -b + c;

/** How fast the law falls at x: b (x + a)^(−b − 1), the gain of a little more data. */
export const lawGain = ({ a, b }: Pick<ScalingLaw, 'a' | 'b'>, x: number): number => b * (x + a) ** (-b - 1);

/** ln of the gain, also where the gain itself is too small for a number. */
export const logGain = ({ a, b }: Pick<ScalingLaw, 'a' | 'b'>, x: number): number =>
  Math.log(b) - (b + 1) * Math.log(x + a);

/** Partial derivatives of the law's value by a, b and c. */
export function lawJacobian({ a, b }: ScalingLaw, x: number): [number, number, number] {
  return [-lawGain({ a, b }, x), -Math.log(x + a) * (x + a) ** -b, 1];
}

/** Σ weight (y − law)². */
export const weightedSquares = (law: ScalingLaw, points: readonly LawPoint[]): number =>
  points.reduce((sum, { x, y, weight }) => sum + weight * (y - lawValue(law, x)) ** 2, 0);

/** The c that suits given a and b best. */
export function bestOffset(a: number, b: number, points: readonly LawPoint[]): number {
  const weights = points.reduce((sum, { weight }) => sum + weight, 0);
  return points.reduce((sum, { x, y, weight }) => sum + weight * (y - (x + a) ** -b), 0) / weights;
}

/** @throws GradfoldError INVALID_ARGUMENT unless a and b are positive and c (where it is wanted) is finite. */
export function checkLaw(name: string, law: unknown): asserts law is Pick<ScalingLaw, 'a' | 'b'> {
  checkObject(name, law);
  const { a, b } = law as ScalingLaw;
  checkFinite(`${name}.a`, a, { above: 0 });
  checkFinite(`${name}.b`, b, { above: 0 });
}
