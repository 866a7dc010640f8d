import { invalid, checkInteger, checkFinite } from '../check.ts';
import { GradfoldError } from '../errors.ts';
import { inverseFrequencies, type RopeParameters } from './rope.ts';

/** A Hugging Face decoder configuration, fields under their Hugging Face names. Unknown fields are kept as they are. */
export interface ModelConfig {
  model_type: 'llama' | 'mistral';
  vocab_size: number;
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
  /** Default false. */
  tie_word_embeddings?: boolean;
  /** mistral: a query sees this many positions, itself included; null: all of them. Default 4096 for mistral. */
  sliding_window?: number | null;
  /** Standard deviation of `initialize`; default 0.02. */
  initializer_range?: number;
  max_position_embeddings?: number;
  [field: string]: unknown;
}

/** A configuration resolved to what an engine needs: defaults filled in, every number checked. */
export interface DecoderShape {
  vocabSize: number;
  hiddenSize: number;
  intermediateSize: number;
  layers: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  normEps: number;
  tiedEmbeddings: boolean;
  /** A query at position p sees positions p − window + 1 … p; null: all earlier ones. */
  slidingWindow: number | null;
  /** Rotary angle per position of each dimension pair [headDim / 2]. */
  inverseFrequencies: Float64Array;
}

/** Fields whose other values change the mathematics; anything but these values is refused rather than ignored. */
const SUPPORTED_VALUES: [field: string, values: unknown[]][] = [
  ['hidden_act', ['silu']],
  ['attention_bias', [false]],
  ['mlp_bias', [false]],
  ['attention_dropout', [0]],
  ['partial_rotary_factor', [1]],
  ['quantization_config', [null]],
];

/**
 * Checks a configuration and resolves its defaults as Hugging Face transformers does.
 * @throws GradfoldError INVALID_ARGUMENT naming the field; UNSUPPORTED for a model type or option not implemented.
 */
export function decoderShape(config: ModelConfig): DecoderShape {
  if (config.model_type !== 'llama' && config.model_type !== 'mistral') {
    throw new GradfoldError(
      'UNSUPPORTED',
      `model_type: expected "llama" or "mistral", got ${JSON.stringify(config.model_type)}`,
    );
  }
  for (const [field, values] of SUPPORTED_VALUES) {
    const value = config[field];
    if (value !== undefined && !values.includes(value)) {
      throw new GradfoldError(
        'UNSUPPORTED',
        `${field}: only ${JSON.stringify(values[0])} is supported, got ${JSON.stringify(value)}`,
      );
    }
  }
  const hiddenSize = checkInteger('hidden_size', config.hidden_size, 1);
  const heads = checkInteger('num_attention_heads', config.num_attention_heads, 1);
  const kvHeads = checkInteger('num_key_value_heads', config.num_key_value_heads ?? heads, 1);
  if (heads % kvHeads !== 0)
    throw invalid('num_key_value_heads', `a divisor of num_attention_heads (${heads})`, kvHeads);
  const headDim = config.head_dim ?? hiddenSize / heads;
  checkInteger('head_dim', headDim, 2);
  if (headDim % 2 !== 0) throw invalid('head_dim', 'an even number (rotary positions turn pairs)', headDim);
  const window =
    config.model_type === 'mistral' ? (config.sliding_window === undefined ? 4096 : config.sliding_window) : null;
  return {
    vocabSize: checkInteger('vocab_size', config.vocab_size, 1),
    hiddenSize,
    intermediateSize: checkInteger('intermediate_size', config.intermediate_size, 1),
    layers: checkInteger('num_hidden_layers', config.num_hidden_layers, 1),
    heads,
    kvHeads,
    headDim,
    normEps: checkFinite('rms_norm_eps', config.rms_norm_eps ?? 1e-6, { above: 0 }),
    tiedEmbeddings: config.tie_word_embeddings ?? false,
    slidingWindow: window === null ? null : checkInteger('sliding_window', window, 1),
    inverseFrequencies: inverseFrequencies(config, headDim),
  };
}
