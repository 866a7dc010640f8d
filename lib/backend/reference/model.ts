import type { ParameterLayout } from '../../model/layout.ts';
import type { TransformerShape } from '../../model/shape.ts';
import type { BackwardRequest, BackwardResult, EngineBatch, EngineModel, EngineTrace, EngineVector } from '../types.ts';
import { addScaled, innerProduct } from './dense.ts';
import { gradient } from './gradient.ts';
import { sampleLoss } from './loss.ts';
import { ReferenceNetwork, type Derivative } from './network.ts';
import * as op from './operations.ts';
import { flatten, parametersOf } from './parameters.ts';
import type { Job, JobQueue } from './queue.ts';
import { samplesOf, type Sample } from './samples.ts';
import { Sketcher } from './sketch.ts';
import { constant, type Variable } from './tape.ts';

/** A language model: every statistic is formed from the samples' own gradients, one sample after the other. */
export class ReferenceModel extends ReferenceNetwork implements EngineModel {
  readonly #shape: TransformerShape;

  constructor(shape: TransformerShape, layout: ParameterLayout, queue: JobQueue) {
    super(layout, queue);
    this.#shape = shape;
  }

  loss(batch: EngineBatch, signal?: AbortSignal): Promise<Float64Array> {
    return this.run(this.#loss(batch), signal);
  }

  logits(batch: EngineBatch, signal?: AbortSignal): Promise<Float64Array> {
    return this.run(this.#logits(batch), signal);
  }

  backward(batch: EngineBatch, request: BackwardRequest, signal?: AbortSignal): Promise<BackwardResult> {
    return this.run(this.#backward(batch, request), signal);
  }

  jvp(batch: EngineBatch, v: EngineVector, signal?: AbortSignal): Promise<Float64Array> {
    return this.run(this.#jvp(batch, v), signal);
  }

  hvp(
    batch: EngineBatch,
    v: EngineVector,
    weights: Float64Array,
    sum: EngineVector,
    signal?: AbortSignal,
  ): Promise<Float64Array> {
    return this.run(this.#hvp(batch, v, weights, sum), signal);
  }

  *#loss(batch: EngineBatch): Job<Float64Array> {
    const samples = samplesOf(batch, this.#shape.objective);
    const losses = new Float64Array(samples.length);
    const parameters = this.constants();
    for (const [i, sample] of samples.entries()) {
      losses[i] = sampleLoss(this.architecture, this.#shape, parameters, sample).data[0];
      yield;
    }
    return losses;
  }

  /** Labels are where logits are wanted, unshifted as those of masked tokens. */
  *#logits(batch: EngineBatch): Job<Float64Array> {
    const parameters = this.constants();
    const parts: Float64Array[] = [];
    for (const document of samplesOf(batch, 'masked-token').flat()) {
      if (document.positions.length > 0) {
        const hidden = op.gatherRows(this.architecture.hidden(this.#shape, parameters, document), document.positions);
        parts.push(this.architecture.logits(this.#shape, parameters, hidden).data);
      }
      yield;
    }
    const logits = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
    let filled = 0;
    for (const part of parts) {
      logits.set(part, filled);
      filled += part.length;
    }
    return logits;
  }

  *#backward(batch: EngineBatch, request: BackwardRequest): Job<BackwardResult> {
    const samples = samplesOf(batch, this.#shape.objective);
    const directions = request.dots?.map((v) => this.values(v));
    const losses = new Float64Array(samples.length);
    const norms = new Float64Array(samples.length);
    const dots = directions?.map(() => new Float64Array(samples.length));
    const sketcher = request.sketch && new Sketcher(this.layout, request.sketch);
    const sketches: Float64Array[] = [];
    const kept: Float64Array[] = [];
    const total = new Float64Array(this.layout.length);
    for (const [i, sample] of samples.entries()) {
      const { value, derivative } = this.#differentiate(sample);
      const g = flatten(derivative, this.layout.length);
      losses[i] = value;
      norms[i] = Math.sqrt(innerProduct(g, g));
      directions?.forEach((v, k) => (dots![k][i] = innerProduct(g, v)));
      if (sketcher) sketches.push(sketcher.sketch(g));
      addScaled(total, request.weights[i], g);
      if (request.gram || request.gradients) kept.push(g);
      yield;
    }
    if (request.into) this.values(request.into).set(total);
    return {
      losses,
      norms: request.norms ? norms : undefined,
      dots,
      gram: request.gram ? Float64Array.from(kept.flatMap((a) => kept.map((b) => innerProduct(a, b)))) : undefined,
      gradients: request.gradients ? kept.map((g) => this.vector(g)) : undefined,
      sketch: sketcher && Float32Array.from(sketches.flatMap((sketch) => [...sketch])),
      trace: request.keep && this.#trace(batch, request.weights),
    };
  }

  /** Nothing is kept: the passes are the ordinary ones. */
  #trace(batch: EngineBatch, weights: Float64Array): EngineTrace {
    return {
      jvp: (v, signal) => this.jvp(batch, v, signal),
      hvp: (v, sum, signal) => this.hvp(batch, v, weights, sum, signal),
      dispose: () => undefined,
    };
  }

  *#jvp(batch: EngineBatch, v: EngineVector): Job<Float64Array> {
    const samples = samplesOf(batch, this.#shape.objective);
    const jvp = new Float64Array(samples.length);
    for (const [i, sample] of samples.entries()) {
      jvp[i] = this.#slope(sample, v).slope.data[0];
      yield;
    }
    return jvp;
  }

  /** Per sample: the gradient of ⟨∇ℓ, v⟩ is ∇²ℓ v. */
  *#hvp(batch: EngineBatch, v: EngineVector, weights: Float64Array, sum: EngineVector): Job<Float64Array> {
    const samples = samplesOf(batch, this.#shape.objective);
    const jvp = new Float64Array(samples.length);
    const total = new Float64Array(this.layout.length);
    for (const [i, sample] of samples.entries()) {
      const { leaves, slope } = this.#slope(sample, v);
      jvp[i] = slope.data[0];
      addScaled(total, weights[i], flatten(gradient(slope, leaves), this.layout.length));
      yield;
    }
    addScaled(this.values(sum), 1, total);
    return jvp;
  }

  /** ⟨∇ℓ, v⟩ on the tape. */
  #slope(sample: Sample, v: EngineVector): { leaves: Variable[]; slope: Variable } {
    const tangents = [...parametersOf(this.values(v), this.layout, constant).values()];
    const { leaves, derivative } = this.#differentiate(sample);
    return { leaves, slope: derivative.map((g, k) => op.sum(op.multiply(g, tangents[k]))).reduce(op.add) };
  }

  #differentiate(sample: Sample): Derivative {
    return this.differentiate((parameters) => sampleLoss(this.architecture, this.#shape, parameters, sample));
  }
}
