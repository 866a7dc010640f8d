import { checkInteger, invalid } from '../check.ts';
import type { FloatArray } from '../backend/types.ts';
import { readArrowFile } from '../data/arrow-file.ts';
import { readNumberColumns, writeNumberColumns, type ColumnTypes } from '../data/number-columns.ts';
import { checkScores, notANumber } from '../score/check.ts';
import { orderBy, type OrderMethod } from './methods.ts';
import { wholePlan, type PlannedTable } from './sharded-plan.ts';

/** Which rows of a table to train on, in training order. Columns of equal length. */
export interface Plan {
  /** Row numbers of the table, or with `shards` of the row's shard. */
  rows: Uint32Array;
  /** The shard that each row lies in, as plans made shard by shard have it (see wholePlan). */
  shards?: Uint32Array;
  /** The layer (of a fold or zigzag) or segment of each row, 0-based; all 0 for other orders. */
  layers: Uint32Array;
  /** The weight of each row in its batch's loss, relative to the others. */
  weights: Float32Array;
}

/**
 * The plan that visits `rows` (row numbers of a corpus, as the selections return them) in the order of a method. Rows
 * of equal score keep the order they have in `rows`. Weights are 1.
 * @param scores one score for every row of the corpus; not used by 'shuffle'.
 * @throws GradfoldError INVALID_ARGUMENT for no rows, a row that has no score, or a wrong option; INVALID_DATA for NaN.
 */
export function planOf(rows: Uint32Array, scores: FloatArray | null, order: OrderMethod): Plan {
  if (rows.length === 0) {
    throw invalid('rows', 'at least one row', 'none', { fix: 'select less strictly: nothing was kept' });
  }
  const { places, layers } = orderBy(rows.length, () => scoresOf(rows, scores), order);
  return { ...planInOrder(places.map((place) => rows[place])), layers };
}

/** The plan that visits rows as they come, in one layer, with weights of 1. */
export function planInOrder(rows: Uint32Array): Plan {
  return { rows, layers: new Uint32Array(rows.length), weights: new Float32Array(rows.length).fill(1) };
}

function scoresOf(rows: Uint32Array, scores: FloatArray | null): FloatArray {
  checkScores(scores);
  const selected = scores instanceof Float32Array ? new Float32Array(rows.length) : new Float64Array(rows.length);
  for (let i = 0; i < rows.length; i++) {
    checkInteger(`rows[${i}]`, rows[i], 0, scores.length - 1);
    if (Number.isNaN(scores[rows[i]])) throw notANumber(rows[i]);
    selected[i] = scores[rows[i]];
  }
  return selected;
}

const PLAN_COLUMNS = {
  row: Uint32Array,
  layer: Uint32Array,
  weight: Float32Array,
} satisfies ColumnTypes;
const SHARD = 'shard';

/**
 * Writes a plan as an Arrow IPC file of columns row (uint32), layer (uint32), weight (float32) and, where the plan has
 * it, shard (uint32), atomically.
 * @param metadata key-value pairs kept in the file: what the plan was made from.
 * @throws GradfoldError INVALID_ARGUMENT for columns of unequal length; IO.
 */
export async function writePlan(path: string, plan: Plan, metadata: Record<string, string> = {}): Promise<void> {
  const { rows, layers, weights, shards } = plan;
  await writeNumberColumns(
    path,
    { row: rows, layer: layers, weight: weights, ...(shards && { [SHARD]: shards }) },
    metadata,
  );
}

/**
 * Reads a plan and its metadata. With the samples that it speaks of, its rows are row numbers of the whole table; without
 * them a plan made shard by shard keeps its two columns.
 * @throws GradfoldError NOT_FOUND; INVALID_FILE for a foreign or truncated file, or one without a plan's columns;
 *   INVALID_DATA for a row that the samples do not have.
 */
export async function readPlan(
  path: string,
  samples?: PlannedTable,
): Promise<Plan & { metadata: Record<string, string> }> {
  const table = await readArrowFile(path);
  const { columns, metadata } = readNumberColumns(path, table, PLAN_COLUMNS);
  const plan: Plan = { rows: columns.row, layers: columns.layer, weights: columns.weight };
  if (table.getChild(SHARD) !== null)
    plan.shards = readNumberColumns(path, table, { [SHARD]: Uint32Array }).columns[SHARD];
  return { ...(samples ? wholePlan(plan, samples, path) : plan), metadata };
}
