import {
  scoreRows,
  trainDataRater,
  type Backend,
  type LanguageModel,
  type SequenceRater,
  type TrainedDataRater,
} from 'gradfold';
import type { PlantedNoise } from '../noise/data.ts';
import { discrimination, type DiscriminationReport } from '../noise/discrimination.ts';
import { ADAM } from '../noise/model.ts';
import { disposeOf, innerAndRated, newRater, processorSeconds, trainStarts } from './begin.ts';
import type { RaterBenchOptions } from './settings.ts';

/** How well a rater told clean evaluation rows from corrupted ones on the way. */
export interface Reading {
  step: number;
  /** Processor time of the meta-training so far, which a busy machine leaves as it is. */
  seconds: number;
  report: DiscriminationReport;
}

export interface Learned {
  rater: SequenceRater;
  /** Parameters are those of the oldest start. */
  model: LanguageModel;
  trained: TrainedDataRater;
  readings: Reading[];
}

/** Trains the language models that inner models start from, then the rater. The caller disposes of rater and model. */
export async function learnRater(
  data: PlantedNoise,
  backend: Backend,
  options: RaterBenchOptions,
  seed: number,
): Promise<Learned> {
  const { samples, rows } = data;
  const { model, starts } = await trainStarts(data, backend, options, seed);
  const rater = await newRater(model, data, options, { backend, seed });
  const { inner, rated } = innerAndRated(data, options, seed);
  const heldOut = { clean: rows.heldOut, mixture: rows.mixture }[options.outer];
  const corruptions = Array.from(rows.evaluation, data.corruption);
  const readings: Reading[] = [];
  const started = processorSeconds();
  const judged = withFeaturesKept(rater);
  let measuring = 0;
  const trained = await trainDataRater({
    rater,
    model,
    inner: { samples, rows: inner, batchSize: options.batch },
    rated: rated === inner ? 'inner' : { samples, rows: rated },
    heldOut: { samples, rows: heldOut, batchSize: options.outerBatch },
    steps: options.steps,
    window: options.window,
    temperature: options.temperature,
    population: { size: options.models, life: options.life, starts },
    modelsPerStep: options.perStep,
    innerOptimizer: { kind: 'adamw', lr: options.innerLr, betas: ADAM.betas },
    optimizer: { kind: 'adamw', lr: options.lr, betas: [0.9, 0.99], weightDecay: options.weightDecay },
    schedule: { kind: 'cosine', finalRatio: options.finalLr },
    sharedOptimizer: options.shared,
    firstOrder: options.firstOrder,
    seed,
    async onStep({ step, outerLoss, effectiveSamples }) {
      if (step % options.evaluateEvery !== 0 && step !== options.steps) return;
      const seconds = processorSeconds() - started - measuring;
      const report = discrimination(await scoreRows(judged, samples, rows.evaluation), corruptions);
      measuring = processorSeconds() - started - seconds;
      readings.push({ step, seconds, report });
      options.onProgress(
        `seed ${seed}, ${options.outer} outer rows, meta-step ${step}: area ${report.all.area.toFixed(3)}, ` +
          `outer loss ${outerLoss.toFixed(3)}, effective samples ${effectiveSamples.toFixed(1)}, ${seconds.toFixed(0)} s of processor time`,
      );
    },
  });
  disposeOf(starts);
  return { rater, model, trained, readings };
}

/** The rater, which takes the features of a batch of rows once: they are those of its reference, which does not learn. */
function withFeaturesKept(rater: SequenceRater): Pick<SequenceRater, 'score'> {
  const kept = new Map<string, Float64Array[]>();
  return {
    async score(batch, options) {
      const key = Array.from(batch.inputIds).join();
      const features = kept.get(key) ?? (await rater.features(batch, options));
      kept.set(key, features);
      return rater.score(batch, { ...options, features });
    },
  };
}
