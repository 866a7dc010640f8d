import { checkFinite, checkInteger, checkLength, invalid } from '../check.ts';
import { collate, type Batch, type TokenRow } from '../data/batch.ts';
import { rowOf, type TokenSource } from '../data/token-source.ts';
import type { Choice } from './hooks.ts';
import { placeAt, type StagedPlan } from './stages.ts';

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
  /** Passes over the plan, or over its stage, completed before this batch. */
  epoch: number;
}

/** Steps between the announcement of a row and its use: at tiny's 0.4 s a step more than any disk needs. */
export const READ_AHEAD = 4;

/** Announces the rows of `steps` steps from `step` on, so that training finds them in memory. */
export function prefetchRows(samples: TokenSource, plan: StagedPlan, step: number, batchSize: number, steps = 1): void {
  samples.prefetch?.(rowsFrom(plan, step * batchSize, batchSize * steps));
}

/**
 * The batch of step `step` (0-based). The plan, or each of its stages, is read as an endless tape: a batch may end one
 * pass and begin the next, so every row is used equally often and none is dropped for want of a full batch.
 * @throws GradfoldError when the weights of the batch sum to zero.
 */
export function planBatch(samples: TokenSource, plan: StagedPlan, step: number, batchSize: number): PlannedBatch {
  const places = Array.from({ length: batchSize }, (_, i) => placeAt(plan, step * batchSize + i));
  const rows = Uint32Array.from(places, ({ place }) => plan.rows[place]);
  const readings = samples.row ? readingsOf(plan) : undefined;
  const tokenRows = places.map((place, i) => rowOf(samples, rows[i], readings?.before(place)));
  return {
    batch: collate(tokenRows),
    rows,
    tokenRows,
    weights: normalized(
      `plan.weights of step ${step}`,
      places.map(({ place }) => plan.weights[place]),
    ),
    tokens: countTokens(tokenRows),
    epoch: places[0].epoch,
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

/** The rows at `count` positions of the tape from `position` on. */
function rowsFrom(plan: StagedPlan, position: number, count: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_, i) => plan.rows[placeAt(plan, position + i).place]);
}

/** Tells the readings of a plan's rows apart, along its endless tape. */
class Readings {
  readonly #rows: Uint32Array;
  /** By row: times that it stands in the plan. */
  readonly #times = new Map<number, number>();
  /** By place: times that its row stands before it. */
  readonly #earlier: Uint32Array;

  constructor({ rows }: StagedPlan) {
    this.#rows = rows;
    this.#earlier = Uint32Array.from(rows, (row) => {
      const times = this.#times.get(row) ?? 0;
      this.#times.set(row, times + 1);
      return times;
    });
  }

  /** How often the row at a place was read before: where no row stands twice, the passes made. */
  before({ place, epoch }: { place: number; epoch: number }): number {
    return epoch * this.#times.get(this.#rows[place])! + this.#earlier[place];
  }
}

const READINGS = new WeakMap<StagedPlan, Readings>();

function readingsOf(plan: StagedPlan): Readings {
  let readings = READINGS.get(plan);
  if (!readings) READINGS.set(plan, (readings = new Readings(plan)));
  return readings;
}
