import type { LanguageModel } from '../model/language-model.ts';
import type { Optimizer } from '../model/optimizer.ts';
import type { ParameterVector } from '../model/parameter-vector.ts';

/** The metric that a set is scored in: an AdamW optimizer's, or that of plain SGD. */
export type Metric = Optimizer | undefined;

/**
 * The directions that gradients are held against: λ_{t+1} itself, and Pλ_{t+1} for each optimizer. Holds one parameter
 * vector for each optimizer.
 */
export class Directions {
  readonly #preconditioned = new Map<Optimizer, ParameterVector>();

  private constructor() {
    // Directions.open is the way in.
  }

  /** @throws GradfoldError INVALID_ARGUMENT for an optimizer of another model, or one without a metric */
  static async open(model: Pick<LanguageModel, 'vector'>, metrics: readonly Metric[]): Promise<Directions> {
    const directions = new Directions();
    try {
      for (const metric of metrics) {
        if (metric === undefined || directions.#preconditioned.has(metric)) continue;
        const vector = model.vector();
        directions.#preconditioned.set(metric, vector);
        await metric.precondition(vector); // of zeros: says at once whether it can be done
      }
      return directions;
    } catch (cause) {
      directions.dispose();
      throw cause;
    }
  }

  /**
   * P depends on what it is applied to (see Optimizer.precondition), which is to have the size of one gradient. λ is the
   * sum of `summands` gradients of the target, each carried back by the run: so P is taken at their mean.
   */
  async update(lambda: ParameterVector, summands: number): Promise<void> {
    for (const [optimizer, vector] of this.#preconditioned) {
      vector.copyFrom(lambda);
      vector.scale(1 / summands);
      await optimizer.precondition(vector);
      vector.scale(summands);
    }
  }

  /** The direction of a metric, as of the last update. */
  of(metric: Metric, lambda: ParameterVector): ParameterVector {
    return metric === undefined ? lambda : this.#preconditioned.get(metric)!;
  }

  dispose(): void {
    for (const vector of this.#preconditioned.values()) vector.dispose();
  }
}
