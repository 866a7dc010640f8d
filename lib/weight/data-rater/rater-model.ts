import type { Backend } from '../../backend/types.ts';
import { checkCall, invalid } from '../../check.ts';
import { sampleBatches, type TokenSource } from '../../data/token-source.ts';
import { summarize } from '../../evaluate/statistics.ts';
import type { ModelConfig, RaterConfig } from '../../model/config.ts';
import type { LanguageModel } from '../../model/language-model.ts';
import { isHead } from '../../model/layout.ts';
import { needReference, rowFeatures, type RowFeature, type RowFeatureName } from '../../model/row-features.ts';
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
    /** For the feature `loss`; copied. */
    reference?: LanguageModel;
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
  const described = { ...config, ...DATA_RATER, causal, ...(features && { features: await standardised(features) }) };
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

/** Rows that mean and deviation of a feature are taken over, and rows of a pass. */
const MEASURED_ROWS = 1024;
const PASS_ROWS = 32;

async function standardised(options: NonNullable<DataRaterInit['features']>): Promise<RowFeature[]> {
  const { names, samples, reference } = options;
  if (needReference(names) && !reference) throw invalid('features.reference', 'a LanguageModel, for "loss"', reference);
  const stride = Math.max(1, Math.floor(options.rows.length / MEASURED_ROWS));
  const rows = Uint32Array.from(options.rows).filter((_, i) => i % stride === 0);
  const values: number[][] = names.map(() => []);
  for (const batch of sampleBatches(samples, rows, PASS_ROWS)) {
    const found = await rowFeatures(names, { rows: batch, reference });
    found.forEach((of, k) => values[k].push(...of));
  }
  return names.map((name, k) => {
    const { mean, standardDeviation: deviation } = summarize(values[k]);
    if (deviation > 0) return { name, mean, deviation };
    throw invalid(`features: ${name}`, 'one that differs between rows', mean, { code: 'INVALID_DATA' });
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
