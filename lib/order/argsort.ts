import type { FloatArray } from '../backend/types.ts';
import { checkObject } from '../check.ts';
import { runKernel, runKernelAsync, type AsyncOptions, type OrderKernel } from './kernel.ts';
import { sortKernel, type MemoryOptions } from './sort-kernel.ts';

export interface ArgsortOptions extends MemoryOptions {
  /** Highest first; default false. Equal scores keep input order either way. */
  descending?: boolean;
}

/**
 * The row indices [n] that sort scores [n]. Stable in both directions: equal scores (-0 equals 0) keep input order.
 * Synchronous; O(n) time, and working memory as `memory` says.
 * @throws GradfoldError INVALID_DATA naming the index of a NaN; INVALID_ARGUMENT when scores is not a float array, or
 * for too little memory.
 */
export function argsort(scores: FloatArray, options: ArgsortOptions = {}): Uint32Array {
  return runKernel(argsortKernel(scores, options));
}

/**
 * argsort off the event loop, on a GPU with { backend }: the same rows. `scores` must not change until the promise
 * settles.
 * @throws GradfoldError also OUT_OF_MEMORY where { backend }'s device cannot hold 16 bytes a row (float64: 24).
 */
export async function argsortAsync(
  scores: FloatArray,
  options: ArgsortOptions & AsyncOptions = {},
): Promise<Uint32Array> {
  return runKernelAsync(argsortKernel(scores, options), options);
}

/** @internal */
export function argsortKernel(scores: FloatArray, options: ArgsortOptions = {}): OrderKernel {
  checkObject('options', options);
  return sortKernel(scores, { descending: options.descending }, options);
}
