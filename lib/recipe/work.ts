import { BACKWARD, forwardFlops as flopsOf } from '../evaluate/compute.ts';
import { transformerShape } from '../model/architectures/index.ts';
import type { ModelConfig } from '../model/config.ts';
import { modelLayout } from '../model/layout.ts';
import type { Recipe } from './schema.ts';

export { BACKWARD, FORWARD, HESSIAN } from '../evaluate/compute.ts';

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

const configOf = (recipe: Recipe, vocabulary: number) =>
  ({ ...recipe.model, vocab_size: vocabulary }) as unknown as ModelConfig;

/** The size of a recipe's model. */
export function modelSize(recipe: Recipe, vocabulary: number) {
  const config = configOf(recipe, vocabulary);
  const shape = transformerShape(config);
  return { shape, parameters: modelLayout(config, shape).length };
}

/** Floating-point operations of the matrix products of one row's forward pass. */
export function forwardFlops(recipe: Recipe, vocabulary: number): number {
  return flopsOf(configOf(recipe, vocabulary), recipe.samples.length);
}

/** What one training puts through the model, its validation curve aside. */
export function trainingWork({ steps, batch }: { steps: number; batch: number }): Work {
  return workOf(steps * batch, BACKWARD);
}
