import { applyOptions, applyRater, type ApplyFlags } from '../apply-rater.ts';
import { defineCommand, option } from '../command.ts';

export const scoreApply = defineCommand<ApplyFlags & { scorer: string }>({
  usage: 'score apply <samples>',
  description: 'Score all rows, or a part of them, with a trained scorer.',
  example: 'gradfold score apply tokens/samples.arrow --scorer scorer/model --shard 0 --of 4 --out scores.arrow',
  limits: 'rows, drawn by --seed',
  options: applyOptions(
    option('--scorer <dir>', 'what `gradfold score fit` wrote'),
    'that of the scores it was trained on',
    'all',
  ),
  run: (call) => applyRater(call.options.scorer, call),
});
