import { invalid } from '../check.ts';
import { ParameterVector } from './parameter-vector.ts';
import { TransformerModel } from './transformer-model.ts';

/**
 * Parameter vectors kept between calls. Memory that was never touched is slow to fill, so a loop that needs vectors of a
 * model again and again is faster with those of its last round.
 */
export class VectorPool {
  readonly #model: TransformerModel;
  readonly #free: ParameterVector[] = [];

  constructor(model: TransformerModel) {
    if (!(model instanceof TransformerModel)) throw invalid('model', 'a LanguageModel or a SequenceRater', model);
    this.#model = model;
  }

  /** A vector with anything in it. It is the caller's until it is given back. */
  take(): ParameterVector {
    return this.#free.pop() ?? this.#model.vector();
  }

  /**
   * Takes vectors over, to hand them out again.
   * @throws GradfoldError INVALID_ARGUMENT for a vector of another model, a model's parameters, or one that is already here
   */
  give(...vectors: ParameterVector[]): void {
    for (const vector of vectors) {
      ParameterVector.engineOf(vector, this.#model.space, 'vector', { writable: true });
      if (this.#free.includes(vector)) throw invalid('vector', 'one that is not in the pool', 'one that is');
      this.#free.push(vector);
    }
  }

  /** Frees the vectors that are here; the pool stays usable. */
  dispose(): void {
    for (const vector of this.#free.splice(0)) vector.dispose();
  }
}

/** The vectors that one call has out of a pool: all go back in the end but those that the caller keeps. */
export class VectorLoan {
  readonly #pool: VectorPool;
  readonly #out = new Set<ParameterVector>();

  constructor(pool: VectorPool) {
    this.#pool = pool;
  }

  take(): ParameterVector {
    const vector = this.#pool.take();
    this.#out.add(vector);
    return vector;
  }

  copyOf(x: ParameterVector): ParameterVector {
    const copy = this.take();
    copy.copyFrom(x);
    return copy;
  }

  give(...vectors: ParameterVector[]): void {
    for (const vector of vectors) this.#out.delete(vector);
    this.#pool.give(...vectors);
  }

  /** The vector is not given back any more. */
  keep(vector: ParameterVector): ParameterVector {
    this.#out.delete(vector);
    return vector;
  }

  end(): void {
    this.give(...this.#out);
  }
}
