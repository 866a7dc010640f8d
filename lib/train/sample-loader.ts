import { invalid } from '../check.ts';
import { collate, type Batch } from '../data/batch.ts';
import type { Plan } from '../order/plan.ts';

/** Where training finds a sample's tokens. */
export interface TokenSource {
  tokens(row: number): ArrayLike<number>;
  /** Told of rows whose tokens will be wanted soon; must not wait for them. */
  prefetch?(rows: ArrayLike<number>): void;
}

/** One training step's input. */
export interface PlannedBatch {
  batch: Batch;
  /** One per row, summing to 1; equal plan weights make the loss the plain mean. */
  weights: Float64Array;
  /** Tokens read, padding not counted. */
  tokens: number;
  /** Passes over the plan completed before this batch. */
  epoch: number;
}

/** Steps between the announcement of a row and its use: at tiny's 0.4 s a step more than any disk needs. */
export const READ_AHEAD = 4;

/** Announces the rows of `steps` steps from `step` on, so that training finds them in memory. */
export function prefetchRows(samples: TokenSource, plan: Plan, step: number, batchSize: number, steps = 1): void {
  samples.prefetch?.(positionsOf(plan, step, batchSize * steps, batchSize).map((position) => plan.rows[position]));
}

/**
 * The batch of step `step` (0-based). The plan is read as an endless tape: a batch may end one pass and begin the
 * next, so every row is used equally often and none is dropped for want of a full batch.
 * @throws GradfoldError when the weights of the batch sum to zero.
 */
export function planBatch(samples: TokenSource, plan: Plan, step: number, batchSize: number): PlannedBatch {
  const positions = positionsOf(plan, step, batchSize, batchSize);
  const rows = positions.map((position) => ({ inputIds: samples.tokens(plan.rows[position]) }));
  const total = positions.reduce((sum, position) => sum + plan.weights[position], 0);
  if (!(total > 0)) {
    throw invalid(`plan.weights of step ${step}`, 'a positive sum', total, { code: 'INVALID_DATA' });
  }
  return {
    batch: collate(rows),
    weights: Float64Array.from(positions, (position) => plan.weights[position] / total),
    tokens: rows.reduce((sum, { inputIds }) => sum + inputIds.length, 0),
    epoch: Math.floor((step * batchSize) / plan.rows.length),
  };
}

/** `count` positions of the plan from a step's first on, beginning again at its end. */
function positionsOf(plan: Plan, step: number, count: number, batchSize: number): number[] {
  return Array.from({ length: count }, (_, i) => (step * batchSize + i) % plan.rows.length);
}
