import { recipeCommand } from '../recipe-command.ts';
import { formatRun } from '../run-table.ts';

export const run = recipeCommand({
  name: 'run',
  description: 'Run a recipe: corpus, tokens, scores, plans, trainings, comparison and page. Goes on after a kill.',
  example: 'gradfold run recipes/demo.yaml',
  show: formatRun,
});
