import type { FloatArray, SortForm } from '../backend/types.ts';
import { checkInteger } from '../check.ts';
import { GradfoldError } from '../errors.ts';
import { checkScores } from '../score/check.ts';
import type { OrderKernel } from './kernel.ts';
import { ORDER_THREADS } from './native.ts';
import { radixArgsort } from './radix.ts';

export interface MemoryOptions {
  /**
   * Most bytes of working memory, beside the scores and the result; default: as much as is fastest, 9 bytes a row for
   * float32 and 17 for float64. With less the scores are gone through several times; the result is the same. At least
   * leastMemory(n) bytes.
   */
  memory?: number;
}

/** The least working memory for n rows, in bytes: 8 MiB and a quarter of a byte a row. */
export function leastMemory(n: number): number {
  return 2 ** 23 + Math.floor(n / 4);
}

/** Bytes a row that the TypeScript form needs beside the result. */
const PORTABLE_BYTES = 12;

/**
 * @internal Stable sorting of scores [n], selection and folding in one; by default ascending, of all rows, in one layer.
 * Checks scores and memory.
 */
export function sortKernel(scores: FloatArray, given: Partial<SortForm>, { memory }: MemoryOptions): OrderKernel {
  checkScores(scores);
  const n = scores.length;
  if (memory !== undefined) checkInteger('memory (bytes of working memory)', memory, leastMemory(n));
  const { descending = false, keep = n, layers = 1 } = given;
  const form = { descending, keep, layers };
  const options = { ...form, threads: ORDER_THREADS, memory: memory ?? 0 };
  return {
    scores,
    native: (addon) => addon.sortRows(scores, options),
    nativeAsync: (addon) => addon.sortRowsAsync(scores, options),
    device: (rows, signal) => rows.sort(scores, form, signal),
    *portable() {
      if (memory !== undefined && memory < PORTABLE_BYTES * n) {
        throw new GradfoldError(
          'UNAVAILABLE',
          `memory: without the CPU addon ${n} rows need ${PORTABLE_BYTES * n} bytes, got ${memory}; run: npm run build:cpu`,
        );
      }
      const sorted = yield* radixArgsort(scores, descending);
      return foldSorted(keep < n ? sorted.slice(n - keep) : sorted, layers);
    },
  };
}

/** sorted[0::layers], sorted[1::layers], … end to end. */
function foldSorted(sorted: Uint32Array, layers: number): Uint32Array {
  if (layers === 1) return sorted;
  const folded = new Uint32Array(sorted.length);
  let at = 0;
  for (let layer = 0; layer < Math.min(layers, sorted.length); layer++) {
    for (let i = layer; i < sorted.length; i += layers) folded[at++] = sorted[i];
  }
  return folded;
}
