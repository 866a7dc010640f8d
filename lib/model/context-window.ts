import { transformerShape } from './architectures/index.ts';
import type { ModelConfig } from './config.ts';

/**
 * The most tokens that a model is meant to see at a time: the rows of its position table, else what its configuration
 * says; Infinity where it says nothing.
 */
export function contextWindow(config: ModelConfig): number {
  const { learnedPositions } = transformerShape(config);
  const stated = config.max_position_embeddings;
  return learnedPositions || (typeof stated === 'number' ? stated : Infinity);
}
