import type { AdamwStep, SgdStep } from '../types.ts';
import { innerProduct } from './dense.ts';

/** θ ← θ − lr·s·g with s = min(1, clipNorm / (‖g‖ + 1e-6)). @returns ‖g‖ before clipping */
export function sgdStep(theta: Float64Array, gradient: Float64Array, step: SgdStep): number {
  const norm = Math.sqrt(innerProduct(gradient, gradient));
  if (!Number.isFinite(norm)) return norm; // nothing is updated
  const factor = step.lr * clipFactor(norm, step.clipNorm);
  for (let i = 0; i < theta.length; i++) theta[i] -= factor * gradient[i];
  return norm;
}

/**
 * AdamW (Loshchilov and Hutter 2019), weight decay decoupled and on every parameter, moments m and v in place:
 * m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², θ ← θ − lr·wd·θ − lr·m̂ / (√v̂ + ε), m̂ = m/(1−β₁ᵗ), v̂ = v/(1−β₂ᵗ),
 * with g clipped as in `sgdStep` first.
 * @returns ‖g‖ before clipping
 */
export function adamwStep(
  theta: Float64Array,
  gradient: Float64Array,
  m: Float64Array,
  v: Float64Array,
  { lr, clipNorm, betas: [beta1, beta2], eps, weightDecay, step }: AdamwStep,
): number {
  const norm = Math.sqrt(innerProduct(gradient, gradient));
  if (!Number.isFinite(norm)) return norm; // nothing is updated
  const clip = clipFactor(norm, clipNorm);
  const correction1 = 1 - beta1 ** step;
  const correction2 = 1 - beta2 ** step;
  for (let i = 0; i < theta.length; i++) {
    const g = clip * gradient[i];
    m[i] = beta1 * m[i] + (1 - beta1) * g;
    v[i] = beta2 * v[i] + (1 - beta2) * g * g;
    const direction = m[i] / correction1 / (Math.sqrt(v[i] / correction2) + eps);
    theta[i] -= lr * (weightDecay * theta[i] + direction);
  }
  return norm;
}

/** x ← x / (√v̂ + ε), v̂ = (β₂v + (1−β₂)x²) / (1−β₂ᵗ): what `adamwStep` divides a gradient x by, momentum apart. */
export function adamwMetric(x: Float64Array, v: Float64Array, { betas: [, beta2], eps, step }: AdamwStep): void {
  const correction2 = 1 - beta2 ** step;
  for (let i = 0; i < x.length; i++) x[i] /= Math.sqrt((beta2 * v[i] + (1 - beta2) * x[i] ** 2) / correction2) + eps;
}

function clipFactor(norm: number, clipNorm: number): number {
  return Math.min(1, clipNorm / (norm + 1e-6));
}
