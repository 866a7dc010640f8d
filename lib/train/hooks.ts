import type { Batch } from '../data/batch.ts';
import type { Optimizer } from '../model/optimizer.ts';
import type { ParameterVector } from '../model/parameter-vector.ts';
import type { Fingerprint } from './fingerprint.ts';

/** A step that is about to be made. */
export interface StepContext {
  /** Updates made before it. */
  step: number;
  /** Learning rate of its update. */
  lr: number;
  /** Not to be stepped by a hook. */
  optimizer: Optimizer;
  /** May be overwritten; holds nothing. */
  scratch: ParameterVector;
  signal?: AbortSignal;
}

/** The samples of a step. */
export interface StepRows {
  /** Row numbers, in the order of the batch. */
  rows: Uint32Array;
  /** Weights in the batch's loss, summing to 1. */
  weights: Float64Array;
}

/** What a hook carries from step to step. It becomes part of the run's checkpoints. */
export interface HookState {
  /** What the hook was made with: a checkpoint of a run with another one is refused. */
  readonly fingerprint?: Fingerprint;
  /** Writes files of its own into the directory of a checkpoint. */
  save?(directory: string): Promise<void>;
  /** Takes over what `save` wrote. */
  load?(directory: string): Promise<void>;
}

/** The samples of a batch to train on. */
export interface Choice {
  /** Places within the batch. */
  places: ArrayLike<number>;
  /** One number >= 0 a place, relative to the others; default: the weights of the plan. */
  weights?: ArrayLike<number>;
}

/**
 * Chooses the samples of every step among more than are trained on, weighs them, or both. With as many candidates as
 * the batch size and all places chosen it only weighs. The same model, batch and step must give the same choice, or
 * a resumed run ends differently.
 */
export interface BatchFilter extends HookState {
  /** Rows of the plan read a step. */
  readonly candidates: number;
  choose(batch: Batch, context: StepContext & StepRows): Promise<Choice>;
}

/** What became of a step's samples, taken before the update. */
export interface ObservedStep extends StepRows {
  step: number;
  lr: number;
  /** ℓ_i */
  losses: Float64Array;
  /** dots[k][i] = ⟨g_i, v_k⟩ with the observer's k-th direction. */
  dots: Float64Array[];
}

/** Looks at the gradients of every step's samples, without changing the training. */
export interface StepObserver extends HookState {
  /** The v_k to take dot products with in this step; they must stay as they are until `observe`. */
  directions(context: StepContext): Promise<ParameterVector[]>;
  observe(step: ObservedStep): void;
}
