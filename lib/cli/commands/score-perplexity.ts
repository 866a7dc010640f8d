import { openSamples, type Split } from '../../data/samples.ts';
import { LanguageModel } from '../../model/language-model.ts';
import { perplexityScores } from '../../score/perplexity.ts';
import {
  backendOptions,
  claimOutput,
  defineCommand,
  forceOption,
  option,
  outOption,
  positiveInteger,
  withBackend,
  type BackendFlags,
} from '../command.ts';
import { rowsToScore, splitOption, writtenScores } from '../score-output.ts';

export const scorePerplexity = defineCommand<
  BackendFlags & { out: string; model: string; split: Split; batch: number; force: boolean }
>({
  usage: 'score perplexity <samples>',
  description: 'Score rows by their loss and perplexity under a model.',
  example: 'gradfold score perplexity tokens/samples.arrow --model model --out perplexity.arrow',
  limits: 'rows to score',
  options: [
    outOption('the score table (columns row, perplexity and loss)'),
    option('--model <dir>', 'Hugging Face directory').makeOptionMandatory(),
    splitOption,
    option('--batch <n>', 'rows a batch', positiveInteger, 32),
    ...backendOptions,
    forceOption,
  ],
  async run({ args, options, io: { signal }, progress }) {
    const samples = await openSamples(args[0] as string);
    const rows = rowsToScore(samples, options);
    await claimOutput(options.out, options.force);
    const perplexity = await withBackend(options, async (backend) =>
      perplexityScores(await LanguageModel.fromPretrained(options.model, { backend, signal }), samples, rows, {
        batchSize: options.batch,
        signal,
        onProgress: ({ done, total }) => progress.update('score', done, total, 'rows'),
      }),
    );
    return writtenScores(options.out, rows, { perplexity, loss: perplexity.map(Math.log) }, { method: 'perplexity' });
  },
});
