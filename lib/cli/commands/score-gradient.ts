import { openSamples, type Split } from '../../data/samples.ts';
import { LanguageModel } from '../../model/language-model.ts';
import { batchesOf, drawRows } from '../../recipe/rows.ts';
import { GradientScorer, type RowAlignments } from '../../score/gradient.ts';
import { backendKey, digestBatches, digestMetric, digestParameters, digestRows } from '../../train/fingerprint.ts';
import {
  defineCommand,
  forceOption,
  gradientOptions,
  option,
  outOption,
  positiveInteger,
  withBackend,
  type BackendFlags,
} from '../command.ts';
import { momentOptions, momentsOf, type MomentFlags } from '../moments.ts';
import { describedShard, rowsToScore, splitOption } from '../score-output.ts';
import { scoreShardOf, type ScoreShardFlags } from '../score-shard.ts';
import { shardOf, shardOptions } from '../shard-options.ts';

/** The columns of the table and what is in them; those in AdamW's metric where there is one. */
const COLUMNS: Record<string, (scores: RowAlignments) => Float64Array | undefined> = {
  gradient: ({ plain }) => plain.dot,
  gradient_cosine: ({ plain }) => plain.cosine,
  gradient_adam: ({ adam }) => adam?.dot,
  gradient_adam_cosine: ({ adam }) => adam?.cosine,
  gradient_norm: ({ norm }) => norm,
};

interface Flags extends BackendFlags, ScoreShardFlags, MomentFlags {
  batch: number;
  model: string;
  split: Split;
  targetDomain?: string;
  targetRows: number;
}

export const scoreGradient = defineCommand<Flags>({
  usage: 'score gradient <samples>',
  description: "Score rows by their gradient's dot product with that of a target set, at one checkpoint.",
  example: 'gradfold score gradient tokens/samples.arrow --model model --target-domain speeches --out gradient.arrow',
  limits: 'rows to score',
  options: [
    outOption('the score table, or that of a part with its number in the name,'),
    option('--model <dir>', 'Hugging Face directory').makeOptionMandatory(),
    splitOption,
    option('--target-domain <name>', 'domain of the target rows (default: all of the target split)'),
    option('--target-rows <n>', 'rows whose mean loss is to go down', positiveInteger, 128),
    ...momentOptions('; 0: no Adam columns'),
    option('--batch <n>', 'rows a batch', positiveInteger, 32),
    ...shardOptions,
    ...gradientOptions,
    forceOption,
  ],
  async run(call) {
    const { args, options, io } = call;
    const { signal } = io;
    const { seed, batch } = options;
    const shard = shardOf(options);
    const samples = await openSamples(args[0] as string);
    const rows = rowsToScore(samples, options);
    const target = drawRows(samples, {
      split: 'target',
      domain: options.targetDomain,
      count: options.targetRows,
      seed,
    });
    const moments = options.optimizer ?? `estimated from ${options.moments} batches`;
    const inAdam = options.optimizer !== undefined || options.moments > 0;
    const columns = Object.keys(COLUMNS).filter((name) => inAdam || !name.includes('adam'));
    const scored = await withBackend(options, async (backend) => {
      const model = await LanguageModel.fromPretrained(options.model, { backend, signal });
      const targetBatches = batchesOf(samples, target, batch);
      const optimizer = await momentsOf(model, samples, options, signal);
      let scorer: GradientScorer | undefined;
      return scoreShardOf(call, {
        rows,
        shard,
        columns,
        score: async (part) => {
          scorer ??= await GradientScorer.open(model, { target: targetBatches, optimizer, signal });
          const scores = await scorer.score(samples, part, { batchSize: batch, signal });
          return Object.fromEntries(columns.map((name) => [name, COLUMNS[name](scores)!]));
        },
        fingerprint: {
          method: 'gradient',
          model: digestParameters(model.parameters),
          target: digestBatches(targetBatches),
          metric: optimizer ? digestMetric(optimizer) : 'none',
          samples: digestRows(samples, rows),
          batch,
          backend: backendKey(backend),
        },
        metadata: { method: 'gradient', targetRows: String(target.length), moments },
      });
    });
    return describedShard(scored);
  },
});
