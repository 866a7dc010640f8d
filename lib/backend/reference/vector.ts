import { invalid } from '../../check.ts';
import type { AdamwStep, EngineVector, SgdStep } from '../types.ts';
import { addScaled, innerProduct } from './dense.ts';
import { adamwAdjoint, sgdAdjoint } from './optimizer-adjoints.ts';
import { adamwMetric, adamwStep, sgdStep } from './optimizers.ts';
import { disposed, type Job, type JobQueue } from './queue.ts';

/** A parameter vector in float64. Every call first finishes the engine's pending work, so calls act in order. */
export class ReferenceVector implements EngineVector {
  readonly length: number;
  readonly #queue: JobQueue;
  #values: Float64Array | null;
  #disposed = false;

  /** `values` is taken over, not copied. */
  constructor(queue: JobQueue, values: Float64Array) {
    this.#queue = queue;
    this.#values = values;
    this.length = values.length;
  }

  /** The numbers themselves, for work that is already in its place in the queue. */
  get values(): Float64Array {
    if (!this.#values) throw disposed('vector');
    return this.#values;
  }

  copy(): ReferenceVector {
    return new ReferenceVector(this.#queue, this.#settled().slice());
  }

  fill(x: number): void {
    this.#settled().fill(x);
  }

  copyFrom(x: EngineVector): void {
    this.#settled().set(valuesOf(x, this.length));
  }

  scale(a: number): void {
    const y = this.#settled();
    for (let i = 0; i < y.length; i++) y[i] *= a;
  }

  axpy(a: number, x: EngineVector): void {
    addScaled(this.#settled(), a, valuesOf(x, this.length));
  }

  dot(x: EngineVector): number {
    return innerProduct(this.#settled(), valuesOf(x, this.length));
  }

  read(offset: number, length: number): Float64Array {
    return this.#settled().slice(offset, offset + length);
  }

  write(offset: number, values: ArrayLike<number>): void {
    this.#settled().set(values, offset);
  }

  sgdStep(gradient: EngineVector, step: SgdStep): Promise<number> {
    return this.#update((theta) => sgdStep(theta, valuesOf(gradient, this.length), step));
  }

  adamwStep(gradient: EngineVector, m: EngineVector, v: EngineVector, step: AdamwStep): Promise<number> {
    return this.#update((theta) => {
      const [g, first, second] = [gradient, m, v].map((x) => valuesOf(x, this.length));
      return adamwStep(theta, g, first, second, step);
    });
  }

  adamwMetric(v: EngineVector, step: AdamwStep): Promise<void> {
    return this.#update((x) => adamwMetric(x, valuesOf(v, this.length), step));
  }

  sgdAdjoint(gradient: EngineVector, step: SgdStep): Promise<void> {
    return this.#update((theta) => sgdAdjoint(theta, valuesOf(gradient, this.length), step));
  }

  adamwAdjoint(
    gradient: EngineVector,
    m: EngineVector,
    v: EngineVector,
    step: AdamwStep,
    after?: { m: EngineVector; v: EngineVector },
  ): Promise<void> {
    return this.#update((theta) => {
      const values = (x: EngineVector) => valuesOf(x, this.length);
      const adjoint = { theta, m: after && values(after.m), v: after && values(after.v) };
      adamwAdjoint(adjoint, [values(gradient), values(m), values(v)], step);
    });
  }

  dispose(): void {
    this.#disposed = true;
    this.#queue.afterPending(() => (this.#values = null));
  }

  /** An update takes its place in the queue. */
  async #update<T>(update: (values: Float64Array) => T): Promise<T> {
    if (this.#disposed) throw disposed('vector');
    // eslint-disable-next-line require-yield -- an update is one step
    const job = function* (vector: ReferenceVector): Job<T> {
      return update(vector.values);
    };
    return this.#queue.run(job(this));
  }

  #settled(): Float64Array {
    if (this.#disposed) throw disposed('vector');
    this.#queue.finish();
    return this.values;
  }
}

/** The numbers of a vector that must be this backend's own and of the given length. */
export function valuesOf(x: EngineVector, length: number): Float64Array {
  if (!(x instanceof ReferenceVector)) throw invalid('vector', 'a vector of the reference backend', x);
  if (x.length !== length) throw invalid('vector', `${length} parameters`, x.length);
  return x.values;
}
