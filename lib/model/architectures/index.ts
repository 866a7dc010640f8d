import { checkInteger, checkObject, invalid, show } from '../../check.ts';
import { GradfoldError } from '../../errors.ts';
import type { ModelConfig, RaterConfig } from '../config.ts';
import type { RaterShape, TransformerShape } from '../shape.ts';
import type { Architecture } from './architecture.ts';
import { BERT } from './bert.ts';
import { GPT2 } from './gpt2.ts';
import { LLAMA, MISTRAL } from './llama.ts';

const ARCHITECTURES: Record<ModelConfig['model_type'], Architecture> = {
  llama: LLAMA,
  mistral: MISTRAL,
  gpt2: GPT2,
  bert: BERT,
};

/** @throws GradfoldError UNSUPPORTED for a model type that is not in the table. */
export function architectureOf(config: ModelConfig): Architecture {
  checkObject('config', config);
  const { model_type: type } = config;
  if (typeof type !== 'string' || !Object.hasOwn(ARCHITECTURES, type)) {
    const known = Object.keys(ARCHITECTURES).map((name) => `"${name}"`);
    throw new GradfoldError('UNSUPPORTED', `model_type: expected one of ${known.join(', ')}, got ${show(type)}`);
  }
  return ARCHITECTURES[type];
}

/** Beyond these an engine's indices end. */
const SIZES = ['vocabSize', 'hiddenSize', 'intermediateSize', 'learnedPositions', 'tokenTypes'] as const;
const MAX_SIZE = 2 ** 30;
const MAX_LAYERS = 2 ** 16;

/**
 * Checks a configuration and resolves its defaults as Hugging Face transformers does.
 * @throws GradfoldError INVALID_ARGUMENT naming the field; UNSUPPORTED for another model type or option.
 */
export function transformerShape(config: ModelConfig): TransformerShape {
  const shape = architectureOf(config).shape(config);
  for (const size of SIZES) checkInteger(`${size} of the model`, shape[size], 0, MAX_SIZE);
  checkInteger('layers of the model', shape.layers, 1, MAX_LAYERS);
  checkInteger('heads × headDim of the model', shape.heads * shape.headDim, 1, MAX_SIZE);
  return shape;
}

const POOLINGS = ['mean', 'last', 'first'];

/**
 * The same for a rater: the backbone's shape with the rater's own mask and pooling.
 * @throws GradfoldError as transformerShape; INVALID_ARGUMENT naming `causal`, `pooling` or `bias`.
 */
export function raterShape(config: RaterConfig): RaterShape {
  checkObject('config', config);
  const { causal, pooling, bias } = config;
  if (typeof causal !== 'boolean') throw invalid('causal', 'true or false', causal);
  if (!POOLINGS.includes(pooling)) throw invalid('pooling', '"mean", "last" or "first"', pooling);
  if (typeof bias !== 'boolean') throw invalid('bias', 'true or false', bias);
  return { ...transformerShape(config), causal, pooling };
}
