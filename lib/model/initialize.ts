import { setImmediate } from 'node:timers/promises';
import type { EngineVector } from '../backend/types.ts';
import { randomNormals, streamOf } from '../random.ts';
import type { ParameterLayout } from './layout.ts';

/** Numbers drawn between two turns of the event loop; even, as randomNormals asks. */
const CHUNK = 2 ** 18;

/**
 * Fresh parameters as Hugging Face transformers draws them: matrices normal(0, standardDeviation), GPT-2's projections
 * onto the residual stream normal(0, standardDeviation / √(2 layers)), norm gains one, biases and the padding token's
 * embedding zero. A tensor's numbers depend on the seed and its name alone and are float32 numbers on every backend.
 */
export async function initializeParameters(
  parameters: EngineVector,
  layout: ParameterLayout,
  options: { seed: number; standardDeviation: number; signal?: AbortSignal },
): Promise<void> {
  const { seed, standardDeviation, signal } = options;
  const drawn = new Float32Array(CHUNK);
  for (const { name, shape, offset, size, initial } of layout.slots) {
    if (typeof initial === 'string') {
      parameters.write(offset, new Float32Array(size).fill(initial === 'ones' ? 1 : 0));
      continue;
    }
    const deviation = initial.scale * standardDeviation;
    const stream = streamOf(name);
    for (let from = 0; from < size; from += CHUNK) {
      signal?.throwIfAborted();
      const values = drawn.subarray(0, Math.min(CHUNK, size - from));
      randomNormals(values, seed, stream, from);
      for (let i = 0; i < values.length; i++) values[i] *= deviation;
      parameters.write(offset + from, values);
      await setImmediate();
    }
    if (initial.zeroRow !== undefined) {
      const width = shape[1];
      parameters.write(offset + initial.zeroRow * width, new Float32Array(width));
    }
  }
}
