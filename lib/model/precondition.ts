import type { EngineVector } from '../backend/types.ts';

/** Parameters worked on at a time: small enough for the processor's caches, large enough that calls do not count. */
const CHUNK = 1 << 18;

/** How AdamW scales a gradient in its t-th update, as far as the second moments go. */
export interface SecondMomentStep {
  beta2: number;
  eps: number;
  /** t >= 1 */
  step: number;
}

/** x ← x / (√v̂ + ε), v̂ = (β₂v + (1−β₂)x²) / (1 − β₂ᵗ), elementwise; v stays. */
export function preconditionBy(x: EngineVector, v: EngineVector, { beta2, eps, step }: SecondMomentStep): void {
  const correction = 1 - beta2 ** step;
  for (let offset = 0; offset < x.length; offset += CHUNK) {
    const length = Math.min(CHUNK, x.length - offset);
    const values = x.read(offset, length);
    const moments = v.read(offset, length);
    for (let i = 0; i < length; i++) {
      const moment = beta2 * moments[i] + (1 - beta2) * values[i] * values[i];
      values[i] /= Math.sqrt(moment / correction) + eps;
    }
    x.write(offset, values);
  }
}
