import { GradfoldError } from '../errors.ts';
import { planOf, type OrderMethod, type Plan } from '../order/plan.ts';
import { randomPermutation, streamOf } from '../random.ts';
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

/** Whether a plan cannot be made without scores. */
export function needsScores(plan: PlanRecipe): boolean {
  return plan.select !== undefined || plan.order !== 'shuffle';
}

/** The rows of a table that a selection keeps. */
export function selectRows(table: ScoreTable, selection: Selection): Uint32Array {
  return keptPlaces(table.scores, selection).map((place) => table.rows[place]);
}

/**
 * The plan of a recipe over the rows of a score table. Where more rows are kept than `budget`, the rows that training
 * reads, a random part of that size is put into order, so that an order is never cut off at its end; the part depends on
 * the seed alone, so plans that keep the same rows order the same part.
 * @throws GradfoldError when the selection keeps nothing.
 */
export function makePlan(
  table: ScoreTable,
  recipe: Omit<PlanRecipe, 'score'>,
  { seed, budget = Infinity }: { seed: number; budget?: number },
): Plan {
  const { scores, rows } = table;
  const kept = recipe.select ? keptPlaces(scores, recipe.select) : Uint32Array.from(scores, (_, i) => i);
  const places = withinBudget(kept, budget, seed);
  const plan = planOf(places, scores, ORDERS[recipe.order](recipe.layers, seed));
  return { ...plan, rows: plan.rows.map((place) => rows[place]) };
}

function withinBudget(places: Uint32Array, budget: number, seed: number): Uint32Array {
  if (places.length <= budget) return places;
  const drawn = randomPermutation(places.length, seed, streamOf('plan budget')).subarray(0, budget).sort();
  return drawn.map((i) => places[i]);
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
export function describePlan({ select, order, layers }: PlanRecipe, score: string, poolRows: number): string {
  const kept =
    select?.topRatio !== undefined
      ? `the ${Number((100 * select.topRatio).toPrecision(4))} % with the highest ${score}`
      : select?.topK !== undefined
        ? `the ${select.topK} rows with the highest ${score}`
        : select?.above !== undefined
          ? `rows with ${score} above ${select.above}`
          : 'all rows';
  const ordered = {
    shuffle: 'in random order',
    fold: `in ${layers} folds from low to high ${score}`,
    ascending: `from low to high ${score}`,
    descending: `from high to low ${score}`,
  }[order];
  return `${kept} of a pool of ${poolRows}, ${ordered}`;
}

function keptPlaces(scores: Float64Array, { topRatio: ratio, topK: k, above }: Selection): Uint32Array {
  if (ratio !== undefined) return topRatio(scores, ratio);
  return k !== undefined ? topK(scores, k) : aboveThreshold(scores, above!);
}
