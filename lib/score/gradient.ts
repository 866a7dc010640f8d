import { checkInteger } from '../check.ts';
import { checkBatchList, type BatchList } from '../data/batch-list.ts';
import type { Batch } from '../data/batch.ts';
import { sampleBatches, type TokenSource } from '../data/token-source.ts';
import type { LossOptions } from '../evaluate/losses.ts';
import type { LanguageModel } from '../model/language-model.ts';
import { createOptimizer, type Optimizer } from '../model/optimizer.ts';
import { addTargetGradient } from './target-gradient.ts';

export interface GradientScoreOptions extends LossOptions {
  /** The samples whose mean loss J is to go down. */
  target: BatchList;
  /** An AdamW optimizer of this model, for scores in its metric as well. */
  optimizer?: Optimizer;
}

/** How each row's gradient lies to a direction v; higher is better. */
export interface Alignment {
  /** ⟨g_i, v⟩ */
  dot: Float64Array;
  /** ⟨g_i, v⟩ / (‖g_i‖ ‖v‖), which does not grow with the gradient's length; 0 for a row without a gradient. */
  cosine: Float64Array;
}

export interface GradientScores {
  /** v = ∇J */
  plain: Alignment;
  /** v = ∇J / (√v̂ + ε), with an optimizer. */
  adam?: Alignment;
  /** ‖g_i‖ */
  norm: Float64Array;
  /** J */
  targetLoss: number;
}

/**
 * How fast a step along each row's gradient lowers the loss of a target set, at the model's parameters as they are: the
 * dot product of the two gradients, plain (one SGD step) and in the metric of an AdamW optimizer (see
 * Optimizer.precondition). One pass over the target and one over the rows.
 * @throws GradfoldError INVALID_ARGUMENT for misuse; rejects with `signal.reason` on abort.
 */
export async function gradientScores(
  model: Pick<LanguageModel, 'gradient' | 'perSample' | 'vector'>,
  samples: TokenSource,
  rows: ArrayLike<number>,
  options: GradientScoreOptions,
): Promise<GradientScores> {
  const { target, optimizer, signal, onProgress } = options;
  checkBatchList('target', target);
  const batchSize = checkInteger('batchSize', options.batchSize ?? 32, 1);
  const direction = model.vector();
  const metric = model.vector();
  try {
    const targetLoss = await addTargetGradient(model, target, direction, { scratch: metric, signal });
    const directions = [direction];
    if (optimizer) {
      metric.copyFrom(direction);
      await optimizer.precondition(metric);
      directions.push(metric);
    }
    const dots = directions.map(() => new Float64Array(rows.length));
    const norm = new Float64Array(rows.length);
    let done = 0;
    for (const batch of sampleBatches(samples, rows, batchSize)) {
      const result = await model.perSample(batch, { dots: directions, norms: true, signal });
      dots.forEach((dot, k) => dot.set(result.dots![k], done));
      norm.set(result.norms!, done);
      done += batch.batch;
      onProgress?.({ done, total: rows.length });
    }
    const [plain, adam] = dots.map((dot, k) => alignment(dot, norm, directions[k].norm()));
    return { plain, ...(adam && { adam }), norm, targetLoss };
  } finally {
    direction.dispose();
    metric.dispose();
  }
}

function alignment(dot: Float64Array, norm: Float64Array, length: number): Alignment {
  return { dot, cosine: dot.map((value, i) => (norm[i] === 0 || length === 0 ? 0 : value / (norm[i] * length))) };
}

/**
 * Second moments for a model that came without its optimizer: AdamW that has seen the gradients of some batches at the
 * model's parameters, which stay as they are.
 * @returns an optimizer of learning rate 0, for `gradientScores`; the caller disposes of it
 */
export async function estimateMoments(
  model: LanguageModel,
  batches: Iterable<Batch>,
  options: { betas?: readonly [number, number]; signal?: AbortSignal } = {},
): Promise<Optimizer> {
  const { betas = [0.9, 0.95], signal } = options;
  const optimizer = createOptimizer(model, { kind: 'adamw', lr: 0, betas });
  const gradient = model.vector();
  try {
    for (const batch of batches) {
      await model.gradient(batch, { into: gradient, signal });
      await optimizer.step(gradient);
    }
    return optimizer;
  } catch (cause) {
    optimizer.dispose();
    throw cause;
  } finally {
    gradient.dispose();
  }
}
