import { applyOptions, applyRater, type ApplyFlags } from '../apply-rater.ts';
import { defineCommand, option } from '../command.ts';

export const rateScore = defineCommand<ApplyFlags & { rater: string }>({
  usage: 'rate score <samples>',
  description: 'Score all rows, or a part of them, with a trained DataRater.',
  example: 'gradfold rate score tokens/samples.arrow --rater rater/model --out scores.arrow',
  limits: 'rows, drawn by --seed',
  options: [
    option('--rater <dir>', 'what `gradfold rate train` wrote').makeOptionMandatory(),
    ...applyOptions('rater'),
  ],
  run: (call) => applyRater(call.options.rater, call),
});
