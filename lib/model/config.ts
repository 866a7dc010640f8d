import type { RopeParameters } from './rope.ts';
import type { RowFeature } from './row-features.ts';
import type { Pooling } from './shape.ts';

// Hugging Face configurations, fields under their Hugging Face names. Unknown fields are kept as they are. Dropout is
// never applied, whatever a configuration says of it.

interface ConfigFields {
  vocab_size: number;
  /** Standard deviation of `initialize`; default 0.02. */
  initializer_range?: number;
  /**
   * The embedding row of this id starts as zeros where transformers does so (not in GPT-2). Where the id stands as a
   * token its row has its gradient like any other; PyTorch leaves out what comes through the lookup (`padding_idx`).
   */
  pad_token_id?: number | null;
  /** Default false for llama and mistral, true for gpt2 and bert. */
  tie_word_embeddings?: boolean;
  [field: string]: unknown;
}

/** Decoders with rotary positions, RMS norms and a gated MLP. */
export interface LlamaConfig extends ConfigFields {
  model_type: 'llama' | 'mistral';
  hidden_size: number;
  intermediate_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  /** Default: num_attention_heads. */
  num_key_value_heads?: number;
  /** Default: hidden_size / num_attention_heads. */
  head_dim?: number;
  /** Default 1e-6. */
  rms_norm_eps?: number;
  /** Default 10000; newer checkpoints carry it in rope_parameters. */
  rope_theta?: number;
  rope_parameters?: RopeParameters | null;
  rope_scaling?: RopeParameters | null;
  /** mistral: a query sees this many positions, itself included; null: all of them. Default 4096 for mistral. */
  sliding_window?: number | null;
  max_position_embeddings?: number;
}

/**
 * Decoders with learned positions, LayerNorms and biases. The fields' general names (hidden_size, num_hidden_layers,
 * num_attention_heads, max_position_embeddings) are understood too, as transformers does.
 */
export interface Gpt2Config extends ConfigFields {
  model_type: 'gpt2';
  n_embd?: number;
  n_layer?: number;
  n_head?: number;
  /** Width of the MLP; default: 4 n_embd. */
  n_inner?: number | null;
  /** Longest sequence; default 1024. */
  n_positions?: number;
  /** Default 1e-5. */
  layer_norm_epsilon?: number;
  /** 'gelu_new' (default) or its other name 'gelu_pytorch_tanh', or 'gelu', the erf form. */
  activation_function?: string;
}

/** Bidirectional encoders with a masked-token head. */
export interface BertConfig extends ConfigFields {
  model_type: 'bert';
  hidden_size: number;
  intermediate_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  /** Longest sequence; default 512. */
  max_position_embeddings?: number;
  /** Default 2. */
  type_vocab_size?: number;
  /** Default 1e-12. */
  layer_norm_eps?: number;
  /** 'gelu' (default), the erf form, or 'gelu_new' or its other name 'gelu_pytorch_tanh'. */
  hidden_act?: string;
}

export type ModelConfig = LlamaConfig | Gpt2Config | BertConfig;

/** How a rater reads its backbone. */
export interface RaterSettings {
  /** Whether a token attends to those before it only; otherwise to all of its row (or document). */
  causal: boolean;
  pooling: Pooling;
  /** Whether the scalar head has a bias. */
  bias: boolean;
  /** Numbers of a row that have weights of their own in its score, beside what the backbone makes of the row. */
  features?: readonly RowFeature[];
  /** Configuration of the model that features such as `loss` are taken of. */
  reference?: ModelConfig;
}

/** A backbone's configuration and how the rater reads it. */
export type RaterConfig = ModelConfig & RaterSettings;
