import { plansOf } from '../../recipe/grid.ts';
import { recipeCommand } from '../recipe-command.ts';
import { formatComparison } from '../run-table.ts';
import { UsageError } from '../io.ts';

export const compare = recipeCommand({
  name: 'compare',
  description:
    'Run a recipe for its comparison: every plan against the first, with tests, steps saved and what scoring cost.',
  example: 'gradfold compare recipes/compare.yaml',
  check(recipe) {
    const plans = Object.keys(plansOf(recipe));
    if (plans.length < 2) throw new UsageError(`compare: expected two plans or more, got ${plans.join(', ')} alone`);
  },
  show: formatComparison,
});
