import { loadTokenizer } from '../data/tokenizer.ts';
import type { ModelConfig } from '../model/config.ts';
import { FILES, type RunContext } from './context.ts';

/** The recipe's model with what follows from its tokenizer and row length. */
export async function modelConfig(context: RunContext): Promise<ModelConfig> {
  const { vocabularySize } = await loadTokenizer(context.path(FILES.tokenizer));
  const { model, samples } = context.recipe;
  return { max_position_embeddings: samples.length, ...model, vocab_size: vocabularySize } as unknown as ModelConfig;
}
