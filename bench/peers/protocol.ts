import type { BackendOptions } from 'gradfold';

// What driver and worker processes say to each other, a JSON line each; torch/worker.py has the same protocol.

/** A worker's first line of input. It prepares the job and runs it once. */
export interface Job {
  name: string;
  device: 'cpu' | 'cuda';
  threads: number;
  /** Of our float32 products, where not the best. */
  gemm?: BackendOptions['gemm'];
  /** Of our models: compute activations again. */
  recompute?: boolean;
  /** A checkpoint directory, and rows of token ids with one token more than predictions. */
  model?: string;
  ids?: number[][];
  /** Of a meta step: the rows of each inner step, while `ids` are held out. */
  inner?: number[][][];
  /** A file of float32 scores. */
  scores?: string;
  /** Shapes [m, n, k] of products. */
  products?: [number, number, number][];
}

/** The reply to the job: what its first run computed, or why it cannot run here. */
export type Prepared = { answer: number[] } | { unavailable: string };

/** The reply to every further line: the job was run once more. */
export interface Repetition {
  seconds: number;
  /** The most memory that the process has held so far (VmHWM); on a GPU the device's, 0 where that is not known. */
  peakBytes: number;
}
