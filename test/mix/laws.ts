import { randomUniform, streamOf } from '../../lib/random.ts';
import type { ScalingLaw } from '../../lib/mix/scaling-law.ts';

/** Numbers in [low, high), the same in every run of a test. */
export function numbers(name: string): (low: number, high: number) => number {
  const stream = streamOf(`test/mix/${name}`);
  let index = 0;
  return (low, high) => low + (high - low) * randomUniform(1, stream, index++);
}

/** Laws such as fits to perplexities give. */
export function someLaws(count: number, between: (low: number, high: number) => number): ScalingLaw[] {
  return Array.from({ length: count }, () => ({ a: between(0.5, 6), b: between(0.3, 2.5), c: between(0.5, 0.95) }));
}
