import type { Batch } from '../data/batch.ts';
import { batchParts } from '../data/batch-list.ts';
import type { LanguageModel, PerSampleResult } from '../model/language-model.ts';
import type { ParameterVector } from '../model/parameter-vector.ts';

/** Matrix products of a Hessian product in units of a forward-backward pass over the same rows. */
export const HESSIAN_WORK = 8 / 3;

export interface PassOptions {
  /** Rows worked on at once; default: all of a batch. */
  microBatch?: number;
  signal?: AbortSignal;
  /** Called with the work done, in forward-backward passes over one row. */
  onWork?: (work: number) => void;
}

/**
 * The passes of an annotation. Batches are worked through in parts of at most `microBatch` rows, so that activations are
 * bounded by those of a part. Holds one parameter vector, and a second one once a gradient has been of several parts.
 */
export class Passes {
  readonly #model: Pick<LanguageModel, 'vector' | 'gradient' | 'hvp' | 'perSample'>;
  readonly #options: PassOptions;
  readonly #result: ParameterVector;
  #sum: ParameterVector | undefined;

  constructor(model: Pick<LanguageModel, 'vector' | 'gradient' | 'hvp' | 'perSample'>, options: PassOptions = {}) {
    this.#model = model;
    this.#options = options;
    this.#result = model.vector();
  }

  /** Gradient of the batch's mean row loss; overwritten by the next pass. */
  async gradient(batch: Batch): Promise<ParameterVector> {
    const parts = [...this.parts(batch)];
    if (parts.length === 1) {
      await this.#model.gradient(batch, { into: this.#result, signal: this.#options.signal });
      this.#worked(batch.batch);
      return this.#result;
    }
    this.#sum ??= this.#model.vector();
    this.#sum.fill(0);
    for (const part of parts) await this.addGradient(part, 1 / batch.batch, this.#sum);
    return this.#sum;
  }

  /** (∇² of the batch's mean row loss) v; overwritten by the next pass. */
  async hvp(batch: Batch, v: ParameterVector): Promise<ParameterVector> {
    this.#result.fill(0);
    for (const part of this.parts(batch)) {
      const weights = new Float64Array(part.batch).fill(1 / batch.batch);
      await this.#model.hvp(part, v, { weights, addTo: this.#result, signal: this.#options.signal });
      this.#worked(HESSIAN_WORK * part.batch);
    }
    return this.#result;
  }

  /** to += weight·(gradient of the sum of the rows' losses); resolves to that sum. */
  async addGradient(batch: Batch, weight: number, to: ParameterVector): Promise<number> {
    let total = 0;
    for (const part of this.parts(batch)) {
      const weights = new Float64Array(part.batch).fill(weight);
      const { signal } = this.#options;
      const { perSample } = await this.#model.gradient(part, { weights, into: this.#result, signal });
      to.axpy(1, this.#result);
      total += perSample.reduce((a, b) => a + b, 0);
      this.#worked(part.batch);
    }
    return total;
  }

  /** Statistics of the rows of one part. */
  async perSample(part: Batch, request: { norms: boolean; dots?: ParameterVector[] }): Promise<PerSampleResult> {
    const result = await this.#model.perSample(part, { ...request, signal: this.#options.signal });
    this.#worked(part.batch);
    return result;
  }

  /** The parts that a batch is worked through in. */
  parts(batch: Batch): Iterable<Batch> {
    return batchParts(batch, this.#options.microBatch ?? batch.batch);
  }

  dispose(): void {
    this.#result.dispose();
    this.#sum?.dispose();
  }

  #worked(work: number): void {
    this.#options.onWork?.(work);
  }
}
