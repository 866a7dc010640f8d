import { analyzeMixture } from '../../mix/analysis.ts';
import { readMixtureInput, withoutAmounts, writeMixtureFile } from '../../mix/mix-files.ts';
import { claimOutput, defineCommand, forceOption, option } from '../command.ts';
import {
  analysisOptions,
  optimumOptions,
  responseOptions,
  type OptimumFlags,
  type ResponseFlags,
} from '../mix-options.ts';
import { formatOptima } from '../mix-table.ts';

export const mixOptimize = defineCommand<ResponseFlags & OptimumFlags & { out?: string; force: boolean }>({
  usage: 'mix optimize <files...>',
  description:
    'The best mixture at each scale, from results or the laws of mix fit: the exact optimum of a convex problem.',
  example: 'gradfold mix optimize results.csv --floor 0.2 --out optimum.json',
  options: [
    option('-o, --out <path>', 'where the best amounts go, for mix predict'),
    forceOption,
    ...optimumOptions,
    ...responseOptions,
  ],
  async run({ args, options }) {
    const { out, force, base, measureWeights } = options;
    const input = await readMixtureInput(args[0] as string[], { base, measureWeights });
    const analysis = analyzeMixture(withoutAmounts(input), analysisOptions(options));
    if (out !== undefined) {
      await claimOutput(out, force);
      await writeMixtureFile(out, analysis);
    }
    return { json: analysis, text: formatOptima(analysis) };
  },
});
