import type { LlamaConfig } from '../../lib/model/config.ts';

/** A small model for tests of what does not depend on size. */
export const TINY: LlamaConfig = {
  model_type: 'llama',
  vocab_size: 11,
  hidden_size: 8,
  intermediate_size: 12,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  num_key_value_heads: 1,
};
