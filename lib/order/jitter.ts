import type { FloatArray } from '../backend/types.ts';
import { checkInteger } from '../check.ts';
import { shuffleWindows, streamOf } from '../random.ts';
import { argsort } from './argsort.ts';

const STREAM = streamOf('order/jitter');

export interface JitterOptions {
  /** Places w of a window. */
  window: number;
  seed: number;
}

/**
 * Jitter: the stable ascending order, each of its windows [0, w), [w, 2w), … shuffled uniformly, the last one with what
 * is left. No row moves by w places or more; w = 1 is the ascending sort, w ≥ n a uniform shuffle. Row indices [n].
 * @throws GradfoldError INVALID_DATA naming the index of a NaN; INVALID_ARGUMENT for a window below 1.
 */
export function jitterOrder(scores: FloatArray, { window, seed }: JitterOptions): Uint32Array {
  checkInteger('window', window, 1);
  checkInteger('seed', seed, 0);
  const sorted = argsort(scores);
  shuffleWindows(sorted, window, seed, STREAM);
  return sorted;
}
