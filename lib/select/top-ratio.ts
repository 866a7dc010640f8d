import { checkFinite, invalid } from '../check.ts';
import type { FloatArray } from '../backend/types.ts';
import { runKernel, runKernelAsync, type AsyncOptions, type OrderKernel } from '../order/kernel.ts';
import type { MemoryOptions } from '../order/sort-kernel.ts';
import { checkScores } from '../score/check.ts';
import { topKKernel } from './top-k.ts';

/**
 * The floor(r n) highest-scored of n rows, ascending by score, as topK gives them; r in (0, 1].
 * @throws GradfoldError INVALID_ARGUMENT for r outside (0, 1] or so small that nothing would be kept; INVALID_DATA
 * naming the index of a NaN.
 */
export function topRatio(scores: FloatArray, r: number, options: MemoryOptions = {}): Uint32Array {
  return runKernel(topRatioKernel(scores, r, options));
}

/**
 * topRatio off the event loop, on a GPU with { backend }: the same rows. `scores` must not change until the promise settles.
 */
export async function topRatioAsync(
  scores: FloatArray,
  r: number,
  options: MemoryOptions & AsyncOptions = {},
): Promise<Uint32Array> {
  return runKernelAsync(topRatioKernel(scores, r, options), options);
}

/** @internal */
export function topRatioKernel(scores: FloatArray, r: number, options: MemoryOptions = {}): OrderKernel {
  checkScores(scores);
  // No rows, nothing to keep: any k selects the same.
  return topKKernel(scores, Math.max(1, rowsOfRatio(scores.length, r)), options);
}

/** @internal How many of n rows topRatio keeps; of none, none. */
export function rowsOfRatio(n: number, r: number): number {
  checkFinite('r (the ratio of rows to keep)', r, { above: 0, max: 1 });
  if (n > 0 && Math.trunc(n * r) === 0) {
    throw invalid('r', `a ratio that keeps something of ${n} rows`, r, {
      fix: `use an r of at least 1/${n}, or more rows`,
    });
  }
  return Math.trunc(n * r);
}
