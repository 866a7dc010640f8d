import {
  createOptimizer,
  lqsSweep,
  type Batch,
  type Contribution,
  type LanguageModel,
  type ParameterVector,
} from 'gradfold';
import { batchesOf, type PlantedNoise } from './data.ts';
import { BATCH_ROWS, type Snapshot } from './model.ts';

/** A row's score under a name; higher is better. */
export type Scores = Record<string, Float64Array>;

/** The settings of an annotation. */
export interface Annotation {
  /** Learning rate of the SGD run. */
  lr: number;
  /** Steps of the SGD run. */
  steps: number;
  /** Between scored steps. */
  interval: number;
  /** Rows of the SGD run's batches. */
  training: Uint32Array;
  /** Rows whose mean loss is to go down. */
  target: Uint32Array;
}

/** Rows that are scored in one batch: speed only. */
const SCORED_ROWS = 128;

const SETS: Record<string, { contribution: Contribution; inAdam?: boolean }> = {
  'LQS released': { contribution: 'released' },
  'LQS paper': { contribution: 'paper' },
  PDS: { contribution: 'pds' },
  'LQS released, Adam metric': { contribution: 'released', inAdam: true },
};

/** LQS as released and as published, and PDS, of rows; the first also in the metric of the model's optimizer. */
export async function annotate(
  data: PlantedNoise,
  model: LanguageModel,
  snapshot: Snapshot,
  rows: Uint32Array,
  annotation: Annotation,
  names: readonly string[] = Object.keys(SETS),
): Promise<Scores> {
  const { lr, steps, interval, training, target } = annotation;
  model.parameters.copyFrom(snapshot.parameters);
  const proxy = batchesOf(data, rows, SCORED_ROWS);
  const { scores } = await lqsSweep(model, {
    batches: batchesOf(data, training.slice(0, steps * BATCH_ROWS), BATCH_ROWS),
    target: batchesOf(data, target),
    lr,
    sets: names.map((name) => {
      const { contribution, inAdam } = SETS[name];
      return { batches: proxy, interval, contribution, metric: inAdam ? snapshot.optimizer : undefined };
    }),
  });
  return Object.fromEntries(names.map((name, i) => [name, scores[i]]));
}

/** What one gradient of the target tells, at the start of the SGD run in both metrics and at its end. */
export async function oneStep(
  data: PlantedNoise,
  model: LanguageModel,
  snapshot: Snapshot,
  rows: Uint32Array,
  annotation: Annotation,
): Promise<Scores> {
  const { lr, steps, training } = annotation;
  const target = batchesOf(data, annotation.target);
  const proxy = batchesOf(data, rows, SCORED_ROWS);
  model.parameters.copyFrom(snapshot.parameters);
  const first = await meanGradient(model, target);
  const adam = first.copy();
  await snapshot.optimizer.precondition(adam);
  const [plain, inAdam] = await dots(model, proxy, [first, adam]);

  const optimizer = createOptimizer(model, { kind: 'sgd', lr });
  for (const batch of batchesOf(data, training.slice(0, steps * BATCH_ROWS), BATCH_ROWS)) {
    const { gradient } = await model.gradient(batch);
    await optimizer.step(gradient);
    gradient.dispose();
  }
  const last = await meanGradient(model, target);
  const [atEnd] = await dots(model, proxy, [last]);
  for (const vector of [first, adam, last]) vector.dispose();
  return { 'one gradient, last step': atEnd, 'one gradient, first step': plain, 'one gradient, Adam metric': inAdam };
}

/** Scores that need no gradients. */
export async function textScores(
  data: PlantedNoise,
  model: LanguageModel,
  snapshot: Snapshot,
  rows: Uint32Array,
): Promise<Scores> {
  model.parameters.copyFrom(snapshot.parameters);
  const losses = new Float64Array(rows.length);
  let offset = 0;
  for (const batch of batchesOf(data, rows, SCORED_ROWS)) {
    losses.set((await model.loss(batch)).perSample, offset);
    offset += batch.batch;
  }
  const median = losses.toSorted()[losses.length >> 1];
  return {
    'perplexity, low': losses.map((loss) => -loss),
    'perplexity, near the median': losses.map((loss) => -Math.abs(loss - median)),
    'characters a row': Float64Array.from(rows, (row) => data.tokenizer.decode(data.samples.tokens(row)).length),
  };
}

async function meanGradient(model: LanguageModel, batches: Batch[]): Promise<ParameterVector> {
  const total = batches.reduce((sum, { batch }) => sum + batch, 0);
  const sum = model.vector();
  for (const batch of batches) {
    const { gradient } = await model.gradient(batch, { weights: new Float64Array(batch.batch).fill(1 / total) });
    sum.axpy(1, gradient);
    gradient.dispose();
  }
  return sum;
}

async function dots(model: LanguageModel, batches: Batch[], vectors: ParameterVector[]): Promise<Float64Array[]> {
  const results = vectors.map(() => [] as number[]);
  for (const batch of batches) {
    const found = await model.perSample(batch, { dots: vectors });
    found.dots!.forEach((values, k) => results[k].push(...values));
  }
  return results.map((values) => Float64Array.from(values));
}
