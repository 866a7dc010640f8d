import type { Backend } from '../../backend/types.ts';
import { checkCall, invalid } from '../../check.ts';
import { sampleBatches, type TokenSource } from '../../data/token-source.ts';
import type { Tokenizer } from '../../data/tokenizer.ts';
import { wordStarts } from '../../data/word-starts.ts';
import { summarize } from '../../evaluate/statistics.ts';
import type { ModelConfig, RaterConfig } from '../../model/config.ts';
import type { LanguageModel } from '../../model/language-model.ts';
import { isHead } from '../../model/layout.ts';
import {
  needReference,
  needWords,
  rowFeatures,
  wordFlags,
  type RowFeature,
  type RowFeatureName,
} from '../../model/row-features.ts';
import { SequenceRater } from '../../model/sequence-rater.ts';
import { TransformerModel, type CallOptions } from '../../model/transformer-model.ts';

/** How a DataRater reads its backbone: all of a row at once; weights do not see what all scores have in common. */
export const DATA_RATER = { causal: false, pooling: 'mean', bias: false } as const;

export interface DataRaterInit extends CallOptions {
  backend: Backend;
  /** Of the parameters that are not copied. */
  seed: number;
  /** A model, such as an inner one after some training, whose backbone the rater begins with. */
  from?: TransformerModel;
  /** Features with weights of their own in the score, standardised over some of the rows. */
  features?: {
    names: readonly RowFeatureName[];
    samples: TokenSource;
    rows: ArrayLike<number>;
    /** For `loss` and `order_gain`; copied. */
    reference?: LanguageModel;
    /** For `order_gain`: the tokens that begin a word (`wordStarts`); default: each of them does. */
    wordStarts?: readonly number[];
  };
  /** Whether a token sees those before it only, as in the training of a language model; default false. */
  causal?: boolean;
}

/**
 * A rater whose head is zero, so that all rows weigh the same until it has learned something. Its backbone is fresh, or
 * that of `from`, tensor by tensor.
 * @throws GradfoldError INVALID_ARGUMENT naming a tensor that `from` does not have in that shape
 */
export async function initializeDataRater(config: ModelConfig, options: DataRaterInit): Promise<SequenceRater> {
  checkCall('options', options);
  const { from, features, causal = DATA_RATER.causal, ...creation } = options;
  if (from !== undefined && !(from instanceof TransformerModel)) throw invalid('from', 'a model', from);
  const described = {
    ...config,
    ...DATA_RATER,
    causal,
    ...(features && { features: await standardised(features, config.vocab_size) }),
  };
  const reference = features?.reference;
  const rater = await SequenceRater.initialize(described as RaterConfig, { ...creation, reference });
  try {
    if (from) copyBackbone(from, rater);
  } catch (cause) {
    rater.dispose();
    throw cause;
  }
  for (const slot of rater.space.layout.slots.filter(isHead)) {
    rater.parameters.engine.write(slot.offset, new Float64Array(slot.size));
  }
  return rater;
}

/**
 * Features of these names as `initializeDataRater` takes them, with what they need: `model` as the reference, and the
 * words of a tokenizer (without one each token is a word). Undefined for no names.
 */
export function featuresOf(
  names: readonly RowFeatureName[],
  from: { samples: TokenSource; rows: ArrayLike<number>; model: LanguageModel; tokenizer?: Tokenizer },
): DataRaterInit['features'] {
  if (names.length === 0) return undefined;
  const { samples, rows, model, tokenizer } = from;
  return {
    ...{ names, samples, rows },
    reference: needReference(names) ? model : undefined,
    wordStarts: tokenizer && needWords(names) ? wordStarts(tokenizer) : undefined,
  };
}

/** Rows that mean and deviation of a feature are taken over, and rows of a pass. */
const MEASURED_ROWS = 1024;
const PASS_ROWS = 32;

async function standardised(
  options: NonNullable<DataRaterInit['features']>,
  vocabulary: number,
): Promise<RowFeature[]> {
  const { names, samples, reference, wordStarts } = options;
  const needing = names.find((name) => needReference([name]));
  if (needing !== undefined && !reference) {
    throw invalid('features.reference', `a LanguageModel, for "${needing}"`, reference);
  }
  if (wordStarts !== undefined && !needWords(names)) {
    throw invalid('features.wordStarts', 'none (no feature needs it)', wordStarts);
  }
  const stride = Math.max(1, Math.floor(options.rows.length / MEASURED_ROWS));
  const rows = Uint32Array.from(options.rows).filter((_, i) => i % stride === 0);
  const described = names.map((name) => ({
    ...{ name, mean: 0, deviation: 1 },
    ...(wordStarts && needWords([name]) && { wordStarts: [...wordStarts] }),
  }));
  const flags = wordFlags(described, vocabulary);
  const values: number[][] = names.map(() => []);
  for (const batch of sampleBatches(samples, rows, PASS_ROWS)) {
    const found = await rowFeatures(names, { rows: batch, reference, wordStarts: flags });
    found.forEach((of, k) => values[k].push(...of));
  }
  return described.map((feature, k) => {
    const { mean, standardDeviation: deviation } = summarize(values[k]);
    if (deviation > 0) return { ...feature, mean, deviation };
    throw invalid(`features: ${feature.name}`, 'one that differs between rows', mean, { code: 'INVALID_DATA' });
  });
}

function copyBackbone(from: TransformerModel, rater: SequenceRater): void {
  const theirs = new Map(from.space.layout.slots.map((slot) => [slot.name, slot]));
  const backbone = rater.space.layout.slots.filter((slot) => !isHead(slot));
  for (const { name, shape } of backbone) {
    const found = theirs.get(name);
    if (found?.shape.join() === shape.join()) continue;
    throw invalid(
      `from: tensor ${name}`,
      `shape [${shape.join(', ')}]`,
      found ? `[${found.shape.join(', ')}]` : 'no such tensor',
      { fix: "give the rater the model's own configuration" },
    );
  }
  for (const { name, offset, size } of backbone) {
    rater.parameters.engine.write(offset, from.parameters.engine.read(theirs.get(name)!.offset, size));
  }
}
