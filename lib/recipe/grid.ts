import type { GridRecipe, PlanRecipe, Recipe } from './schema.ts';
import { needsScores } from './plans.ts';

/** What stands for "nothing is done": all rows of the budget, in random order. */
const RANDOM: PlanRecipe = { order: 'shuffle', layers: 3 };

/**
 * All plans of a recipe by name, the baseline first: its own, and those of its grid. Where a recipe has a grid only, the
 * baseline is `random`, a random order of all rows. What would train on the same rows in the same order is left out of
 * the grid: a random order of all rows needs no scores, and one fold is the ascending order.
 */
export function plansOf(recipe: Pick<Recipe, 'plans' | 'grid'>): Record<string, PlanRecipe> {
  const named = Object.entries(recipe.plans);
  const plans = new Map<string, PlanRecipe>(named.length > 0 ? named : [['random', RANDOM]]);
  const known = new Set([...plans.values()].map(identity));
  for (const block of recipe.grid) {
    for (const [name, plan] of productOf(block)) {
      if (known.has(identity(plan))) continue;
      known.add(identity(plan));
      plans.set(name, plan);
    }
  }
  return Object.fromEntries(plans);
}

function productOf({
  score: scores,
  select: selections,
  order: orders,
}: GridRecipe): [name: string, plan: PlanRecipe][] {
  return scores.flatMap((score) =>
    selections.flatMap((select) =>
      orders.map((ordering): [string, PlanRecipe] => [
        [score, select === 'all' ? [] : selectionName(select), orderName(ordering)].flat().join('-'),
        { score, ...(select === 'all' ? {} : { select }), ...ordering },
      ]),
    ),
  );
}

/** Equal for plans that visit the same rows in the same order, whatever the scores are. */
function identity(plan: PlanRecipe): string {
  if (!needsScores(plan)) return plan.order;
  return JSON.stringify([plan.score, Object.entries(plan.select ?? {}).sort(), orderName(plan)]);
}

/** A selection as part of a plan's name: top25, top500rows, above0.5. */
export function selectionName({ topRatio, topK, above }: NonNullable<PlanRecipe['select']>): string {
  if (topRatio !== undefined) return `top${Number((100 * topRatio).toPrecision(4))}`;
  return topK !== undefined ? `top${topK}rows` : `above${above}`;
}

/** An order as part of a plan's name: shuffle, sort, fold3. */
export function orderName({ order, layers }: Pick<PlanRecipe, 'order' | 'layers'>): string {
  if (order === 'ascending' || (order === 'fold' && layers === 1)) return 'sort';
  return order === 'fold' ? `fold${layers}` : order;
}
