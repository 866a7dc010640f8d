import { checkFinite, checkInteger, invalid } from '../../check.ts';
import type { Gpt2Config, ModelConfig } from '../config.ts';
import type { TensorSpec } from '../layout.ts';
import type { TransformerShape } from '../shape.ts';
import { checkSupported, GELUS, headSize, type Architecture, type SupportedValues } from './architecture.ts';
import { bias, layerNorm, matrix } from './tensors.ts';

const SUPPORTED: SupportedValues = [
  ['activation_function', ['gelu_new', 'gelu_pytorch_tanh', 'gelu']],
  ['scale_attn_weights', [true]],
  ['scale_attn_by_inverse_layer_idx', [false]],
  ['reorder_and_upcast_attn', [false]],
  ['add_cross_attention', [false]],
  ['quantization_config', [null]],
];

/** GPT-2's own field names, and the general ones that transformers takes in their place. */
const GENERAL_NAMES = {
  n_embd: 'hidden_size',
  n_layer: 'num_hidden_layers',
  n_head: 'num_attention_heads',
  n_positions: 'max_position_embeddings',
} as const;

/** GPT-2 (Radford et al. 2019): pre-norm decoder with learned positions, biases and projections stored [in, out]. */
export const GPT2: Architecture = {
  name: 'gpt2',
  classes: { language: 'GPT2LMHeadModel', backbone: 'GPT2Model' },
  shape,
  backbone,
  head: ({ tiedEmbeddings, vocabSize, hiddenSize }) =>
    tiedEmbeddings ? [] : [matrix('lm_head', vocabSize, hiddenSize, 'head.projection')],
  backbonePrefix: 'transformer.',
  headPrefix: 'lm_head.',
  // Masks that older versions of transformers stored, and the tied output matrix.
  ignored: ({ tiedEmbeddings }) => [/\.attn\.(masked_)?bias$/, ...(tiedEmbeddings ? [/^lm_head\.weight$/] : [])],
  renamed: [],
  savedFields: (config, shape) => ({
    ...Object.fromEntries(Object.values(GENERAL_NAMES).map((name) => [name, undefined])),
    n_embd: shape.hiddenSize,
    n_layer: shape.layers,
    n_head: shape.heads,
    n_inner: shape.intermediateSize,
    n_positions: shape.learnedPositions,
    layer_norm_epsilon: shape.normEps,
    activation_function: (config as Gpt2Config).activation_function ?? 'gelu_new',
  }),
};

function shape(any: ModelConfig): TransformerShape {
  const config = any as Gpt2Config;
  checkSupported(config, SUPPORTED);
  const hiddenSize = size(config, 'n_embd', 768);
  const heads = size(config, 'n_head', 12);
  return {
    vocabSize: checkInteger('vocab_size', config.vocab_size ?? 50257, 1),
    hiddenSize,
    intermediateSize: checkInteger('n_inner', config.n_inner ?? 4 * hiddenSize, 1),
    layers: size(config, 'n_layer', 12),
    heads,
    kvHeads: heads,
    headDim: headSize(hiddenSize, heads, 'n_embd / n_head'),
    norm: 'layer',
    normEps: checkFinite('layer_norm_epsilon', config.layer_norm_epsilon ?? 1e-5, { above: 0 }),
    normPlacement: 'pre',
    activation: GELUS[config.activation_function ?? 'gelu_new'],
    inputMajor: true,
    objective: 'next-token',
    causal: true,
    slidingWindow: null,
    inverseFrequencies: new Float64Array(0),
    learnedPositions: size(config, 'n_positions', 1024),
    tokenTypes: 0,
    tiedEmbeddings: config.tie_word_embeddings ?? true,
  };
}

function size(config: Gpt2Config, field: keyof typeof GENERAL_NAMES, missing: number): number {
  const general = GENERAL_NAMES[field];
  const value = config[field] ?? config[general] ?? missing;
  if (config[general] !== undefined && config[general] !== value) {
    throw invalid(general, `${field} (${value}), whose other name it is`, config[general]);
  }
  return checkInteger(field, value, 1);
}

function backbone(shape: TransformerShape): TensorSpec[] {
  const { hiddenSize: d, intermediateSize: ff } = shape;
  // Two projections a layer add to the residual stream, which is to keep its size at any depth.
  const residual = 1 / Math.sqrt(2 * shape.layers);
  const layers = Array.from({ length: shape.layers }, (_, layer) => {
    const [at, role] = [`transformer.h.${layer}`, `layers.${layer}`];
    return [
      ...layerNorm(`${at}.ln_1`, d, `${role}.attention_norm`),
      matrix(`${at}.attn.c_attn`, d, 3 * d, `${role}.qkv.weight`),
      bias(`${at}.attn.c_attn`, 3 * d, `${role}.qkv.bias`),
      matrix(`${at}.attn.c_proj`, d, d, `${role}.out.weight`, residual),
      bias(`${at}.attn.c_proj`, d, `${role}.out.bias`),
      ...layerNorm(`${at}.ln_2`, d, `${role}.mlp_norm`),
      matrix(`${at}.mlp.c_fc`, d, ff, `${role}.up.weight`),
      bias(`${at}.mlp.c_fc`, ff, `${role}.up.bias`),
      matrix(`${at}.mlp.c_proj`, ff, d, `${role}.down.weight`, residual),
      bias(`${at}.mlp.c_proj`, d, `${role}.down.bias`),
    ];
  });
  return [
    matrix('transformer.wte', shape.vocabSize, d, 'embedding.tokens'),
    matrix('transformer.wpe', shape.learnedPositions, d, 'embedding.positions'),
    ...layers.flat(),
    ...layerNorm('transformer.ln_f', d, 'final_norm'),
  ];
}
