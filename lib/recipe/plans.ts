import { describeOrder, namedOrder } from '../order/named.ts';
import { planOf, type Plan } from '../order/plan.ts';
import type { ScoreTable } from '../score/table.ts';
import type { PlanRecord } from '../select/plan-record.ts';
import { describeSelection } from '../select/rule.ts';
import { selectPlaces } from '../select/selection.ts';
import type { PlanRecipe } from './schema.ts';

/** Whether a plan can be made without scores. */
export function needsScores(plan: PlanRecipe): boolean {
  return plan.select !== undefined || plan.order !== 'shuffle';
}

/**
 * The plan of a recipe over the rows of a score table, and what it was made from.
 * @param domainOf the domain of a row: for selections by domain, and for the record's counts
 * @throws GradfoldError when the selection keeps nothing.
 */
export function makePlan(
  { scores, rows }: ScoreTable,
  recipe: PlanRecipe,
  seed: number,
  domainOf: (row: number) => string,
): { plan: Plan; record: PlanRecord } {
  const selected =
    recipe.select && selectPlaces(scores, recipe.select, { rows, seed, domains: Array.from(rows, domainOf) });
  const order = namedOrder(recipe.order, { ...recipe, seed });
  const plan = planOf(selected?.places ?? Uint32Array.from(scores, (_, i) => i), scores, order);
  return {
    plan: { ...plan, rows: plan.rows.map((place) => rows[place]) },
    record: { selection: selected?.record, order },
  };
}

/** A plan in words. */
export function describePlan(recipe: PlanRecipe, poolRows: number): string {
  const kept = recipe.select ? describeSelection(recipe.select, 'LQS') : 'all rows';
  return `${kept} of a pool of ${poolRows}, ${describeOrder(namedOrder(recipe.order, { ...recipe, seed: 0 }))}`;
}
