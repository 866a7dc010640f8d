import { applyOptions, applyRater, type ApplyFlags } from '../apply-rater.ts';
import { defineCommand, option } from '../command.ts';

export const rateScore = defineCommand<ApplyFlags & { rater: string }>({
  usage: 'rate score <samples>',
  description: 'Score the rows of the training split, of another or of all, with a trained DataRater.',
  example: 'gradfold rate score tokens/samples.arrow --rater rater/model --out scores.arrow',
  limits: 'rows, drawn by --seed',
  options: applyOptions(option('--rater <dir>', 'what `gradfold rate train` wrote'), 'rater', 'train'),
  run: (call) => applyRater(call.options.rater, call),
});
