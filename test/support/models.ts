import type { LlamaConfig, ModelConfig } from '../../lib/model/config.ts';

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

/** A small model of each kind, for what must hold of all of them; up to 300 positions, parameters of order one. */
export const ARCHITECTURES: Record<string, ModelConfig> = {
  llama: {
    model_type: 'llama',
    vocab_size: 29,
    hidden_size: 16,
    intermediate_size: 20,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    initializer_range: 0.2,
  },
  'mistral with a window': {
    model_type: 'mistral',
    vocab_size: 23,
    hidden_size: 12,
    intermediate_size: 10,
    num_hidden_layers: 2,
    num_attention_heads: 3,
    num_key_value_heads: 1,
    head_dim: 6,
    sliding_window: 5,
    initializer_range: 0.3,
  },
  gpt2: {
    model_type: 'gpt2',
    vocab_size: 27,
    n_embd: 12,
    n_inner: 14,
    n_layer: 2,
    n_head: 3,
    n_positions: 300,
    initializer_range: 0.3,
  },
  bert: {
    model_type: 'bert',
    vocab_size: 31,
    hidden_size: 12,
    intermediate_size: 18,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    max_position_embeddings: 300,
    initializer_range: 0.3,
  },
};
