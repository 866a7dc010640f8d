import type { FloatArray } from '../backend/types.ts';
import {
  checkFinite,
  checkFiniteArray,
  checkInteger,
  checkLength,
  checkObject,
  checkOptions,
  invalid,
  type OptionNames,
} from '../check.ts';
import { checkBatch, type Batch, type BatchLimits } from '../data/batch.ts';
import { GradfoldError } from '../errors.ts';
import { transformerShape } from '../model/architectures/index.ts';
import { LanguageModel } from '../model/language-model.ts';
import {
  resolveOptimizer,
  type Moments,
  type OptimizerConfig,
  type OptimizerState,
} from '../model/optimizer-update.ts';
import { ParameterVector } from '../model/parameter-vector.ts';
import type { CallOptions } from '../model/transformer-model.ts';
import { VectorLoan, VectorPool } from '../model/vector-pool.ts';
import { InnerRun, type Adjoint, type InnerProblem } from './inner-run.ts';
import { softmaxWeights, softmaxWeightsBackward } from './softmax.ts';

export interface MetaGradientOptions extends CallOptions {
  /** The batch of each inner step [T]. */
  batches: Batch[];
  /** The scores of each batch's rows; w = softmax(s / temperature) over the batch. */
  scores: FloatArray[];
  /** 1 for rows that take part, 0 for those that do not: weight and ∂L/∂s_i are 0. Default: all take part. */
  masks?: (ArrayLike<number> | undefined)[];
  /** Held-out rows, whose mean loss at θ_T is differentiated. */
  outer: Batch;
  /** Default 1. */
  temperature?: number;
  /** Of the inner steps. */
  optimizer: OptimizerConfig;
  /** AdamW: where it stands before the first inner step; default: no update made yet. Constants of the derivative. */
  state?: OptimizerState;
  /** Whether ∂L/∂θ_0 is wanted as well, through the whole run; it takes a Hessian product more. */
  gradient?: boolean;
  /** AdamW: whether the state after the last inner step is wanted. */
  finalState?: boolean;
  /** Leaves all Hessian products out: cheaper, and no longer the derivative. For comparison. */
  firstOrder?: boolean;
  /** Where vectors come from and go to, for callers in a loop; default: they are freed in the end. */
  workspace?: VectorPool;
}

const OPTIONS: OptionNames<MetaGradientOptions> = {
  batches: true,
  scores: true,
  masks: true,
  outer: true,
  temperature: true,
  optimizer: true,
  state: true,
  gradient: true,
  finalState: true,
  firstOrder: true,
  workspace: true,
  signal: true,
};

export interface MetaGradient {
  /** L, the mean loss of the outer rows at θ_T. */
  outerLoss: number;
  /** ℓ_i(θ_t) of each batch. */
  innerLosses: Float64Array[];
  /** w of each batch. */
  weights: Float64Array[];
  /** ∂L/∂w_i of each batch, the weights taken as independent: what training a little more on the row does to L. */
  weightGradients: Float64Array[];
  /** ∂L/∂s_i of each batch. */
  scoreGradients: Float64Array[];
  /** ∂L/∂θ_0, where `gradient` asks for it. */
  gradient?: ParameterVector;
  /** θ_T */
  final: ParameterVector;
  /** Where `finalState` asks for it. */
  finalState?: OptimizerState;
}

/**
 * How the loss L of held-out rows after T optimizer steps changes with the scores that weighted the rows of these steps
 * (DataRater, Calian et al. 2025): the exact derivative through softmax, SGD or AdamW (moments, bias corrections, ε, weight
 * decay, clipping) and the steps' dependence on each other.
 *
 * In reverse, step t takes the adjoints of θ and the moments to ḡ = ∂L/∂g_t; one dual pass along ḡ then gives ∂L/∂w_i =
 * ⟨g_i(θ_t), ḡ⟩ and the Hessian product (Σ_i w_i ∇²ℓ_i(θ_t)) ḡ that the adjoint of θ_t lacks. The first step needs the
 * former alone. The last step's pass finds the activations of its gradient kept. No graph is kept: memory is one vector a
 * step, a few more, and the activations of one batch.
 *
 * The model is at θ_0 again when the call settles, whatever its outcome.
 * @throws GradfoldError INVALID_ARGUMENT for misuse; INVALID_DATA naming a score that is not finite, or when the run
 *   diverges; rejects with `signal.reason` on abort.
 */
