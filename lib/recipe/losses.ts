import type { Samples } from '../data/samples.ts';
import type { LanguageModel } from '../model/language-model.ts';
import { batchesOf } from './rows.ts';

/** Mean loss of every row under a model [rows]. */
export async function evaluateLosses(
  model: LanguageModel,
  samples: Samples,
  rows: Uint32Array,
  batchSize: number,
  signal: AbortSignal | undefined,
  onProgress: (done: number, total: number) => void,
): Promise<Float64Array> {
  const losses = new Float64Array(rows.length);
  let done = 0;
  for (const batch of batchesOf(samples, rows, batchSize)) {
    const { perSample } = await model.loss(batch, { signal });
    losses.set(perSample, done);
    done += batch.batch;
    onProgress(done, rows.length);
  }
  return losses;
}
