import { architectureOf, transformerShape } from './architectures/index.ts';
import type { ModelConfig } from './config.ts';

/** What a model directory holds besides the backbone. */
export type CheckpointKind = 'language' | 'backbone';

/**
 * config.json for Hugging Face transformers 4 and 5: the configuration with what each of them looks for; defaults in
 * which the two differ are spelled out.
 */
export function transformersConfig(config: ModelConfig, kind: CheckpointKind): Record<string, unknown> {
  const architecture = architectureOf(config);
  const shape = transformerShape(config);
  return {
    ...config,
    architectures: [architecture.classes[kind]],
    dtype: 'float32',
    torch_dtype: 'float32',
    tie_word_embeddings: shape.tiedEmbeddings,
    ...architecture.savedFields(config, shape),
  };
}

/**
 * What tensors of a Hugging Face checkpoint are called in a layout: names without the backbone's prefix (checkpoints of
 * a backbone alone) get it, old names become new ones, and null is for what is not read.
 * @param kind backbone: the model's head is not read
 */
export function checkpointNames(config: ModelConfig, kind: CheckpointKind): (name: string) => string | null {
  const { backbonePrefix, headPrefix, ignored, renamed } = architectureOf(config);
  const passedOver = ignored(transformerShape(config));
  return (name) => {
    const ofHead = name.startsWith(headPrefix);
    const ofRater = name.startsWith('score_head.');
    if (ofHead && kind === 'backbone') return null;
    const whole = ofHead || ofRater || name.startsWith(backbonePrefix) ? name : backbonePrefix + name;
    const current = renamed.reduce((text, [old, now]) => text.replace(old, now), whole);
    return passedOver.some((pattern) => pattern.test(current)) ? null : current;
  };
}
