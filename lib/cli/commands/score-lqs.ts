import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Option } from 'commander';
import type { Backend } from '../../backend/types.ts';
import { openSamples, type Samples, type Split } from '../../data/samples.ts';
import { readJsonObject } from '../../files.ts';
import type { ModelConfig } from '../../model/config.ts';
import { LanguageModel } from '../../model/language-model.ts';
import type { Optimizer } from '../../model/optimizer.ts';
import { planOf } from '../../order/plan.ts';
import { batchesOf, cycle, drawRows } from '../../recipe/rows.ts';
import { trainInto, TRAINING_FILES } from '../../recipe/training.ts';
import { lqsSweep, type Contribution, type ScoreSet } from '../../score/lqs.ts';
import { writeScoreTable } from '../../score/table.ts';
import {
  claimOutput,
  defineCommand,
  forceOption,
  gradientOptions,
  nonNegativeNumber,
  option,
  outOption,
  positiveInteger,
  positiveNumber,
  withBackend,
  type BackendFlags,
} from '../command.ts';
import { latestCheckpoint } from '../../train/checkpoint.ts';
import { OPTIMIZER_FILE } from '../../train/training-state.ts';
import { UsageError } from '../io.ts';
import { momentOptions, momentsOf, type MomentFlags } from '../moments.ts';
import type { Progress } from '../progress.ts';
import { describedScores, rowsToScore, splitOption } from '../score-output.ts';
import { targetRows } from '../target-rows.ts';

interface Flags extends BackendFlags, MomentFlags {
  out: string;
  model?: string;
  config?: string;
  pretrainSteps: number;
  pretrainBatch: number;
  pretrainLr: number;
  split: Split;
  target?: string;
  targetDomain?: string;
  targetRows: number;
  steps: number;
  interval?: number;
  batch: number;
  microBatch?: number;
  lr: number;
  contribution: Contribution;
  metric: 'plain' | 'adam';
  force: boolean;
}

