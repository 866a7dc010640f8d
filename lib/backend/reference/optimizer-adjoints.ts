import type { AdamwStep, SgdStep } from '../types.ts';
import { gradient } from './gradient.ts';
import * as op from './operations.ts';
import { constant, leaf, type Variable } from './tape.ts';

/** Overwrites g with ∂⟨θ̄, θ'⟩/∂g for θ' = θ − lr·s·g, by the tape. */
export function sgdAdjoint(thetaAdjoint: Float64Array, g: Float64Array, { lr, clipNorm }: SgdStep): void {
  const given = leaf(1, g.length, g.slice());
  const moved = op.scale(clipped(given, clipNorm), -lr);
  g.set(gradient(inner(moved, thetaAdjoint), [given])[0].data);
}

/** What a scalar depends on: ∂L by θ, m and v. */
interface StateAdjoint {
  theta: Float64Array;
  m?: Float64Array;
  v?: Float64Array;
}

/**
 * The reverse of `adamwStep` on the tape, for the scalar ⟨θ̄, θ'⟩ + ⟨m̄, m'⟩ + ⟨v̄, v'⟩ of what it left. g, m and v come as
 * before the step; adjoint.theta, g, m and v are overwritten with the derivatives by θ, g, m and v.
 */
export function adamwAdjoint(
  adjoint: StateAdjoint,
  [g, m, v]: readonly [Float64Array, Float64Array, Float64Array],
  { lr, clipNorm, betas: [beta1, beta2], eps, weightDecay, step }: AdamwStep,
): void {
  const leaves = [new Float64Array(g.length), g, m, v].map((values) => leaf(1, g.length, values.slice()));
  const [theta, given, first, second] = leaves; // the update is linear in θ: any value will do
  const clippedGradient = clipped(given, clipNorm);
  const m1 = op.add(op.scale(first, beta1), op.scale(clippedGradient, 1 - beta1));
  const squares = op.multiply(clippedGradient, clippedGradient);
  const v1 = op.add(op.scale(second, beta2), op.scale(squares, 1 - beta2));
  const root = root0(op.scale(v1, 1 / (1 - beta2 ** step)));
  const direction = op.multiply(op.scale(m1, 1 / (1 - beta1 ** step)), op.power(op.shift(root, eps), -1));
  const theta1 = op.subtract(op.scale(theta, 1 - lr * weightDecay), op.scale(direction, lr));
  const terms = [inner(theta1, adjoint.theta)];
  if (adjoint.m) terms.push(inner(m1, adjoint.m));
  if (adjoint.v) terms.push(inner(v1, adjoint.v));
  const derivatives = gradient(terms.reduce(op.add), leaves);
  [adjoint.theta, g, m, v].forEach((values, k) => values.set(derivatives[k].data));
}

/** s·g with s = min(1, clipNorm / (‖g‖ + 1e-6)) */
function clipped(g: Variable, clipNorm: number): Variable {
  const norm = op.power(op.sum(op.multiply(g, g)), 0.5);
  if (norm.data[0] + 1e-6 <= clipNorm || norm.data[0] === 0) return g;
  const factor = op.scale(op.power(op.shift(norm, 1e-6), -1), clipNorm);
  return op.multiply(g, op.repeatColumn(factor, g.columns));
}

/** √x for x ≥ 0, counted as constant where x is 0, which has no derivative there. */
function root0(x: Variable): Variable {
  const indicator = (zero: number) =>
    constant(
      1,
      x.columns,
      x.data.map((value) => (value === 0 ? zero : 1 - zero)),
    );
  return op.multiply(op.power(op.add(x, indicator(1)), 0.5), indicator(0));
}

function inner(x: Variable, values: Float64Array): Variable {
  return op.sum(op.multiply(x, constant(1, x.columns, values.slice())));
}
