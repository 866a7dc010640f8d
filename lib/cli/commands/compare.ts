import { plansOf } from '../../recipe/grid.ts';
import type { ReportData } from '../../report/data.ts';
import { recipeCommand } from '../recipe-command.ts';
import { formatComparison } from '../run-table.ts';
import { UsageError } from '../io.ts';

export const compare = recipeCommand({
  name: 'compare',
  description:
    'Run a recipe for its comparison: every plan against the first, with tests, steps saved and what scoring cost.',
  example: 'gradfold compare recipes/compare.yaml',
  check(recipe) {
    if (recipe.method !== 'plans')
      throw new UsageError(`compare: expected a recipe of method plans, got ${recipe.method}; gradfold run takes it`);
    const plans = Object.keys(plansOf(recipe));
    if (plans.length < 2) throw new UsageError(`compare: expected two plans or more, got ${plans.join(', ')} alone`);
  },
  show: (data) => formatComparison(data as ReportData),
});
