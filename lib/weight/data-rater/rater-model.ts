import type { Backend } from '../../backend/types.ts';
import type { ModelConfig, RaterConfig } from '../../model/config.ts';
import { SequenceRater } from '../../model/sequence-rater.ts';
import type { CallOptions } from '../../model/transformer-model.ts';

/** How a DataRater reads its backbone: all of a row at once; weights do not see what all scores have in common. */
export const DATA_RATER = { causal: false, pooling: 'mean', bias: false } as const;

/** A fresh rater whose head is zero, so that all rows weigh the same until it has learned something. */
export async function initializeDataRater(
  config: ModelConfig,
  options: CallOptions & { backend: Backend; seed: number },
): Promise<SequenceRater> {
  const rater = await SequenceRater.initialize({ ...config, ...DATA_RATER } as RaterConfig, options);
  for (const { name, offset, size } of rater.space.layout.slots) {
    if (name.startsWith('score_head.')) rater.parameters.engine.write(offset, new Float64Array(size));
  }
  return rater;
}
