import type { AutoscaleData } from '../../report/autoscale-data.ts';
import { UsageError } from '../io.ts';
import { formatAutoscale } from '../autoscale-table.ts';
import { recipeCommand } from '../recipe-command.ts';

export const mixRun = recipeCommand({
  name: 'mix run',
  description:
    'Run a recipe of AutoScale: search small scales, predict the target’s mixture, train on it and on others. Goes on after a kill.',
  example: 'gradfold mix run recipes/autoscale.yaml',
  check(recipe) {
    if (recipe.method !== 'autoscale')
      throw new UsageError(
        `mix run: expected a recipe of method autoscale, got ${recipe.method}; gradfold run takes it`,
      );
  },
  show: (data) => formatAutoscale(data as AutoscaleData),
});
