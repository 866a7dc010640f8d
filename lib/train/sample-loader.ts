import { checkFinite, checkInteger, checkLength, invalid } from '../check.ts';
import { collate, type Batch, type TokenRow } from '../data/batch.ts';
import { rowOf, type TokenSource } from '../data/token-source.ts';
import type { Plan } from '../order/plan.ts';
import type { Choice } from './hooks.ts';

export type { TokenSource } from '../data/token-source.ts';

/** One training step's input. */
export interface PlannedBatch {
  batch: Batch;
  /** Row numbers of the samples, in the order of the batch. */
  rows: Uint32Array;
  /** The same rows, as they were collated. */
  tokenRows: TokenRow[];
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
  samples.prefetch?.(rowsFrom(plan, step * batchSize, batchSize * steps));
}

/**
 * The batch of step `step` (0-based). The plan is read as an endless tape: a batch may end one pass and begin the
 * next, so every row is used equally often and none is dropped for want of a full batch.
 * @throws GradfoldError when the weights of the batch sum to zero.
 */
export function planBatch(samples: TokenSource, plan: Plan, step: number, batchSize: number): PlannedBatch {
  const length = plan.rows.length;
  const positions = Array.from({ length: batchSize }, (_, i) => step * batchSize + i);
  const rows = rowsFrom(plan, step * batchSize, batchSize);
  const readings = samples.row ? readingsOf(plan) : undefined;
  const tokenRows = positions.map((position, i) => rowOf(samples, rows[i], readings?.before(position)));
  return {
    batch: collate(tokenRows),
    rows,
    tokenRows,
    weights: normalized(
      `plan.weights of step ${step}`,
      positions.map((position) => plan.weights[position % length]),
    ),
    tokens: countTokens(tokenRows),
    epoch: Math.floor(positions[0] / length),
  };
}

/**
 * The part of a batch that a filter chose, in the order of the batch.
 * @throws GradfoldError INVALID_ARGUMENT for no place, one outside the batch or given twice, or weights that are not one
 *   finite number >= 0 a place with a positive sum.
 */
export function narrow(planned: PlannedBatch, choice: Choice): PlannedBatch {
  const count = planned.rows.length;
  const chosen = Array.from(choice.places, (place, i) => checkInteger(`places[${i}]`, place, 0, count - 1));
  if (chosen.length === 0 || new Set(chosen).size < chosen.length) {
    throw invalid('places', 'at least one place of the batch, none twice', chosen.join(', ') || 'none');
  }
  const weights = choice.weights ?? chosen.map((place) => planned.weights[place]);
  checkLength('weights', weights, chosen.length, 'one a place');
  for (let i = 0; i < weights.length; i++) checkFinite(`weights[${i}]`, weights[i], { min: 0 });
  const order = chosen.map((_, i) => i).sort((a, b) => chosen[a] - chosen[b]);
  const places = order.map((i) => chosen[i]);
  const tokenRows = places.map((place) => planned.tokenRows[place]);
  return {
    ...planned,
    batch: collate(tokenRows),
    rows: Uint32Array.from(places, (place) => planned.rows[place]),
    tokenRows,
    weights: normalized(
      'weights of the filter',
      order.map((i) => weights[i]),
    ),
    tokens: countTokens(tokenRows),
  };
}

function normalized(name: string, weights: number[]): Float64Array {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  if (!(total > 0)) throw invalid(name, 'a positive sum', total, { code: 'INVALID_DATA' });
  return Float64Array.from(weights, (weight) => weight / total);
}

function countTokens(rows: TokenRow[]): number {
  return rows.reduce((sum, { inputIds }) => sum + inputIds.length, 0);
}

/** The rows at `count` positions of the plan from `position` on, beginning again at its end. */
function rowsFrom(plan: Plan, position: number, count: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_, i) => plan.rows[(position + i) % plan.rows.length]);
}

/** How often the rows of a plan are read, along its endless tape. */
class Readings {
  readonly #rows: Uint32Array;
  /** By row: times that it stands in the plan. */
  readonly #times = new Map<number, number>();
  /** By place: times that its row stands before it. */
  readonly #earlier: Uint32Array;

  constructor({ rows }: Plan) {
    this.#rows = rows;
    this.#earlier = Uint32Array.from(rows, (row) => {
      const times = this.#times.get(row) ?? 0;
      this.#times.set(row, times + 1);
      return times;
    });
  }

  /** How often the row at a position of the tape was read before it: where no row stands twice, the passes made. */
  before(position: number): number {
    const place = position % this.#rows.length;
    const passes = Math.floor(position / this.#rows.length);
    return passes * this.#times.get(this.#rows[place])! + this.#earlier[place];
  }
}

const READINGS = new WeakMap<Plan, Readings>();

function readingsOf(plan: Plan): Readings {
  let readings = READINGS.get(plan);
  if (!readings) READINGS.set(plan, (readings = new Readings(plan)));
  return readings;
}
