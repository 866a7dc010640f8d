import { checkFinite, checkInteger } from '../../check.ts';
import type { BertConfig, ModelConfig } from '../config.ts';
import type { TensorSpec } from '../layout.ts';
import type { TransformerShape } from '../shape.ts';
import {
  checkSupported,
  GELUS,
  headSize,
  paddingRow,
  type Architecture,
  type SupportedValues,
} from './architecture.ts';
import { bias, layerNorm, matrix } from './tensors.ts';

const SUPPORTED: SupportedValues = [
  ['hidden_act', ['gelu', 'gelu_new', 'gelu_pytorch_tanh']],
  ['position_embedding_type', ['absolute']],
  ['is_decoder', [false]],
  ['add_cross_attention', [false]],
  ['quantization_config', [null]],
];

/** BERT (Devlin et al. 2019) with its masked-token head: post-norm encoder with learned positions and token types. */
export const BERT: Architecture = {
  name: 'bert',
  classes: { language: 'BertForMaskedLM', backbone: 'BertModel' },
  shape,
  backbone,
  head,
  backbonePrefix: 'bert.',
  headPrefix: 'cls.',
  // The pooler and the next-sentence head play no part in masked-token prediction.
  ignored: ({ tiedEmbeddings }) => [
    /^bert\.pooler\./,
    /^cls\.seq_relationship\./,
    /^bert\.embeddings\.(position|token_type)_ids$/,
    tiedEmbeddings ? /^cls\.predictions\.decoder\.(weight|bias)$/ : /^cls\.predictions\.bias$/,
  ],
  renamed: [
    [/LayerNorm\.gamma$/, 'LayerNorm.weight'],
    [/LayerNorm\.beta$/, 'LayerNorm.bias'],
  ],
  savedFields: (config, shape) => ({
    max_position_embeddings: shape.learnedPositions,
    type_vocab_size: shape.tokenTypes,
    layer_norm_eps: shape.normEps,
    hidden_act: (config as BertConfig).hidden_act ?? 'gelu',
  }),
};

function shape(any: ModelConfig): TransformerShape {
  const config = any as BertConfig;
  checkSupported(config, SUPPORTED);
  const hiddenSize = checkInteger('hidden_size', config.hidden_size ?? 768, 1);
  const heads = checkInteger('num_attention_heads', config.num_attention_heads ?? 12, 1);
  return {
    vocabSize: checkInteger('vocab_size', config.vocab_size ?? 30522, 1),
    hiddenSize,
    intermediateSize: checkInteger('intermediate_size', config.intermediate_size ?? 3072, 1),
    layers: checkInteger('num_hidden_layers', config.num_hidden_layers ?? 12, 1),
    heads,
    kvHeads: heads,
    headDim: headSize(hiddenSize, heads, 'hidden_size / num_attention_heads'),
    norm: 'layer',
    normEps: checkFinite('layer_norm_eps', config.layer_norm_eps ?? 1e-12, { above: 0 }),
    normPlacement: 'post',
    activation: GELUS[config.hidden_act ?? 'gelu'],
    inputMajor: false,
    objective: 'masked-token',
    causal: false,
    slidingWindow: null,
    inverseFrequencies: new Float64Array(0),
    learnedPositions: checkInteger('max_position_embeddings', config.max_position_embeddings ?? 512, 1),
    tokenTypes: checkInteger('type_vocab_size', config.type_vocab_size ?? 2, 1),
    tiedEmbeddings: config.tie_word_embeddings ?? true,
  };
}

function backbone(shape: TransformerShape, config: ModelConfig): TensorSpec[] {
  const { hiddenSize: d, intermediateSize: ff } = shape;
  const layers = Array.from({ length: shape.layers }, (_, layer) => {
    const [at, role] = [`bert.encoder.layer.${layer}`, `layers.${layer}`];
    const inputs = ['query', 'key', 'value'].map((name) => `${at}.attention.self.${name}`);
    return [
      ...inputs.map((name) => matrix(name, d, d, `${role}.qkv.weight`)),
      ...inputs.map((name) => bias(name, d, `${role}.qkv.bias`)),
      matrix(`${at}.attention.output.dense`, d, d, `${role}.out.weight`),
      bias(`${at}.attention.output.dense`, d, `${role}.out.bias`),
      ...layerNorm(`${at}.attention.output.LayerNorm`, d, `${role}.attention_norm`),
      matrix(`${at}.intermediate.dense`, ff, d, `${role}.up.weight`),
      bias(`${at}.intermediate.dense`, ff, `${role}.up.bias`),
      matrix(`${at}.output.dense`, d, ff, `${role}.down.weight`),
      bias(`${at}.output.dense`, d, `${role}.down.bias`),
      ...layerNorm(`${at}.output.LayerNorm`, d, `${role}.mlp_norm`),
    ];
  });
  const tokens = matrix('bert.embeddings.word_embeddings', shape.vocabSize, d, 'embedding.tokens');
  tokens.initial = { scale: 1, zeroRow: paddingRow(config, shape, 0) };
  return [
    tokens,
    matrix('bert.embeddings.position_embeddings', shape.learnedPositions, d, 'embedding.positions'),
    matrix('bert.embeddings.token_type_embeddings', shape.tokenTypes, d, 'embedding.types'),
    ...layerNorm('bert.embeddings.LayerNorm', d, 'embedding.norm'),
    ...layers.flat(),
  ];
}

/** gelu(dense(h)), a norm, the output matrix and its bias: transformers 5 reads decoder.bias unless matrices are tied. */
function head({ vocabSize, hiddenSize: d, tiedEmbeddings }: TransformerShape): TensorSpec[] {
  const transform = 'cls.predictions.transform';
  return [
    matrix(`${transform}.dense`, d, d, 'head.dense.weight'),
    bias(`${transform}.dense`, d, 'head.dense.bias'),
    ...layerNorm(`${transform}.LayerNorm`, d, 'head.norm'),
    ...(tiedEmbeddings ? [] : [matrix('cls.predictions.decoder', vocabSize, d, 'head.projection')]),
    bias(tiedEmbeddings ? 'cls.predictions' : 'cls.predictions.decoder', vocabSize, 'head.bias'),
  ];
}
