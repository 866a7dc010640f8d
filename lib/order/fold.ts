import { checkInteger, checkObject } from '../check.ts';
import type { FloatArray } from '../backend/types.ts';
import { runKernel, runKernelAsync, type AsyncOptions, type OrderKernel } from './kernel.ts';
import { sortKernel, type MemoryOptions } from './sort-kernel.ts';

export interface FoldOptions extends MemoryOptions {
  /** Number of layers L, each a sweep from low to high scores; default 3. */
  layers?: number;
}

/** As published. */
export const DEFAULT_LAYERS = 3;
const MAX_LAYERS = 0xffffffff;

/**
 * Folding: with S the stable ascending order of scores [n], the rows S[0::L], S[1::L], …, S[L-1::L] end to end, so that
 * training passes L times from the low scores to the high ones (Dai et al. 2025, "Data Efficacy for Language Model
 * Training"). Row indices [n] in training order.
 * @throws GradfoldError INVALID_DATA naming the index of a NaN; INVALID_ARGUMENT for layers that is not an integer >= 1,
 * or too little memory.
 */
export function foldOrder(scores: FloatArray, options: FoldOptions = {}): Uint32Array {
  return runKernel(foldKernel(scores, options));
}

/**
 * foldOrder off the event loop, on a GPU with { backend }: the same rows. `scores` must not change until the promise
 * settles.
 * @throws GradfoldError also OUT_OF_MEMORY where { backend }'s device cannot hold 16 bytes a row (float64: 24).
 */
export async function foldOrderAsync(
  scores: FloatArray,
  options: FoldOptions & AsyncOptions = {},
): Promise<Uint32Array> {
  return runKernelAsync(foldKernel(scores, options), options);
}

/**
 * The layers of foldOrder one by one: L arrays, views of one buffer, whose concatenation is foldOrder. Layers beyond
 * the number of rows are empty.
 */
export function foldPartitions(scores: FloatArray, options: FoldOptions = {}): Uint32Array[] {
  const order = foldOrder(scores, options);
  const starts = layerStarts(order.length, options.layers ?? DEFAULT_LAYERS);
  return starts.slice(1).map((end, layer) => order.subarray(starts[layer], end));
}

/** Where each layer of n folded rows begins, and at last n: [layers + 1]. Layer l has ⌈(n − l) / layers⌉ rows. */
export function layerStarts(n: number, layers: number): number[] {
  const each = Math.floor(n / layers);
  const longer = n % layers;
  return Array.from({ length: layers + 1 }, (_, layer) => layer * each + Math.min(layer, longer));
}

/** @internal */
export function checkLayers(layers: number): void {
  checkInteger('layers', layers, 1, MAX_LAYERS);
}

/** @internal */
export function foldKernel(scores: FloatArray, options: FoldOptions = {}): OrderKernel {
  checkObject('options', options);
  const { layers = DEFAULT_LAYERS } = options;
  checkLayers(layers);
  return sortKernel(scores, { layers }, options);
}
