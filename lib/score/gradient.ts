import { checkInteger } from '../check.ts';
import { checkBatchList, type BatchList } from '../data/batch-list.ts';
import type { Batch } from '../data/batch.ts';
import { sampleBatches, type TokenSource } from '../data/token-source.ts';
import type { LossOptions } from '../evaluate/losses.ts';
import type { LanguageModel } from '../model/language-model.ts';
import { createOptimizer, type Optimizer } from '../model/optimizer.ts';
import type { ParameterVector } from '../model/parameter-vector.ts';
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

export interface RowAlignments {
  /** v = ∇J */
  plain: Alignment;
  /** v = ∇J / (√v̂ + ε), with an optimizer. */
  adam?: Alignment;
  /** ‖g_i‖ */
  norm: Float64Array;
}

export interface GradientScores extends RowAlignments {
  /** J */
  targetLoss: number;
}

/**
 * How fast a step along a row's gradient lowers the loss of a target set, at the model's parameters as they are: the dot
 * product of the two gradients, plain (one SGD step) and in the metric of an AdamW optimizer (see
 * Optimizer.precondition). The target's gradient is taken once, and rows may then be scored in several calls. Memory: two
 * parameter vectors.
 */
export class GradientScorer {
  /** J */
  readonly targetLoss: number;
  readonly #model: Pick<LanguageModel, 'perSample'>;
  /** ∇J, and with an optimizer ∇J in its metric. */
  readonly #directions: ParameterVector[];

  private constructor(model: Pick<LanguageModel, 'perSample'>, targetLoss: number, directions: ParameterVector[]) {
    this.#model = model;
    this.targetLoss = targetLoss;
    this.#directions = directions;
  }

  /**
   * Takes the target's gradient.
   * @throws GradfoldError INVALID_ARGUMENT for misuse; rejects with `signal.reason` on abort.
   */
  static async open(
    model: Pick<LanguageModel, 'gradient' | 'perSample' | 'vector'>,
    { target, optimizer, signal }: Pick<GradientScoreOptions, 'target' | 'optimizer' | 'signal'>,
  ): Promise<GradientScorer> {
    checkBatchList('target', target);
    const direction = model.vector();
    const metric = model.vector();
    try {
      const targetLoss = await addTargetGradient(model, target, direction, { scratch: metric, signal });
      if (!optimizer) {
        metric.dispose();
        return new GradientScorer(model, targetLoss, [direction]);
      }
      metric.copyFrom(direction);
      await optimizer.precondition(metric);
      return new GradientScorer(model, targetLoss, [direction, metric]);
    } catch (cause) {
      direction.dispose();
      metric.dispose();
      throw cause;
    }
  }

  /** @throws as open */
  async score(samples: TokenSource, rows: ArrayLike<number>, options: LossOptions = {}): Promise<RowAlignments> {
    const { signal, onProgress } = options;
    const batchSize = checkInteger('batchSize', options.batchSize ?? 32, 1);
    const dots = this.#directions.map(() => new Float64Array(rows.length));
    const norm = new Float64Array(rows.length);
    let done = 0;
    for (const batch of sampleBatches(samples, rows, batchSize)) {
      const result = await this.#model.perSample(batch, { dots: this.#directions, norms: true, signal });
      dots.forEach((dot, k) => dot.set(result.dots![k], done));
      norm.set(result.norms!, done);
      done += batch.batch;
      onProgress?.({ done, total: rows.length });
    }
    const [plain, adam] = dots.map((dot, k) => alignment(dot, norm, this.#directions[k].norm()));
    return { plain, ...(adam && { adam }), norm };
  }

  dispose(): void {
    for (const direction of this.#directions) direction.dispose();
  }
}

/**
 * Scores of rows by GradientScorer: one pass over the target and one over the rows.
 * @throws GradfoldError INVALID_ARGUMENT for misuse; rejects with `signal.reason` on abort.
 */
export async function gradientScores(
  model: Pick<LanguageModel, 'gradient' | 'perSample' | 'vector'>,
  samples: TokenSource,
  rows: ArrayLike<number>,
  options: GradientScoreOptions,
): Promise<GradientScores> {
  const scorer = await GradientScorer.open(model, options);
  try {
    return { ...(await scorer.score(samples, rows, options)), targetLoss: scorer.targetLoss };
  } finally {
    scorer.dispose();
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
