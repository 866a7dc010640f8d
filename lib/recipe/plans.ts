import { describeOrder, namedOrder } from '../order/named.ts';
import { planOf, type Plan } from '../order/plan.ts';
import { randomPermutation, streamOf } from '../random.ts';
import type { ScoreTable } from '../score/table.ts';
import type { PlanRecord } from '../select/plan-record.ts';
import { describeSelection } from '../select/rule.ts';
import { selectPlaces, type Selected } from '../select/selection.ts';
import type { PlanRecipe } from './schema.ts';

/** Whether a plan cannot be made without scores. */
export function needsScores(plan: PlanRecipe): boolean {
  return plan.select !== undefined || plan.order !== 'shuffle';
}

export interface PlanOptions {
  seed: number;
  /** Rows that training reads; default: as many as there are. */
  budget?: number;
  /** The domain of a row: for selections by domain, and for the record's counts. */
  domainOf: (row: number) => string;
}

/**
 * The plan of a recipe over the rows of a score table, and what it was made from. Where more rows are kept than `budget`,
 * a random part of that size is put into order, so that an order is never cut off at its end; the part depends on the seed
 * and the number of rows alone, so plans that keep all rows order the same part.
 * @throws GradfoldError when the selection keeps nothing.
 */
export function makePlan(
  table: ScoreTable,
  recipe: PlanRecipe,
  { seed, budget = Infinity, domainOf }: PlanOptions,
): { plan: Plan; record: PlanRecord } {
  const { scores, rows } = table;
  const selected = recipe.select && selectFrom(table, recipe.select, seed, domainOf);
  const kept = selected?.places ?? Uint32Array.from(scores, (_, i) => i);
  const order = namedOrder(recipe.order, { ...recipe, seed });
  const plan = planOf(withinBudget(kept, budget, seed), scores, order);
  return {
    plan: { ...plan, rows: plan.rows.map((place) => rows[place]) },
    record: { selection: selected?.record, order, ...(kept.length > budget && { drawn: budget }) },
  };
}

/** What a selection keeps of a table. */
export function selectFrom(
  { scores, rows }: ScoreTable,
  selection: NonNullable<PlanRecipe['select']>,
  seed: number,
  domainOf: (row: number) => string,
): Selected {
  return selectPlaces(scores, selection, { rows, seed, domains: Array.from(rows, domainOf) });
}

function withinBudget(places: Uint32Array, budget: number, seed: number): Uint32Array {
  if (places.length <= budget) return places;
  const drawn = randomPermutation(places.length, seed, streamOf('plan budget')).subarray(0, budget).sort();
  return drawn.map((i) => places[i]);
}

/** A plan in words. */
export function describePlan(recipe: PlanRecipe, score: string, poolRows: number): string {
  const kept = recipe.select ? describeSelection(recipe.select, score) : 'all rows';
  return `${kept} of a pool of ${poolRows}, ${describeOrder(namedOrder(recipe.order, { ...recipe, seed: 0 }))}`;
}
