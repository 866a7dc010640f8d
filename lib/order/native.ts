import { availableParallelism } from 'node:os';
import type { FloatArray, SortForm } from '../backend/types.ts';

/** The ordered rows, or the index of the first NaN. */
export type OrderResult = Uint32Array | number;

/** What sortRows does with scores [n]. */
export interface SortRowsOptions extends SortForm {
  threads: number;
  /** Bytes of working memory, at least leastMemory(n); 0: no limit. */
  memory: number;
}

/**
 * Sorts scores that come in pieces, in several passes over all of them: count until refine() is false, arrange, and for
 * each window of the sorted order open, collect, close. One call at a time.
 */
export interface NativeRowSorter {
  /** The index of the first NaN among these scores, or −1. */
  count(scores: FloatArray): Promise<number>;
  /** Whether all scores have to be counted once more. */
  refine(): boolean;
  /** [first, rows] of every window of the sorted order of the rows kept, flat. */
  arrange(order: { keep: number; descending: boolean }): Float64Array;
  /** From now on rows are collected for a window; `out` [its rows] is their place, each window folded by itself. */
  open(window: number, layers: number, out: Uint32Array): void;
  /** The rows are called names[i] + offset, or i + offset. Throws INVALID_ARGUMENT for scores that were not counted. */
  collect(scores: FloatArray, names: Uint32Array | undefined, offset: number): Promise<number>;
  /** Writes the window's rows to `out`. */
  close(): Promise<number>;
}

/**
 * What the compiled addon offers for ordering. Arguments are checked before they get here. The asynchronous forms run
 * on the thread pool and pin their arrays until they settle.
 */
export interface OrderAddon {
  sortRows(scores: FloatArray, options: SortRowsOptions): OrderResult;
  sortRowsAsync(scores: FloatArray, options: SortRowsOptions): Promise<OrderResult>;
  /** memory: of everything that is held, the rows of one window included. */
  createRowSorter(options: { rows: number; wide: boolean; threads: number; memory: number }): NativeRowSorter;
}

/** Threads for a native call; small inputs use fewer. */
export const ORDER_THREADS = Math.min(availableParallelism(), 1024);
