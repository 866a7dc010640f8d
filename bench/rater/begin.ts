import { join } from 'node:path';
import {
  divideRows,
  featuresOf,
  initializeDataRater,
  LanguageModel,
  trainInnerStarts,
  type Backend,
  type InnerStart,
  type LlamaConfig,
  type SequenceRater,
} from 'gradfold';
import { ROW_TOKENS, VOCABULARY, type PlantedNoise } from '../noise/data.ts';
import { ADAM, MODEL } from '../noise/model.ts';
import type { RaterBenchOptions } from './settings.ts';

/** Four heads of 16, as the language model's. */
const HEAD_WIDTH = 16;

/** The training rows that starts are trained on, and those that are rated. */
export function innerAndRated({ rows }: PlantedNoise, { rated }: RaterBenchOptions, seed: number) {
  return divideRows(rows.train, { seed, ratedShare: rated });
}

/**
 * The language models that inner models start from, kept in the cache; the model's parameters are those of the oldest.
 * The caller disposes of all.
 */
export async function trainStarts(
  data: PlantedNoise,
  backend: Backend,
  options: RaterBenchOptions,
  seed: number,
): Promise<{ model: LanguageModel; starts: InnerStart[] }> {
  const { ages, cacheDir, share, rated, onProgress } = options;
  const model = await LanguageModel.initialize(MODEL, { backend, seed });
  const before = processorSeconds();
  const starts = await trainInnerStarts(model, {
    samples: data.samples,
    rows: innerAndRated(data, options, seed).inner,
    ages,
    optimizer: ADAM,
    seed,
    checkpointDir: join(cacheDir, `starts-${seed}-${share}-${ages.join('-')}${rated === 'inner' ? '' : `-${rated}`}`),
  });
  onProgress(`seed ${seed}, starts: ${(processorSeconds() - before).toFixed(0)} s of processor time`);
  return { model, starts };
}

export function disposeOf(starts: readonly InnerStart[]): void {
  for (const { parameters, state } of starts) {
    for (const vector of [parameters, state?.m, state?.v]) vector?.dispose();
  }
}

/** The rater that the options describe, before it has learned anything; its fresh parameters are not the models'. */
export function newRater(
  model: LanguageModel,
  data: PlantedNoise,
  options: RaterBenchOptions,
  { backend, seed }: { backend: Backend; seed: number },
): Promise<SequenceRater> {
  const { fromStart, causal, features: names } = options;
  const rows = innerAndRated(data, options, seed).rated;
  const features = featuresOf(names, { samples: data.samples, rows, model, tokenizer: data.tokenizer });
  const config = fromStart ? model.config : raterConfig(options);
  return initializeDataRater(config, {
    backend,
    seed: seed + 1,
    causal,
    features,
    from: fromStart ? model : undefined,
  });
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

/** What a busy machine leaves as it is. */
export function processorSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