export const scoreLqs = defineCommand<Flags>({
  usage: 'score lqs <samples>',
  description: 'Score rows by LQS: how much training on each would help the target set.',
  example: 'gradfold score lqs tokens/samples.arrow --model model --target-domain speeches --out scores.arrow',
  limits: 'rows to score, drawn by --seed',
  options: [
    outOption('the score table (columns row and lqs, with --metric adam lqs_adam as well)'),
    option('--model <dir>', 'Hugging Face directory of the annotating model'),
    option('--config <path>', 'train an annotating model of this config.json first, into OUT.pretrain'),
    option('--pretrain-steps <n>', 'steps of that training', positiveInteger, 400),
    option('--pretrain-batch <n>', 'rows a step of that training', positiveInteger, 32),
    option(
      '--pretrain-lr <x>',
      'its learning rate, kept up after a warm-up over a tenth of the steps',
      nonNegativeNumber,
      3e-3,
    ),
    splitOption,
    option('--target <samples>', 'table of the target rows (default: the target split of the rows)'),
    option('--target-domain <name>', 'domain of the target rows (default: all)'),
    option('--target-rows <n>', 'rows whose mean loss is to go down', positiveInteger, 128),
    option('--steps <n>', 'T, steps of plain SGD', positiveInteger, 50),
    option('--interval <n>', 'score at every n-th step (default: a fifth of T)', positiveInteger),
    option('--batch <n>', 'rows a step', positiveInteger, 32),
    option('--micro-batch <n>', 'rows worked on at once, to save memory (default: all of a step)', positiveInteger),
    option('--lr <x>', 'learning rate of the SGD run', positiveNumber, 0.01),
    new Option('--contribution <variant>', 'what a row contributes at a step')
      .choices(['released', 'paper', 'pds'])
      .default('released'),
    new Option('--metric <name>', "metrics to score in: plain SGD's, or AdamW's as well, as column lqs_adam")
      .choices(['plain', 'adam'])
      .default('plain'),
    ...momentOptions('; with --config they are those of that training'),
    ...gradientOptions,
    forceOption,
  ],
  async run({ args, options, io: { signal }, progress }) {
    const { out, seed, batch, microBatch, steps, lr, interval, contribution, metric, moments } = options;
    if ((options.model === undefined) === (options.config === undefined)) {
      throw new UsageError('score lqs: give exactly one of --model and --config');
    }
    if (metric === 'adam' && moments === 0 && options.optimizer === undefined && options.config === undefined) {
      throw new UsageError('score lqs: --metric adam needs moments: give --optimizer, or --moments above 0');
    }
    const path = args[0] as string;
    const samples = await openSamples(path);
    const { from, rows: target } = await targetRows(path, samples, { ...options, count: options.targetRows, seed });
    await claimOutput(out, options.force);
    const rows = rowsToScore(samples, options);
    const run = drawRows(samples, { split: 'train', count: steps * batch, seed });
    // Kept until the scores are there, so that a killed annotation goes on where it was.
    const checkpointDir = `${out}.sweep`;
    const { columns, targetLosses } = await withBackend(options, async (backend) => {
      const directory = options.model ?? (await pretrain(samples, rows, options, { backend, seed, signal, progress }));
      const model = await LanguageModel.fromPretrained(directory, { backend, signal });
      const metrics: Record<string, Optimizer | undefined> = { lqs: undefined };
      if (metric === 'adam') {
        const optimizer = options.optimizer ?? (options.config && (await lastMoments(`${out}.pretrain`)));
        metrics.lqs_adam = await momentsOf(model, samples, { ...options, optimizer }, signal);
      }
      const proxy = batchesOf(samples, rows, batch);
      const swept = await lqsSweep(model, {
        batches: batchesOf(samples, cycle(run, 0, steps * batch), batch),
        target: batchesOf(from, target, batch),
        sets: Object.values(metrics).map((metric): ScoreSet => ({ batches: proxy, interval, contribution, metric })),
        microBatch,
        lr,
        checkpointDir,
        signal,
        onProgress: ({ done, total }) => progress.update('score', done, total, 'row passes'),
      });
      const columns = Object.fromEntries(Object.keys(metrics).map((name, i) => [name, swept.scores[i]]));
      return { columns, targetLosses: swept.targetLosses };
    });
    await writeScoreTable(out, rows, columns, { method: 'lqs', contribution, steps: String(steps), lr: String(lr) });
    await rm(checkpointDir, { recursive: true, force: true });
    const [before, after] = [targetLosses[0], targetLosses[steps]];
    const { json, text } = describedScores(out, columns);
    return {
      json: { ...json, targetRows: target.length, targetLossBefore: before, targetLossAfter: after },
      text: `${text}\n\nthe run took the target loss from ${before.toFixed(4)} to ${after.toFixed(4)}`,
    };
  },
});

/** The moments that a training of `pretrain` ended with. */
async function lastMoments(directory: string): Promise<string> {
  const checkpoint = await latestCheckpoint(join(directory, TRAINING_FILES.checkpoints));
  return join(checkpoint!.path, OPTIMIZER_FILE);
}

/** Trains the annotating model, on rows that are not scored while there are others; resolves to its directory. */
async function pretrain(
  samples: Samples,
  scored: Uint32Array,
  { out, config, pretrainSteps: steps, pretrainBatch: batch, pretrainLr: lr }: Flags,
  call: { backend: Backend; seed: number; signal: AbortSignal | undefined; progress: Progress },
): Promise<string> {
  const { backend, seed, signal, progress } = call;
  const directory = `${out}.pretrain`;
  const isScored = new Set(scored);
  const all = samples.rows('train');
  const others = all.filter((row) => !isScored.has(row));
  const fresh = (await readJsonObject(config!)) as unknown as ModelConfig;
  const model = await LanguageModel.initialize(fresh, { backend, seed, signal });
  try {
    await trainInto(directory, {
      model,
      plan: planOf(others.length > 0 ? others : all, null, { method: 'shuffle', seed }),
      samples,
      // A rate that is kept up: near a minimum the gradients of all domains nearly cancel, and scores tell less.
      optimization: {
        steps,
        batch,
        lr,
        warmup: Math.ceil(steps / 10),
        finalLr: 1,
        betas: [0.9, 0.95],
        weightDecay: 0,
        clipNorm: 1,
      },
      checkpointEvery: 100,
      onStep: ({ step }) => progress.update('pretrain', step, steps, 'steps'),
      signal,
    });
  } finally {
    model.dispose();
  }
  return join(directory, TRAINING_FILES.model);
}
