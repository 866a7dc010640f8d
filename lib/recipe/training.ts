import { join } from 'node:path';
import { evaluatePerplexity } from '../evaluate/perplexity.ts';
import type { Samples } from '../data/samples.ts';
import type { LanguageModel } from '../model/language-model.ts';
import type { TokenSource } from '../data/token-source.ts';
import { writeScoreTable } from '../score/table.ts';
import type { InRunScores } from '../score/in-run.ts';
import type { BatchFilter } from '../train/hooks.ts';
import type { TrainingLogEntry } from '../train/log.ts';
import type { StagedPlan } from '../train/stages.ts';
import { train, type TrainOptions } from '../train/trainer.ts';
import type { Optimization } from './schema.ts';

/** Where a training puts its things, inside the folder given to `trainInto`. */
export const TRAINING_FILES = {
  log: 'log.jsonl',
  checkpoints: 'checkpoints',
  /** In-run scores, where they were asked for. */
  scores: 'scores.arrow',
  model: 'model',
} as const;

/**
 * Trains a model on a plan with AdamW, warm-up and a cosine, and saves it to `dir`/model, in-run scores before it to
 * `dir`/scores.arrow. A run that was killed goes on from `dir`/checkpoints.
 */
export async function trainInto(
  dir: string,
  options: {
    model: LanguageModel;
    plan: StagedPlan;
    samples: TokenSource;
    optimization: Optimization;
    checkpointEvery: number;
    validate?: TrainOptions['validate'];
    filter?: BatchFilter;
    inRun?: InRunScores;
    onStep?: (entry: TrainingLogEntry) => void;
    signal?: AbortSignal;
  },
): Promise<{ steps: number; tokens: number; seconds: number }> {
  const { optimization, checkpointEvery, model, inRun, ...rest } = options;
  const { steps, batch, lr, warmup, finalLr, betas, weightDecay, clipNorm } = optimization;
  const state = await train({
    ...rest,
    model,
    observer: inRun,
    steps,
    batchSize: batch,
    optimizer: { kind: 'adamw', lr, betas, weightDecay, clipNorm },
    schedule: { kind: 'cosine', warmupSteps: Math.min(warmup, steps), finalRatio: finalLr },
    log: join(dir, TRAINING_FILES.log),
    checkpoint: { dir: join(dir, TRAINING_FILES.checkpoints), every: checkpointEvery },
  });
  if (inRun) {
    const { rows, columns } = inRun.table();
    await writeScoreTable(join(dir, TRAINING_FILES.scores), rows, columns, { method: 'in-run' });
  }
  await model.savePretrained(join(dir, TRAINING_FILES.model));
  return { steps: state.step, tokens: state.tokens, seconds: state.seconds };
}

/** What the losses of a validation call their mean over domains, which counts every domain the same. */
export const MEAN_OF_DOMAINS = 'mean of domains';

/** Validation during a training: the loss on rows by domain, and the mean of those. */
export function validation(
  model: LanguageModel,
  samples: Samples,
  rows: Uint32Array,
  { every, batch, signal }: { every: number; batch: number; signal?: AbortSignal },
): NonNullable<TrainOptions['validate']> {
  return {
    every,
    run: async () => {
      const { domains, domainMean } = await evaluatePerplexity(model, samples, rows, { batchSize: batch, signal });
      const losses = Object.entries(domains).map(([domain, { loss }]) => [domain, loss]);
      return { ...Object.fromEntries(losses), [MEAN_OF_DOMAINS]: domainMean.loss };
    },
  };
}
