import { inputOf } from '../../mix/analysis.ts';
import { writeMixtureFile } from '../../mix/mix-files.ts';
import { fitResponses } from '../../mix/response.ts';
import { readMixResults } from '../../mix/results.ts';
import { claimOutput, defineCommand, forceOption, option } from '../command.ts';
import { responseOptions, type ResponseFlags } from '../mix-options.ts';
import { formatResponses } from '../mix-table.ts';

export const mixFit = defineCommand<ResponseFlags & { out?: string; force: boolean }>({
  usage: 'mix fit <results...>',
  description: 'Fit a scaling law for each domain to the results of runs with more and less of it.',
  example: 'gradfold mix fit results.csv --out laws.json',
  options: [option('-o, --out <path>', 'where the laws go, for mix optimize'), forceOption, ...responseOptions],
  async run({ args, options }) {
    const { out, force, base, measureWeights } = options;
    const runs = (await Promise.all((args[0] as string[]).map(readMixResults))).flat();
    const response = fitResponses(runs, { base, measureWeights });
    if (out !== undefined) {
      await claimOutput(out, force);
      await writeMixtureFile(out, inputOf(response));
    }
    return { json: response, text: formatResponses(response) };
  },
});
