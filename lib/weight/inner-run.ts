import type { Batch } from '../data/batch.ts';
import type { GradientTrace } from '../model/gradient-trace.ts';
import type { LanguageModel } from '../model/language-model.ts';
import {
  adjointOfUpdate,
  updateParameters,
  type Moments,
  type OptimizerSettings,
  type OptimizerState,
} from '../model/optimizer-update.ts';
import type { ParameterVector } from '../model/parameter-vector.ts';
import type { VectorLoan } from '../model/vector-pool.ts';

export interface InnerProblem {
  /** The batch of each step [T]. */
  batches: Batch[];
  /** w of each step: the inner loss is Σ_i w_i ℓ_i. */
  weights: Float64Array[];
  settings: OptimizerSettings;
  /** Where the optimizer starts; none: at its first step. */
  state?: OptimizerState;
  signal?: AbortSignal;
  /** Which pass over the last step's batch is to come, at the parameters that its gradient was taken at. */
  last: 'jvp' | 'hvp';
}

/** Derivatives of a scalar by what the optimizer's updates carry from step to step. */
export interface Adjoint {
  theta: ParameterVector;
  /** AdamW; none: zero. */
  moments?: Moments;
}

/**
 * T optimizer steps from the model's parameters. Their gradients are kept, so that each iterate, moments included, can be
 * had again with the same bits by repeating updates, which cost next to nothing beside a gradient: each further step takes
 * one vector of memory.
 */
export class InnerRun {
  readonly #model: LanguageModel;
  readonly #problem: InnerProblem;
  readonly #vectors: VectorLoan;
  readonly #initial: ParameterVector;
  readonly #gradients: ParameterVector[] = [];
  #displaced = false;
  #trace: GradientTrace | undefined;

  constructor(model: LanguageModel, problem: InnerProblem, vectors: VectorLoan) {
    this.#model = model;
    this.#problem = problem;
    this.#vectors = vectors;
    this.#initial = vectors.copyOf(model.parameters);
  }

  /** Takes the model to θ_T. @returns ℓ_i(θ_t) of each step, and the moments after the last. */
  async forward(): Promise<{ losses: Float64Array[]; moments?: Moments }> {
    const { batches } = this.#problem;
    const moments = this.#startingMoments();
    const losses: Float64Array[] = [];
    this.#displaced = true;
    for (const [t, batch] of batches.entries()) {
      const into = this.#vectors.take();
      losses.push(await this.#gradient(t, batch, into));
      this.#gradients.push(into);
      await this.#update(t, moments);
    }
    if (this.#linear) this.#vectors.give(this.#gradients.pop()!);
    return { losses, moments };
  }

  /**
   * The reverse of step t, for t = T−1 … 0 in turn. Takes the model to θ_t, `adjoint` to the derivatives by what the step
   * began with, at constant gradient g_t, and gives ∂L/∂g_t.
   */
  async reverse(t: number, adjoint: Adjoint): Promise<ParameterVector> {
    const moments = await this.#rewind(t);
    // Plain SGD's reverse does not look at g_t: only what a later rewind needs stays.
    const [gradient = this.#vectors.take(), ...spent] = this.#gradients.splice(this.#linear ? Math.max(0, t - 1) : t);
    this.#vectors.give(...spent);
    const { settings } = this.#problem;
    const [theta, g] = [adjoint.theta.engine, gradient.engine];
    await adjointOfUpdate(theta, g, moments, settings, this.#count(t), adjoint.moments);
    if (adjoint.moments) this.#vectors.give(adjoint.moments.m, adjoint.moments.v);
    adjoint.moments = moments;
    return gradient;
  }

  /** What the gradient of step t computed: of the last step, undefined of others. */
  traceOf(t: number): GradientTrace | undefined {
    return t === this.#problem.batches.length - 1 ? this.#trace : undefined;
  }

  /** Lets go of the trace: its memory is free for the passes of earlier steps. */
  forgetTrace(): void {
    this.#trace?.dispose();
    this.#trace = undefined;
  }

  /** Puts the model back to θ_0. */
  restore(): void {
    if (this.#displaced) this.#model.parameters.copyFrom(this.#initial);
    this.#displaced = false;
  }

  /** Takes the model to θ_t. @returns the moments there */
  async #rewind(t: number): Promise<Moments | undefined> {
    this.restore();
    if (t === 0) this.#vectors.give(this.#initial); // the model stays there
    const moments = this.#startingMoments();
    this.#displaced = t > 0;
    for (let k = 0; k < t; k++) await this.#update(k, moments);
    return moments;
  }

  async #gradient(t: number, batch: Batch, into: ParameterVector): Promise<Float64Array> {
    const { batches, weights, signal, last } = this.#problem;
    const options = { weights: weights[t], into, signal };
    if (t < batches.length - 1) return (await this.#model.gradient(batch, options)).perSample;
    const { perSample, trace } = await this.#model.tracedGradient(batch, { ...options, keep: last });
    this.#trace = trace;
    return perSample;
  }

  async #update(t: number, moments: Moments | undefined): Promise<void> {
    const [parameters, gradient] = [this.#model.parameters.engine, this.#gradients[t].engine];
    await updateParameters(parameters, gradient, moments, this.#problem.settings, this.#count(t));
  }

  /** Updates made when step t is, itself included. */
  #count(t: number): number {
    return (this.#problem.state?.step ?? 0) + t + 1;
  }

  #startingMoments(): Moments | undefined {
    const { settings, state } = this.#problem;
    if (settings.kind === 'sgd') return undefined;
    if (state) return { m: this.#vectors.copyOf(state.m), v: this.#vectors.copyOf(state.v) };
    const moments = { m: this.#vectors.take(), v: this.#vectors.take() };
    moments.m.fill(0);
    moments.v.fill(0);
    return moments;
  }

  /** Whether the update is linear in the gradient. */
  get #linear(): boolean {
    const { kind, clipNorm } = this.#problem.settings;
    return kind === 'sgd' && clipNorm === Infinity;
  }
}
