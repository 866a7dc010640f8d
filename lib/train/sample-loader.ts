import { invalid } from '../check.ts';
import { collate, type Batch } from '../data/batch.ts';
import type { Plan } from '../order/plan.ts';

/** Where training finds a sample's tokens. */
export interface TokenSource {
  tokens(row: number): ArrayLike<number>;
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

/**
 * The batch of step `step` (0-based). The plan is read as an endless tape: a batch may end one pass and begin the
 * next, so every row is used equally often and none is dropped for want of a full batch.
 * @throws GradfoldError when the weights of the batch sum to zero.
 */
export function planBatch(samples: TokenSource, plan: Plan, step: number, batchSize: number): PlannedBatch {
  const positions = Array.from({ length: batchSize }, (_, i) => (step * batchSize + i) % plan.rows.length);
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
