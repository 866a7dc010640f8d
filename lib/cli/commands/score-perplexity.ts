import { openSamples, type Split } from '../../data/samples.ts';
import { LanguageModel } from '../../model/language-model.ts';
import { perplexityScores } from '../../score/perplexity.ts';
import { backendKey, digestParameters, digestRows } from '../../train/fingerprint.ts';
import {
  backendOptions,
  defineCommand,
  forceOption,
  option,
  outOption,
  positiveInteger,
  withBackend,
  type BackendFlags,
} from '../command.ts';
import { describedShard, rowsToScore, splitOption } from '../score-output.ts';
import { scoreShardOf, type ScoreShardFlags } from '../score-shard.ts';
import { shardOf, shardOptions } from '../shard-options.ts';

export const scorePerplexity = defineCommand<BackendFlags & ScoreShardFlags & { model: string; split: Split }>({
  usage: 'score perplexity <samples>',
  description: 'Score rows by their loss and perplexity under a model.',
  example: 'gradfold score perplexity tokens/samples.arrow --model model --out perplexity.arrow',
  limits: 'rows to score',
  options: [
    outOption('the score table (columns row, perplexity and loss), or that of a part with its number in the name,'),
    option('--model <dir>', 'Hugging Face directory').makeOptionMandatory(),
    splitOption,
    option('--batch <n>', 'rows a batch', positiveInteger, 32),
    ...shardOptions,
    ...backendOptions,
    forceOption,
  ],
  async run(call) {
    const { args, options, io } = call;
    const { signal } = io;
    const { batch } = options;
    const shard = shardOf(options);
    const samples = await openSamples(args[0] as string);
    const rows = rowsToScore(samples, options);
    const scored = await withBackend(options, async (backend) => {
      const model = await LanguageModel.fromPretrained(options.model, { backend, signal });
      return scoreShardOf(call, {
        rows,
        shard,
        columns: ['perplexity', 'loss'],
        score: async (part) => {
          const perplexity = await perplexityScores(model, samples, part, { batchSize: batch, signal });
          return { perplexity, loss: perplexity.map(Math.log) };
        },
        fingerprint: {
          method: 'perplexity',
          model: digestParameters(model.parameters),
          samples: digestRows(samples, rows),
          batch,
          backend: backendKey(backend),
        },
        metadata: { method: 'perplexity' },
      });
    });
    return describedShard(scored);
  },
});
