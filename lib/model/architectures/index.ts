import { invalid } from '../../check.ts';
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

/** @throws GradfoldError UNSUPPORTED for a model type that is not implemented. */
export function architectureOf({ model_type: type }: ModelConfig): Architecture {
  if (!Object.hasOwn(ARCHITECTURES, type)) {
    const known = Object.keys(ARCHITECTURES).map((name) => `"${name}"`);
    throw new GradfoldError(
      'UNSUPPORTED',
      `model_type: expected one of ${known.join(', ')}, got ${JSON.stringify(type)}`,
    );
  }
  return ARCHITECTURES[type];
}

/**
 * Checks a configuration and resolves its defaults as Hugging Face transformers does.
 * @throws GradfoldError INVALID_ARGUMENT naming the field; UNSUPPORTED for a model type or option not implemented.
 */
export function transformerShape(config: ModelConfig): TransformerShape {
  return architectureOf(config).shape(config);
}

const POOLINGS = ['mean', 'last', 'first'];

/**
 * The same for a rater: the backbone's shape with the rater's own mask and pooling.
 * @throws GradfoldError as transformerShape; INVALID_ARGUMENT naming `causal`, `pooling` or `bias`.
 */
export function raterShape(config: RaterConfig): RaterShape {
  const { causal, pooling, bias } = config;
  if (typeof causal !== 'boolean') throw invalid('causal', 'true or false', causal);
  if (!POOLINGS.includes(pooling)) throw invalid('pooling', '"mean", "last" or "first"', pooling);
  if (typeof bias !== 'boolean') throw invalid('bias', 'true or false', bias);
  return { ...transformerShape(config), causal, pooling };
}
