import { checkFinite, checkObject } from '../check.ts';
import type { FloatArray } from '../backend/types.ts';
import { runKernel, runKernelAsync, type AsyncOptions, type OrderKernel } from '../order/kernel.ts';
import { sortKernel, type MemoryOptions } from '../order/sort-kernel.ts';
import { checkScores } from '../score/check.ts';

/**
 * The k highest-scored rows (all of them when k >= n), ascending by score: the last k of the stable ascending order, so
 * among equal scores at the cut the later rows stay. A fractional k is cut off to an integer. Of no scores, no rows.
 * @throws GradfoldError INVALID_ARGUMENT for k < 1, which would keep nothing; INVALID_DATA naming the index of a NaN.
 */
export function topK(scores: FloatArray, k: number, options: MemoryOptions = {}): Uint32Array {
  return runKernel(topKKernel(scores, k, options));
}

/**
 * topK off the event loop, on a GPU with { backend }: the same rows. `scores` must not change until the promise settles.
 */
export async function topKAsync(
  scores: FloatArray,
  k: number,
  options: MemoryOptions & AsyncOptions = {},
): Promise<Uint32Array> {
  return runKernelAsync(topKKernel(scores, k, options), options);
}

/** @internal */
export function topKKernel(scores: FloatArray, k: number, options: MemoryOptions = {}): OrderKernel {
  checkScores(scores);
  checkObject('options', options);
  return sortKernel(scores, { keep: rowsOfTop(scores.length, k) }, options);
}

/** @internal How many of n rows topK keeps. */
export function rowsOfTop(n: number, k: number): number {
  checkFinite('k (rows to keep; keeping nothing is not a selection)', k, { min: 1 });
  return Math.min(n, Math.trunc(k));
}
