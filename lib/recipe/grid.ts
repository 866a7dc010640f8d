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

/** A selection as part of a plan's name: top25, low500rows, above0.5-each, top25-t0.1. */
export function selectionName(selection: NonNullable<PlanRecipe['select']>): string {
  const { topRatio, topK, above, below, keep = 'high', perDomain, temperature } = selection;
  const part = { high: 'top', low: 'low', middle: 'middle' }[keep];
  const size =
    topRatio !== undefined
      ? `${part}${Number((100 * topRatio).toPrecision(4))}`
      : topK !== undefined
        ? `${part}${topK}rows`
        : [above === undefined ? [] : `above${above}`, below === undefined ? [] : `below${below}`].flat().join('-');
  return [size, perDomain ? 'each' : [], temperature ? `t${temperature}` : []].flat().join('-');
}

type Ordered = Pick<PlanRecipe, 'order' | 'layers' | 'window' | 'segments'>;

const ORDER_NAMING: Record<PlanRecipe['order'], (ordering: Ordered) => string> = {
  shuffle: () => 'shuffle',
  ascending: () => 'sort',
  descending: () => 'descending',
  fold: ({ layers }) => (layers === 1 ? 'sort' : `fold${layers}`),
  zigzag: ({ layers }) => (layers === 1 ? 'sort' : `zigzag${layers}`),
  jitter: ({ window }) => `jitter${window}`,
  segments: ({ segments }) => `segments${segments}`,
};

/** An order as part of a plan's name: shuffle, sort, fold3. */
export const orderName = (ordering: Ordered): string => ORDER_NAMING[ordering.order](ordering);
