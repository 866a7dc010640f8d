import { basename } from 'node:path';
import { writeTextAtomically } from '../../atomic-file.ts';
import { analyzeMixture } from '../../mix/analysis.ts';
import { mixtureHeadline } from '../../mix/describe.ts';
import { readMixtureInput } from '../../mix/mix-files.ts';
import { renderMixReport } from '../../report/mix.ts';
import { claimOutput, defineCommand, forceOption, option, outOption, positiveNumber } from '../command.ts';
import {
  analysisOptions,
  holdOutOption,
  optimumOptions,
  responseOptions,
  type OptimumFlags,
  type ResponseFlags,
} from '../mix-options.ts';

export const mixReport = defineCommand<
  ResponseFlags & OptimumFlags & { out: string; force: boolean; target?: number; holdOut: boolean }
>({
  usage: 'mix report <files...>',
  description: 'A page of a mixture experiment: curves, what each domain does to each, weights against scale.',
  example: 'gradfold mix report results.csv --target 10e9 --out mixture.html',
  options: [
    outOption('the page'),
    forceOption,
    option('--target <n>', 'predict the mixture at this scale', positiveNumber),
    holdOutOption,
    ...optimumOptions,
    ...responseOptions,
  ],
  async run({ args, options }) {
    const { out, force, base, measureWeights, target } = options;
    const files = args[0] as string[];
    const input = await readMixtureInput(files, { base, measureWeights });
    const analysis = analyzeMixture(input, analysisOptions(options, target));
    const created = new Date().toISOString().slice(0, 16).replace('T', ' ');
    const html = await renderMixReport(analysis, {
      title: files.map((path) => basename(path)).join(', '),
      created,
      facts: [
        { name: 'files', value: files.join(', ') },
        { name: 'floor', value: String(options.floor) },
      ],
    });
    await claimOutput(out, force);
    await writeTextAtomically(out, html);
    const headline = mixtureHeadline(analysis);
    return { json: { path: out, headline, analysis }, text: `${headline}\n${out}` };
  },
});
