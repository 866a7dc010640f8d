import { collate, createOptimizer, scoreRows, shuffleOrder, type Backend, type SequenceRater } from 'gradfold';
import { plantedNoise, type PlantedNoise } from '../noise/data.ts';
import { discrimination, type DiscriminationReport } from '../noise/discrimination.ts';
import { areaTable, meanReport } from '../noise/table.ts';
import { disposeOf, newRater, processorSeconds, trainStarts } from './begin.ts';
import type { RaterBenchOptions } from './settings.ts';

/**
 * What the rater can tell apart at all: one of the same make, trained on the labels themselves (logistic loss, as many
 * rows a step as a meta-step rates), and judged on the same rows.
 */
export async function ceiling(backend: Backend, options: RaterBenchOptions): Promise<{ text: string; json: object }> {
  const reports: DiscriminationReport[] = [];
  for (const seed of options.seeds) {
    const data = await plantedNoise({ ...options, seed });
    const { model, starts } = await trainStarts(data, backend, options, seed);
    disposeOf(starts);
    const rater = await newRater(model, data, options, { backend, seed });
    await learnLabels(rater, data, options, seed);
    reports.push(await judged(rater, data));
    rater.dispose();
    model.dispose();
  }
  const title = `trained on the labels; ${reports.length} seeds, ${options.share} corrupted in training, ${options.steps} steps`;
  return { text: areaTable(title, { 'rater, on labels': meanReport(reports) }), json: { perSeed: reports } };
}

async function learnLabels(
  rater: SequenceRater,
  data: PlantedNoise,
  { steps, window, batch: batchSize, lr, finalLr, evaluateEvery, onProgress }: RaterBenchOptions,
  seed: number,
): Promise<void> {
  const { samples, rows } = data;
  const optimizer = createOptimizer(rater, { kind: 'adamw', lr, betas: [0.9, 0.99], clipNorm: 1 });
  const gradient = rater.vector();
  const order = shuffleOrder(rows.train.length, seed);
  const count = window * batchSize;
  const started = processorSeconds();
  for (let step = 0; step < steps; step++) {
    const cosine = Math.cos((Math.PI * step) / steps);
    optimizer.lr = (lr * (1 + finalLr + (1 - finalLr) * cosine)) / 2; // as in meta-training
    const chosen = Array.from({ length: count }, (_, i) => rows.train[order[(step * count + i) % order.length]]);
    const batch = collate(chosen.map((row) => ({ inputIds: samples.tokens(row) })));
    const scores = await rater.score(batch);
    const scoreGradients = chosen.map((row, i) => {
      const sign = data.corruption(row) === 'none' ? 1 : -1;
      return -sign / (1 + Math.exp(sign * scores[i])) / count;
    });
    await rater.backward(batch, scoreGradients, { into: gradient });
    await optimizer.step(gradient);
    if ((step + 1) % evaluateEvery !== 0) continue;
    const { all } = await judged(rater, data);
    const seconds = (processorSeconds() - started).toFixed(0);
    onProgress(`seed ${seed}, labels, step ${step + 1}: area ${all.area.toFixed(3)}, ${seconds} s of processor time`);
  }
  gradient.dispose();
  optimizer.dispose();
}

async function judged(
  rater: SequenceRater,
  { samples, rows, corruption }: PlantedNoise,
): Promise<DiscriminationReport> {
  return discrimination(await scoreRows(rater, samples, rows.evaluation), Array.from(rows.evaluation, corruption));
}
