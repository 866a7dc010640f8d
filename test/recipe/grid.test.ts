import { describe, expect, test } from 'vitest';
import { plansOf } from '../../lib/recipe/grid.ts';
import { makePlan } from '../../lib/recipe/plans.ts';
import type { GridRecipe, PlanRecipe } from '../../lib/recipe/schema.ts';

const order = (order: PlanRecipe['order'], layers = 3): Pick<PlanRecipe, 'order' | 'layers'> => ({ order, layers });
const block = (part: Partial<GridRecipe>): GridRecipe => ({
  score: ['lqs', 'pds'],
  select: ['all'],
  order: [order('ascending')],
  ...part,
});

describe('plansOf', () => {
  test('a grid alone has a random order of all rows as its baseline, then every combination', () => {
    const plans = plansOf({
      plans: {},
      grid: [block({ select: ['all', { topRatio: 0.5 }], order: [order('shuffle'), order('fold', 2)] })],
    });
    expect(Object.keys(plans)).toEqual([
      'random',
      'lqs-fold2',
      'lqs-top50-shuffle',
      'lqs-top50-fold2',
      'pds-fold2',
      'pds-top50-shuffle',
      'pds-top50-fold2',
    ]);
    expect(plans.random).toEqual(order('shuffle'));
    expect(plans['pds-top50-fold2']).toEqual({ score: 'pds', select: { topRatio: 0.5 }, ...order('fold', 2) });
  });

  test('one fold is the ascending order, and neither is trained on twice', () => {
    const orders = [order('ascending'), order('fold', 1), order('fold', 2)];
    const plans = plansOf({ plans: {}, grid: [block({ score: ['lqs'], order: orders }), block({ score: ['lqs'] })] });
    expect(Object.keys(plans)).toEqual(['random', 'lqs-sort', 'lqs-fold2']);
  });

  test('plans of one’s own come first, and the grid does not repeat them', () => {
    const mine = { score: 'lqs', ...order('ascending') };
    const plans = plansOf({ plans: { shuffled: order('shuffle'), mine }, grid: [block({})] });
    expect(Object.keys(plans)).toEqual(['shuffled', 'mine', 'pds-sort']);
  });
});

describe('makePlan with a budget', () => {
  const rows = Uint32Array.from({ length: 100 }, (_, i) => 7 * i);
  const scores = Float64Array.from(rows, (_, i) => (i * 37) % 100);
  const table = { rows, scores };
  const budget = 40;
  const domainOf = () => 'default';

  test('puts a random part of that size into order, the same part for every order', () => {
    const [random, sorted, folded] = [order('shuffle'), order('ascending'), order('fold', 2)].map(
      (recipe) => makePlan(table, recipe, { seed: 3, budget, domainOf }).plan.rows,
    );
    expect(sorted).toHaveLength(budget);
    const scoresOf = Array.from(sorted, (row) => scores[row / 7]);
    expect(scoresOf).toEqual([...scoresOf].sort((a, b) => a - b));
    for (const other of [random, folded]) expect(other.slice().sort()).toEqual(sorted.slice().sort());
    const another = makePlan(table, order('ascending'), { seed: 4, budget, domainOf }).plan.rows;
    expect(another.slice().sort()).not.toEqual(sorted.slice().sort());
  });

  test('leaves a plan alone that fits', () => {
    const recipe = { select: { topRatio: 0.2 }, ...order('ascending') };
    expect(makePlan(table, recipe, { seed: 3, budget, domainOf })).toEqual(
      makePlan(table, recipe, { seed: 3, domainOf }),
    );
  });
});
