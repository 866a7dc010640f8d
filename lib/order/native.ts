import { availableParallelism } from 'node:os';
import type { FloatArray } from '../backend/types.ts';

/** The ordered rows, or the index of the first NaN. */
export type OrderResult = Uint32Array | number;

/**
 * What the compiled addon offers for ordering. Arguments are checked before they get here. The asynchronous forms run
 * on the thread pool and pin their scores until they settle.
 */
export interface OrderAddon {
  argsort(scores: FloatArray, descending: boolean, threads: number): OrderResult;
  argsortAsync(scores: FloatArray, descending: boolean, threads: number): Promise<OrderResult>;
  foldOrder(scores: FloatArray, layers: number, threads: number): OrderResult;
  foldOrderAsync(scores: FloatArray, layers: number, threads: number): Promise<OrderResult>;
  /** 1 ≤ k ≤ scores.length */
  topK(scores: FloatArray, k: number, threads: number): OrderResult;
  topKAsync(scores: FloatArray, k: number, threads: number): Promise<OrderResult>;
}

/** Threads for a native call; small inputs use fewer. */
export const ORDER_THREADS = Math.min(availableParallelism(), 1024);
