import { recipeCommand } from '../recipe-command.ts';
import { formatData } from '../recipe-tables.ts';

export const run = recipeCommand({
  name: 'run',
  description:
    'Run a recipe: corpus, tokens, its method’s stages, trainings, comparison and page. Goes on after a kill.',
  example: 'gradfold run recipes/demo.yaml',
  show: formatData,
});
