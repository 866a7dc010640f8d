import { analyzeMixture } from '../../mix/analysis.ts';
import { readMixtureInput } from '../../mix/mix-files.ts';
import { defineCommand, option, positiveNumber } from '../command.ts';
import {
  analysisOptions,
  holdOutOption,
  optimumOptions,
  responseOptions,
  type OptimumFlags,
  type ResponseFlags,
} from '../mix-options.ts';
import { formatPrediction } from '../mix-table.ts';

export const mixPredict = defineCommand<ResponseFlags & OptimumFlags & { target: number; holdOut: boolean }>({
  usage: 'mix predict <files...>',
  description: 'The best mixture at another scale, from results, laws or best amounts at two scales or more.',
  example: 'gradfold mix predict optimum.json --target 10e9',
  options: [
    option('--target <n>', 'sum of the amounts, in the unit of the scales', positiveNumber).makeOptionMandatory(),
    holdOutOption,
    ...optimumOptions,
    ...responseOptions,
  ],
  async run({ args, options }) {
    const { base, measureWeights, target } = options;
    const input = await readMixtureInput(args[0] as string[], { base, measureWeights });
    const analysis = analyzeMixture(input, analysisOptions(options, target));
    return { json: analysis, text: formatPrediction(analysis) };
  },
});
