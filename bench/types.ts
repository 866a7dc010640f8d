import type { BackendOptions } from 'gradfold';

export type Precision = NonNullable<BackendOptions['precision']>;

export interface BenchOptions {
  /** Rounds; figures are medians over them. */
  repeats: number;
  /** Also the shapes that take minutes. */
  large: boolean;
  /** Also 1e9 scores: 17 GB of memory. */
  huge: boolean;
  /** Where the suite order sorts. */
  device: 'cpu' | 'cuda';
  /** Text of the suite condition; by default as much as its size says. */
  bytes?: number;
  /** The one asked for; without it, float32, and bfloat16 too in the suites that compare both. */
  precision?: Precision;
  backend: Pick<BackendOptions, 'threads' | 'recompute' | 'gemm' | 'isa'>;
}

export interface BenchRow {
  name: string;
  value: number;
  unit: string;
  /** The most that this machine could give in the same unit, measured in the same run. */
  ceiling?: number;
  /** Of multiples, the least that arithmetic allows: the products of the passes over those of a plain one. */
  floor?: number;
  note?: string;
}
