import type { Backend } from '../../backend/types.ts';
import { checkCall, invalid } from '../../check.ts';
import type { ModelConfig, RaterConfig } from '../../model/config.ts';
import { isHead, SequenceRater } from '../../model/sequence-rater.ts';
import { TransformerModel, type CallOptions } from '../../model/transformer-model.ts';

/** How a DataRater reads its backbone: all of a row at once; weights do not see what all scores have in common. */
export const DATA_RATER = { causal: false, pooling: 'mean', bias: false } as const;

export interface DataRaterInit extends CallOptions {
  backend: Backend;
  /** Of the parameters that are not copied. */
  seed: number;
  /** A model, such as an inner one after some training, whose backbone the rater begins with. */
  from?: TransformerModel;
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
  const { from, causal = DATA_RATER.causal, ...creation } = options;
  if (from !== undefined && !(from instanceof TransformerModel)) throw invalid('from', 'a model', from);
  const rater = await SequenceRater.initialize({ ...config, ...DATA_RATER, causal } as RaterConfig, creation);
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
