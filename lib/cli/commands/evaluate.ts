import { Option } from 'commander';
import { openSamples, SPLITS, type Split } from '../../data/samples.ts';
import { evaluatePerplexity } from '../../evaluate/perplexity.ts';
import { LanguageModel } from '../../model/language-model.ts';
import { drawRows } from '../../recipe/rows.ts';
import { backendOptions, defineCommand, option, positiveInteger, withBackend, type BackendFlags } from '../command.ts';
import { maskOptions, samplesFor, type MaskFlags } from '../masked-samples.ts';
import { formatTable } from '../table.ts';

export const evaluate = defineCommand<BackendFlags & MaskFlags & { model: string; split: Split; batch: number }>({
  usage: 'evaluate <samples>',
  description: 'Loss and perplexity of a model, overall and by domain.',
  example: 'gradfold evaluate tokens/samples.arrow --model run1/model',
  limits: 'rows, drawn by --seed',
  options: [
    option('--model <dir>', 'Hugging Face directory').makeOptionMandatory(),
    new Option('--split <name>', 'rows to evaluate on').choices(SPLITS).default('validation'),
    option('--batch <n>', 'rows a batch', positiveInteger, 32),
    ...maskOptions,
    ...backendOptions,
  ],
  async run({ args, options, io: { signal }, progress }) {
    const path = args[0] as string;
    const samples = await openSamples(path);
    const rows = drawRows(samples, { split: options.split, count: options.limit, seed: options.seed });
    const report = await withBackend(options, async (backend) => {
      const model = await LanguageModel.fromPretrained(options.model, { backend, signal });
      const asRead = await samplesFor(model, samples, { path, flags: options, seed: options.seed });
      return evaluatePerplexity(model, asRead, rows, {
        batchSize: options.batch,
        signal,
        onProgress: ({ done, total }) => progress.update('evaluate', done, total, 'rows'),
      });
    });
    const lines = [...Object.entries(report.domains).sort(), ['all tokens', report.overall] as const];
    const table = formatTable(
      ['domain', 'loss', 'perplexity', 'tokens'],
      lines.map(([name, x]) => [name, x.loss.toFixed(4), x.perplexity.toFixed(2), String(x.tokens)]),
    );
    return { json: report, text: table };
  },
});
