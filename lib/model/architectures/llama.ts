import { checkFinite, checkInteger, invalid } from '../../check.ts';
import type { LlamaConfig, ModelConfig } from '../config.ts';
import type { TensorSpec } from '../layout.ts';
import { inverseFrequencies, type RopeParameters } from '../rope.ts';
import type { TransformerShape } from '../shape.ts';
import { checkSupported, headSize, paddingRow, type Architecture, type SupportedValues } from './architecture.ts';
import { matrix, rmsNorm } from './tensors.ts';

const SUPPORTED: SupportedValues = [
  ['hidden_act', ['silu']],
  ['attention_bias', [false]],
  ['mlp_bias', [false]],
  ['partial_rotary_factor', [1]],
  ['quantization_config', [null]],
];

/** LLaMA (Touvron et al. 2023): pre-norm decoder with rotary positions, grouped queries and a gated MLP. */
export const LLAMA: Architecture = {
  name: 'llama',
  classes: { language: 'LlamaForCausalLM', backbone: 'LlamaModel' },
  shape,
  backbone,
  head: ({ tiedEmbeddings, vocabSize, hiddenSize }) =>
    tiedEmbeddings ? [] : [matrix('lm_head', vocabSize, hiddenSize, 'head.projection')],
  backbonePrefix: 'model.',
  headPrefix: 'lm_head.',
  // Old checkpoints carry rotary angles, and some tied ones the output matrix beside the embeddings.
  ignored: ({ tiedEmbeddings }) => [/\.rotary_emb\.inv_freq$/, ...(tiedEmbeddings ? [/^lm_head\.weight$/] : [])],
  renamed: [],
  savedFields,
};

/** Mistral (Jiang et al. 2023): the same tensors, and a sliding window. */
export const MISTRAL: Architecture = {
  ...LLAMA,
  classes: { language: 'MistralForCausalLM', backbone: 'MistralModel' },
  savedFields: (config, shape) => ({ ...savedFields(config, shape), sliding_window: shape.slidingWindow }),
};

function shape(any: ModelConfig): TransformerShape {
  const config = any as LlamaConfig;
  checkSupported(config, SUPPORTED);
  const hiddenSize = checkInteger('hidden_size', config.hidden_size, 1);
  const heads = checkInteger('num_attention_heads', config.num_attention_heads, 1);
  const kvHeads = checkInteger('num_key_value_heads', config.num_key_value_heads ?? heads, 1);
  if (heads % kvHeads !== 0)
    throw invalid('num_key_value_heads', `a divisor of num_attention_heads (${heads})`, kvHeads);
  const given = config.head_dim ?? undefined;
  const name = given === undefined ? 'hidden_size / num_attention_heads' : 'head_dim';
  const headDim = given === undefined ? headSize(hiddenSize, heads, name) : checkInteger(name, given, 1);
  if (headDim % 2 !== 0) throw invalid(name, 'an even number (rotary positions turn pairs)', headDim);
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
    norm: 'rms',
    normEps: checkFinite('rms_norm_eps', config.rms_norm_eps ?? 1e-6, { above: 0 }),
    normPlacement: 'pre',
    activation: 'swiglu',
    inputMajor: false,
    objective: 'next-token',
    causal: true,
    slidingWindow: window === null ? null : checkInteger('sliding_window', window, 1),
    inverseFrequencies: inverseFrequencies(config, headDim),
    learnedPositions: 0,
    tokenTypes: 0,
    tiedEmbeddings: config.tie_word_embeddings ?? false,
  };
}

function backbone(shape: TransformerShape, config: ModelConfig): TensorSpec[] {
  const { hiddenSize: d, intermediateSize: ff, headDim } = shape;
  const layers = Array.from({ length: shape.layers }, (_, layer) => {
    const [at, role] = [`model.layers.${layer}`, `layers.${layer}`];
    return [
      rmsNorm(`${at}.input_layernorm`, d, `${role}.attention_norm`),
      matrix(`${at}.self_attn.q_proj`, shape.heads * headDim, d, `${role}.qkv.weight`),
      matrix(`${at}.self_attn.k_proj`, shape.kvHeads * headDim, d, `${role}.qkv.weight`),
      matrix(`${at}.self_attn.v_proj`, shape.kvHeads * headDim, d, `${role}.qkv.weight`),
      matrix(`${at}.self_attn.o_proj`, d, shape.heads * headDim, `${role}.out.weight`),
      rmsNorm(`${at}.post_attention_layernorm`, d, `${role}.mlp_norm`),
      matrix(`${at}.mlp.gate_proj`, ff, d, `${role}.up.weight`),
      matrix(`${at}.mlp.up_proj`, ff, d, `${role}.up.weight`),
      matrix(`${at}.mlp.down_proj`, d, ff, `${role}.down.weight`),
    ];
  });
  const tokens = matrix('model.embed_tokens', shape.vocabSize, d, 'embedding.tokens');
  tokens.initial = { scale: 1, zeroRow: paddingRow(config, shape, null) };
  return [tokens, ...layers.flat(), rmsNorm('model.norm', d, 'final_norm')];
}

function savedFields(any: ModelConfig, shape: TransformerShape): Record<string, unknown> {
  const config = any as LlamaConfig;
  const rope: RopeParameters = config.rope_parameters ?? config.rope_scaling ?? {};
  const { rope_theta = config.rope_theta ?? 10000, type, rope_type = type ?? 'default', ...scaling } = rope;
  return {
    head_dim: shape.headDim,
    num_key_value_heads: shape.kvHeads,
    rms_norm_eps: shape.normEps,
    rope_theta, // transformers 4
    rope_scaling: rope_type === 'default' ? null : { rope_type, ...scaling },
    rope_parameters: { rope_type, rope_theta, ...scaling }, // transformers 5
  };
}
