import type { DecoderShape } from '../../model/config.ts';
import type { ParameterLayout } from '../../model/layout.ts';
import type {
  AdamwStep,
  BackwardRequest,
  BackwardResult,
  EngineBatch,
  EngineModel,
  EngineVector,
  SgdStep,
} from '../types.ts';
import { parametersOf, sampleLoss } from './decoder.ts';
import { gradient } from './gradient.ts';
import * as op from './operations.ts';
import { adamwStep, sgdStep } from './optimizers.ts';
import { disposed, type Job, type JobQueue } from './queue.ts';
import { samplesOf, type Sample } from './samples.ts';
import { constant, leaf, type Variable } from './tape.ts';
import { addScaled, innerProduct, ReferenceVector, valuesOf } from './vector.ts';

/** A decoder on the tape: every statistic is formed from the samples' own gradients, one sample after the other. */
export class ReferenceModel implements EngineModel {
  readonly parameters: ReferenceVector;
  readonly #shape: DecoderShape;
  readonly #layout: ParameterLayout;
  readonly #queue: JobQueue;
  #disposed = false;

  constructor(shape: DecoderShape, layout: ParameterLayout, queue: JobQueue) {
    this.#shape = shape;
    this.#layout = layout;
    this.#queue = queue;
    this.parameters = this.#vector(new Float64Array(layout.length));
  }

  zeros(): ReferenceVector {
    if (this.#disposed) throw disposed('model');
    this.#queue.checkOpen();
    return this.#vector(new Float64Array(this.#layout.length));
  }

  loss(batch: EngineBatch, signal?: AbortSignal): Promise<Float64Array> {
    return this.#run(this.#loss(batch), signal);
  }

  backward(batch: EngineBatch, request: BackwardRequest, signal?: AbortSignal): Promise<BackwardResult> {
    return this.#run(this.#backward(batch, request), signal);
  }

  hvp(
    batch: EngineBatch,
    v: EngineVector,
    weights: Float64Array,
    into: EngineVector,
    signal?: AbortSignal,
  ): Promise<Float64Array> {
    return this.#run(this.#hvp(batch, v, weights, into), signal);
  }

  sgdStep(gradient: EngineVector, step: SgdStep): Promise<number> {
    return this.#run(this.#update((theta) => sgdStep(theta, this.#values(gradient), step)));
  }

  adamwStep(gradient: EngineVector, m: EngineVector, v: EngineVector, step: AdamwStep): Promise<number> {
    return this.#run(
      this.#update((theta) => adamwStep(theta, this.#values(gradient), this.#values(m), this.#values(v), step)),
    );
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.parameters.dispose();
  }

  *#loss(batch: EngineBatch): Job<Float64Array> {
    const samples = samplesOf(batch);
    const losses = new Float64Array(samples.length);
    const parameters = parametersOf(this.parameters.values, this.#layout, constant);
    for (const [i, sample] of samples.entries()) {
      losses[i] = sampleLoss(this.#shape, parameters, sample).data[0];
      yield;
    }
    return losses;
  }

  *#backward(batch: EngineBatch, request: BackwardRequest): Job<BackwardResult> {
    const samples = samplesOf(batch);
    const directions = request.dots?.map((v) => this.#values(v));
    const losses = new Float64Array(samples.length);
    const norms = new Float64Array(samples.length);
    const dots = directions?.map(() => new Float64Array(samples.length));
    const kept: Float64Array[] = [];
    const total = new Float64Array(this.#layout.length);
    for (const [i, sample] of samples.entries()) {
      const { loss, derivative } = this.#differentiate(sample);
      const g = flatten(derivative, this.#layout.length);
      losses[i] = loss;
      norms[i] = Math.sqrt(innerProduct(g, g));
      directions?.forEach((v, k) => (dots![k][i] = innerProduct(g, v)));
      addScaled(total, request.weights[i], g);
      if (request.gram || request.gradients) kept.push(g);
      yield;
    }
    if (request.into) this.#values(request.into).set(total);
    return {
      losses,
      norms: request.norms ? norms : undefined,
      dots,
      gram: request.gram ? Float64Array.from(kept.flatMap((a) => kept.map((b) => innerProduct(a, b)))) : undefined,
      gradients: request.gradients ? kept.map((g) => this.#vector(g)) : undefined,
    };
  }

  /** Per sample: the gradient of ⟨∇ℓ, v⟩ is ∇²ℓ v. */
  *#hvp(batch: EngineBatch, v: EngineVector, weights: Float64Array, into: EngineVector): Job<Float64Array> {
    const samples = samplesOf(batch);
    const tangents = [...parametersOf(this.#values(v), this.#layout, constant).values()];
    const jvp = new Float64Array(samples.length);
    const total = new Float64Array(this.#layout.length);
    for (const [i, sample] of samples.entries()) {
      const { leaves, derivative } = this.#differentiate(sample);
      const slope = derivative.map((g, k) => op.sum(op.multiply(g, tangents[k]))).reduce(op.add);
      jvp[i] = slope.data[0];
      addScaled(total, weights[i], flatten(gradient(slope, leaves), this.#layout.length));
      yield;
    }
    this.#values(into).set(total);
    return jvp;
  }

  // eslint-disable-next-line require-yield -- an update is one step
  *#update(update: (theta: Float64Array) => number): Job<number> {
    return update(this.parameters.values);
  }

  #differentiate(sample: Sample): { loss: number; leaves: Variable[]; derivative: Variable[] } {
    const parameters = parametersOf(this.parameters.values, this.#layout, leaf);
    const leaves = [...parameters.values()];
    const loss = sampleLoss(this.#shape, parameters, sample);
    return { loss: loss.data[0], leaves, derivative: gradient(loss, leaves) };
  }

  async #run<T>(job: Job<T>, signal?: AbortSignal): Promise<T> {
    if (this.#disposed) throw disposed('model');
    return this.#queue.run(job, signal);
  }

  #values(x: EngineVector): Float64Array {
    return valuesOf(x, this.#layout.length);
  }

  #vector(values: Float64Array): ReferenceVector {
    return new ReferenceVector(this.#queue, values);
  }
}

/** Tensors of a model end to end, in layout order. */
function flatten(tensors: readonly Variable[], length: number): Float64Array {
  const flat = new Float64Array(length);
  let offset = 0;
  for (const { data } of tensors) {
    flat.set(data, offset);
    offset += data.length;
  }
  return flat;
}
