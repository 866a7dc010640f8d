import { checkBackend } from '../backend/check.ts';
import type { Backend, FloatArray, LinearProblem, LinearRequest } from '../backend/types.ts';
import {
  checkArray,
  checkCall,
  checkFiniteArray,
  checkInteger,
  checkLength,
  checkObject,
  checkOptions,
  invalid,
  type OptionNames,
} from '../check.ts';
import { GradfoldError } from '../errors.ts';

/** What went into a linear layer y = x Wᵀ (+ b), W [outFeatures × inFeatures], and what came back; all row-major. */
export interface LinearLayer {
  /** The inputs x [batch, time, inFeatures]. */
  activations: FloatArray;
  /** ∂ℓ_i/∂y [batch, time, outFeatures], of each sample's own loss: not divided by the batch. */
  outputGradients: FloatArray;
  /** Number of samples. */
  batch: number;
  /** Positions a sample; 1 where samples are single vectors. Positions that are padding have zero gradients. */
  time: number;
  inFeatures: number;
  outFeatures: number;
}

export interface PerSampleLinearRequest {
  /** ‖g_i‖₂ */
  norms?: boolean;
  /** ⟨g_i, v_k⟩ for each of these v_k [outFeatures × inFeatures]. */
  dots?: readonly FloatArray[];
  /** ⟨g_i, g_j⟩ for all pairs. */
  gram?: boolean;
  /** The g_i themselves. */
  gradients?: boolean;
  /** One finite number a sample; default 1 / batch. They weigh the gradient, not what is reported per sample. */
  weights?: ArrayLike<number>;
  /** Overwritten with the weighted gradient [outFeatures × inFeatures] and returned as `gradient`. */
  into?: FloatArray;
  /** Aborting rejects the call with the signal's reason. */
  signal?: AbortSignal;
}

const REQUEST: OptionNames<PerSampleLinearRequest> = {
  norms: true,
  dots: true,
  gram: true,
  gradients: true,
  weights: true,
  into: true,
  signal: true,
};

export interface PerSampleLinearResult {
  /** [batch] */
  norms?: Float64Array;
  /** dots[k][i] = ⟨g_i, v_k⟩ */
  dots?: Float64Array[];
  /** Row-major [batch, batch]. */
  gram?: Float64Array;
  /** Each [outFeatures × inFeatures]; views of one buffer. */
  gradients?: FloatArray[];
  /** Σ_i w_i g_i [outFeatures × inFeatures]; where `weights` or `into` was given. */
  gradient?: FloatArray;
}

/** Tokens are numbered by int32. */
const MAX_TOKENS = 2 ** 31 - 1;

/**
 * Statistics of each sample's own gradient g_i = Σ_t (∂ℓ_i/∂y_t) ⊗ x_t with respect to the weight of one linear layer of
 * any model, as LanguageModel.perSample gives them for a whole one: without holding samples × weights numbers unless
 * `gradients` asks for them. Weight tile outer, sample inner (docs/architecture.md). A bias has the gradients of a
 * further input that is 1 everywhere. New arrays are Float64Array on the reference backend, which computes in float64,
 * and elsewhere Float32Array, but for norms, dots and Gram matrix. The arrays may be changed as soon as the call has
 * returned its promise.
 * @throws GradfoldError INVALID_ARGUMENT naming the array of a wrong type or length; INVALID_DATA naming the first value
 * that is not finite; UNSUPPORTED for sketches; DISPOSED after backend.dispose().
 */
export async function perSampleLinear(
  backend: Backend,
  layer: LinearLayer,
  request: PerSampleLinearRequest,
): Promise<PerSampleLinearResult> {
  checkBackend(backend);
  checkObject('layer', layer);
  checkCall('request', request);
  const problem = checkLayer(layer);
  const size = problem.outFeatures * problem.inFeatures;
  const checked = checkRequest(request, problem.batch, size);
  const { into } = request;
  const { dots, gradients, gradient, ...result } = await backend.engine.perSampleLinear(
    problem,
    checked,
    request.signal,
  );
  if (gradient && into) into.set(gradient);
  return {
    ...result,
    ...(request.dots && { dots }),
    ...(gradients && {
      gradients: Array.from({ length: problem.batch }, (_, i) => gradients.subarray(i * size, (i + 1) * size)),
    }),
    ...(gradient && { gradient: into ?? gradient }),
  };
}

function checkLayer(layer: LinearLayer): LinearProblem {
  const batch = checkInteger('batch', layer.batch, 1);
  const time = checkInteger('time', layer.time, 1);
  const inFeatures = checkInteger('inFeatures', layer.inFeatures, 1);
  const outFeatures = checkInteger('outFeatures', layer.outFeatures, 1);
  if (batch * time > MAX_TOKENS) throw invalid('batch × time', `at most ${MAX_TOKENS} positions`, batch * time);
  const { activations, outputGradients } = layer;
  checkFloats('activations', activations, batch * time * inFeatures, `[${batch}, ${time}, ${inFeatures}]`);
  checkFloats('outputGradients', outputGradients, batch * time * outFeatures, `[${batch}, ${time}, ${outFeatures}]`);
  return { activations, outputGradients, batch, time, inFeatures, outFeatures };
}

function checkRequest(request: PerSampleLinearRequest, batch: number, size: number): LinearRequest {
  if ('sketch' in request && request.sketch !== undefined) {
    throw new GradfoldError('UNSUPPORTED', 'perSampleLinear: sketch is not supported');
  }
  checkOptions('request', request, REQUEST);
  const { weights, into, dots = [], norms = false, gram = false, gradients = false } = request;
  if (weights !== undefined) {
    checkLength('weights', weights, batch, 'one a sample');
    checkFiniteArray('weights', weights);
  }
  const shape = '[outFeatures × inFeatures]';
  checkArray('dots', dots);
  dots.forEach((v, k) => checkFloats(`dots[${k}]`, v, size, shape));
  if (into !== undefined) checkType('into', into, size, shape);
  return {
    weights: weights ? Float64Array.from(weights) : new Float64Array(batch).fill(1 / batch),
    gradient: weights !== undefined || into !== undefined,
    norms,
    dots,
    gram,
    gradients,
  };
}

function checkType(name: string, array: unknown, length: number, shape: string): asserts array is FloatArray {
  if (!(array instanceof Float32Array || array instanceof Float64Array)) {
    throw invalid(name, 'a Float32Array or Float64Array', array);
  }
  checkLength(name, array, length, shape);
}

function checkFloats(name: string, array: FloatArray, length: number, shape: string): void {
  checkType(name, array, length, shape);
  checkFiniteArray(name, array);
}
