import { join } from 'node:path';
import {
  initializeDataRater,
  LanguageModel,
  scoreRows,
  trainDataRater,
  trainInnerStarts,
  type Backend,
  type LlamaConfig,
  type SequenceRater,
  type TrainedDataRater,
} from 'gradfold';
import { ROW_TOKENS, VOCABULARY, type PlantedNoise } from '../noise/data.ts';
import { discrimination, type DiscriminationReport } from '../noise/discrimination.ts';
import { ADAM, MODEL } from '../noise/model.ts';
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

/** Four heads of 16, as the language model's. */
const HEAD_WIDTH = 16;

/** Trains the language models that inner models start from, then the rater. The caller disposes of rater and model. */
export async function learnRater(
  data: PlantedNoise,
  backend: Backend,
  options: RaterBenchOptions,
  seed: number,
): Promise<Learned> {
  const { samples, rows } = data;
  const model = await LanguageModel.initialize(MODEL, { backend, seed });
  const before = processorSeconds();
  const starts = await trainInnerStarts(model, {
    samples,
    rows: rows.train,
    ages: options.ages,
    optimizer: ADAM,
    seed,
    checkpointDir: join(options.cacheDir, `starts-${seed}-${options.share}-${options.ages.join('-')}`),
  });
  options.onProgress(`seed ${seed}, starts: ${(processorSeconds() - before).toFixed(0)} s of processor time`);
  const rater = await newRater(model, data, options, { backend, seed: seed + 1 });
  const outer = { clean: rows.heldOut, mixture: rows.mixture }[options.outer];
  const corruptions = Array.from(rows.evaluation, data.corruption);
  const readings: Reading[] = [];
  const started = processorSeconds();
  let measuring = 0;
  const trained = await trainDataRater(rater, {
    model,
    inner: { samples, rows: rows.train, batchSize: options.batch },
    outer: { samples, rows: outer, batchSize: options.outerBatch },
    steps: options.steps,
    window: options.window,
    temperature: options.temperature,
    population: { size: options.models, life: options.life, starts },
    modelsPerStep: options.perStep,
    innerOptimizer: { kind: 'adamw', lr: options.innerLr, betas: ADAM.betas },
    optimizer: { kind: 'adamw', lr: options.lr, betas: [0.9, 0.99], weightDecay: options.weightDecay },
    sharedOptimizer: options.shared,
    firstOrder: options.firstOrder,
    seed,
    async onStep({ step, outerLoss, effectiveSamples }) {
      if (step % options.evaluateEvery !== 0 && step !== options.steps) return;
      const seconds = processorSeconds() - started - measuring;
      const report = discrimination(await scoreRows(rater, samples, rows.evaluation), corruptions);
      measuring = processorSeconds() - started - seconds;
      readings.push({ step, seconds, report });
      options.onProgress(
        `seed ${seed}, ${options.outer} outer rows, meta-step ${step}: area ${report.all.area.toFixed(3)}, ` +
          `outer loss ${outerLoss.toFixed(3)}, effective samples ${effectiveSamples.toFixed(1)}, ${seconds.toFixed(0)} s of processor time`,
      );
    },
  });
  for (const { parameters, state } of starts) {
    for (const vector of [parameters, state?.m, state?.v]) vector?.dispose();
  }
  return { rater, model, trained, readings };
}

function processorSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function newRater(
  model: LanguageModel,
  { samples, rows }: PlantedNoise,
  options: RaterBenchOptions,
  creation: { backend: Backend; seed: number },
): Promise<SequenceRater> {
  const { fromStart, causal, features: names } = options;
  const reference = names.includes('loss') ? model : undefined;
  const features = names.length > 0 ? { names, samples, rows: rows.train, reference } : undefined;
  const config = fromStart ? model.config : raterConfig(options);
  return initializeDataRater(config, { ...creation, causal, features, from: fromStart ? model : undefined });
}

function raterConfig({ hidden, layers }: RaterBenchOptions): LlamaConfig {
  return {
    model_type: 'llama',
    vocab_size: VOCABULARY,
    hidden_size: hidden,
    intermediate_size: 4 * hidden,
    num_hidden_layers: layers,
    num_attention_heads: hidden / HEAD_WIDTH,
    max_position_embeddings: ROW_TOKENS,
    initializer_range: 0.1,
  };
}