export async function metaGradient(model: LanguageModel, options: MetaGradientOptions): Promise<MetaGradient> {
  const problem = checkProblem(model, options);
  const { batches, weights, temperature, signal } = problem;
  const pool = options.workspace ?? new VectorPool(model);
  const vectors = new VectorLoan(pool);
  const run = new InnerRun(model, problem, vectors);
  try {
    const { losses, moments } = await run.forward();
    if (moments && !options.finalState) vectors.give(moments.m, moments.v);
    const adjoint: Adjoint = { theta: vectors.take() };
    const { perSample } = await model.gradient(options.outer, { into: adjoint.theta, signal });
    const outerLoss = checkConverged('outer loss', mean(perSample));
    const final = vectors.copyOf(model.parameters);

    const weightGradients: Float64Array[] = [];
    for (let t = batches.length - 1; t >= 0; t--) {
      const direction = await run.reverse(t, adjoint);
      const { jvp } = await derivatives(t, direction, adjoint);
      run.forgetTrace();
      vectors.give(direction);
      jvp.forEach((derivative, i) => checkConverged(`derivative by weight ${i} of step ${t}`, derivative));
      weightGradients[t] = jvp;
    }
    return {
      outerLoss,
      innerLosses: losses,
      weights,
      weightGradients,
      scoreGradients: weightGradients.map((dw, t) => softmaxWeightsBackward(weights[t], dw, { temperature })),
      ...(options.gradient && { gradient: vectors.keep(adjoint.theta) }),
      final: vectors.keep(final),
      ...(moments && options.finalState && { finalState: advanced(problem, vectors, moments) }),
    };
  } finally {
    run.forgetTrace();
    run.restore();
    vectors.end();
    if (!options.workspace) pool.dispose();
  }

  /** ∂L/∂w_i of step t, and the Hessian product that the adjoint lacks. */
  function derivatives(t: number, direction: ParameterVector, { theta }: Adjoint): Promise<{ jvp: Float64Array }> {
    const trace = run.traceOf(t);
    if (isCurved(options, t)) {
      return trace
        ? trace.hvp(direction, { addTo: theta, signal })
        : model.hvp(batches[t], direction, { weights: weights[t], addTo: theta, signal });
    }
    return trace ? trace.jvp(direction, { signal }) : model.jvp(batches[t], direction, { signal });
  }
}

/** Whether the reverse of step t takes a Hessian product. */
function isCurved({ firstOrder, gradient }: MetaGradientOptions, t: number): boolean {
  return !firstOrder && (t > 0 || gradient === true);
}

function checkProblem(model: unknown, options: MetaGradientOptions): InnerProblem & { temperature: number } {
  if (!(model instanceof LanguageModel)) throw invalid('model', 'a LanguageModel', model);
  checkOptions('options', options, OPTIONS);
  const { batches, scores, masks = [], outer, state, signal } = options;
  if (!Array.isArray(batches) || batches.length === 0) throw invalid('batches', 'at least one batch', batches);
  if (!Array.isArray(scores) || scores.length !== batches.length) {
    throw invalid('scores', `${batches.length} arrays, one a batch`, scores);
  }
  if (!Array.isArray(masks)) throw invalid('masks', 'an array with one entry a batch', masks);
  const temperature = checkFinite('temperature', options.temperature ?? 1, { above: 0 });
  const shape = transformerShape(model.config);
  batches.forEach((batch, t) => checkNamed(`batches[${t}]`, batch, shape));
  checkNamed('outer', outer, shape);
  const settings = resolveOptimizer(options.optimizer);
  if (state !== undefined && settings.kind === 'sgd') throw invalid('state', 'none, since SGD has no state', state);
  return {
    batches,
    weights: batches.map((batch, t) => weightsOf(batch, scores[t], masks[t], temperature, t)),
    settings,
    state: state && checkState(model, state),
    signal,
    temperature,
    last: isCurved(options, batches.length - 1) ? 'hvp' : 'jvp',
  };
}

/** Several batches come at once: an error says which. */
function checkNamed(name: string, batch: Batch, shape: BatchLimits): void {
  try {
    checkBatch(batch, shape);
  } catch (error) {
    if (!(error instanceof GradfoldError)) throw error;
    throw new GradfoldError(error.code, error.message.replace(/^batch\b/, name));
  }
}

/** softmax(s / τ) over the rows that take part. */
function weightsOf(
  { batch }: Batch,
  scores: FloatArray,
  mask: ArrayLike<number> | undefined,
  temperature: number,
  t: number,
): Float64Array {
  checkLength(`scores[${t}]`, scores, batch, 'one a row');
  checkFiniteArray(`scores[${t}]`, scores);
  if (mask === undefined) return softmaxWeights(scores, { temperature });
  checkLength(`masks[${t}]`, mask, batch, 'one a row');
  const rows = Array.from(scores.keys()).filter((i) => checkInteger(`masks[${t}][${i}]`, mask[i], 0, 1) === 1);
  if (rows.length === 0) throw invalid(`masks[${t}]`, 'a row that takes part', 'none');
  const shares = softmaxWeights(
    Float64Array.from(rows, (i) => scores[i]),
    { temperature },
  );
  const weights = new Float64Array(batch);
  rows.forEach((i, k) => (weights[i] = shares[k]));
  return weights;
}

function checkState(model: LanguageModel, state: OptimizerState): OptimizerState {
  checkObject('state', state);
  checkInteger('state.step', state.step, 0);
  for (const name of ['m', 'v'] as const) ParameterVector.engineOf(state[name], model.space, `state.${name}`);
  return state;
}

function advanced({ state, batches }: InnerProblem, vectors: VectorLoan, { m, v }: Moments): OptimizerState {
  return { step: (state?.step ?? 0) + batches.length, m: vectors.keep(m), v: vectors.keep(v) };
}

function checkConverged(name: string, value: number): number {
  if (Number.isFinite(value)) return value;
  throw invalid(name, 'a finite number', value, {
    code: 'INVALID_DATA',
    fix: 'the inner steps diverge: lower the learning rate',
  });
}

function mean(values: Float64Array): number {
  return values.reduce((sum, x) => sum + x, 0) / values.length;
}
