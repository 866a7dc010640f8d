import type { BackendOptions } from 'gradfold';

export interface BenchOptions {
  /** Rounds; figures are medians over them. */
  repeats: number;
  /** Also the shapes that take minutes. */
  large: boolean;
  backend: BackendOptions;
}

export interface BenchRow {
  name: string;
  value: number;
  unit: string;
  /** The most that this machine could give in the same unit, measured in the same run. */
  ceiling?: number;
  note?: string;
}
