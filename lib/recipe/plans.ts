import { GradfoldError } from '../errors.ts';
import { planOf, type OrderMethod, type Plan } from '../order/plan.ts';
import type { ScoreTable } from '../score/table.ts';
import { aboveThreshold } from '../select/threshold.ts';
import { topK } from '../select/top-k.ts';
import { topRatio } from '../select/top-ratio.ts';
import type { PlanRecipe } from './schema.ts';

export type Selection = NonNullable<PlanRecipe['select']>;

const ORDERS: Record<PlanRecipe['order'], (layers: number, seed: number) => OrderMethod> = {
  shuffle: (_, seed) => ({ method: 'shuffle', seed }),
  fold: (layers) => ({ method: 'fold', layers }),
  ascending: () => ({ method: 'sort' }),
  descending: () => ({ method: 'sort', descending: true }),
};

/** Whether a plan can be made without scores. */
export function needsScores(plan: PlanRecipe): boolean {
  return plan.select !== undefined || plan.order !== 'shuffle';
}

/** The rows of a table that a selection keeps. */
export function selectRows(table: ScoreTable, selection: Selection): Uint32Array {
  return keptPlaces(table.scores, selection).map((place) => table.rows[place]);
}

/**
 * The plan of a recipe over the rows of a score table.
 * @throws GradfoldError when the selection keeps nothing.
 */
export function makePlan(table: ScoreTable, recipe: PlanRecipe, seed: number): Plan {
  const { scores, rows } = table;
  const places = recipe.select ? keptPlaces(scores, recipe.select) : Uint32Array.from(scores, (_, i) => i);
  const plan = planOf(places, scores, ORDERS[recipe.order](recipe.layers, seed));
  return { ...plan, rows: plan.rows.map((place) => rows[place]) };
}

/** The part of a table that holds `rows`, in their order. */
export function restrict(table: ScoreTable, rows: Uint32Array): ScoreTable {
  const places = new Map(Array.from(table.rows, (row, place) => [row, place]));
  const scores = Float64Array.from(rows, (row) => {
    const place = places.get(row);
    if (place === undefined) {
      throw new GradfoldError(
        'INVALID_DATA',
        `row ${row} of the plan: expected a score, got none; score these rows too`,
      );
    }
    return table.scores[place];
  });
  return { rows, scores };
}

/** A plan in words. */
export function describePlan({ select, order, layers }: PlanRecipe, poolRows: number): string {
  const kept =
    select?.topRatio !== undefined
      ? `the ${(100 * select.topRatio).toFixed(0)} % with the highest LQS`
      : select?.topK !== undefined
        ? `the ${select.topK} rows with the highest LQS`
        : select?.above !== undefined
          ? `rows with an LQS above ${select.above}`
          : 'all rows';
  const ordered = {
    shuffle: 'in random order',
    fold: `folded in ${layers} layers`,
    ascending: 'from low to high score',
    descending: 'from high to low score',
  }[order];
  return `${kept} of a pool of ${poolRows}, ${ordered}`;
}

function keptPlaces(scores: Float64Array, { topRatio: ratio, topK: k, above }: Selection): Uint32Array {
  if (ratio !== undefined) return topRatio(scores, ratio);
  return k !== undefined ? topK(scores, k) : aboveThreshold(scores, above!);
}
