import { transformerShape } from '../model/architectures/index.ts';
import type { ModelConfig } from '../model/config.ts';
import { modelLayout } from '../model/layout.ts';
import type { Recipe } from './schema.ts';

/** Products of a forward pass, of forward and backward, and of a Hessian product, in units of a forward pass. */
export const FORWARD = 1;
export const BACKWARD = 3;
export const HESSIAN = 8;

/** What a stage puts through the model. */
export interface Work {
  /** Rows of tokens, each time that they are read. */
  rows: number;
  /** The same in forward passes of one row. */
  forwards: number;
}

export const workOf = (rows: number, forwardsARow: number): Work => ({ rows, forwards: rows * forwardsARow });

export function addWork(...parts: Work[]): Work {
  return parts.reduce((sum, { rows, forwards }) => ({ rows: sum.rows + rows, forwards: sum.forwards + forwards }), {
    rows: 0,
    forwards: 0,
  });
}

/** The size of a recipe's model. */
export function modelSize(recipe: Recipe, vocabulary: number) {
  const config = { ...recipe.model, vocab_size: vocabulary } as unknown as ModelConfig;
  const shape = transformerShape(config);
  return { shape, parameters: modelLayout(config, shape).length };
}

/** Floating-point operations of the matrix products of one row's forward pass. */
export function forwardFlops(recipe: Recipe, vocabulary: number): number {
  const { shape, parameters } = modelSize(recipe, vocabulary);
  const { length } = recipe.samples;
  // Embeddings are look-ups, not products; the head is one, tied or not.
  const lookedUp = (shape.tiedEmbeddings ? 0 : shape.vocabSize) + shape.learnedPositions + shape.tokenTypes;
  const products = parameters - lookedUp * shape.hiddenSize;
  const attention = 4 * shape.layers * shape.heads * shape.headDim * (length / 2);
  return length * (2 * products + attention);
}

/** What one training puts through the model, its validation curve aside. */
export function trainingWork({ steps, batch }: { steps: number; batch: number }): Work {
  return workOf(steps * batch, BACKWARD);
}
