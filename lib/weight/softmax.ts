import {
  checkFinite,
  checkFiniteArray,
  checkLength,
  checkList,
  checkOptions,
  invalid,
  type OptionNames,
} from '../check.ts';
import type { FloatArray } from '../backend/types.ts';
import type { GradfoldError } from '../errors.ts';
import { runKernel, runKernelAsync, type AsyncOptions, type Kernel } from '../order/kernel.ts';
import { ORDER_THREADS } from '../order/native.ts';
import { checkScores } from '../score/check.ts';

export interface SoftmaxOptions {
  /** τ > 0; default 1. Higher is more uniform. */
  temperature?: number;
  /** A group id for each row; weights then sum to 1 within every group. Default: one group. */
  groups?: Int32Array;
  /**
   * Float64Array [n] to receive the result, which is then this array; it may be one of the inputs. Default: a new one,
   * whose fresh memory costs more time than the arithmetic when there are millions of rows.
   */
  into?: Float64Array;
}

const OPTIONS: OptionNames<SoftmaxOptions & AsyncOptions> = {
  temperature: true,
  groups: true,
  into: true,
  signal: true,
  backend: true,
};

/** Below this the addon's reciprocal of the temperature would overflow. */
const LEAST_NATIVE_TEMPERATURE = 1e-300;
/** Rows handled between two yields. */
const ROWS_PER_STEP = 1 << 18;

/**
 * w_i = exp(s_i / τ) / Σ_j exp(s_j / τ), j over the rows of i's group, for scores s [n]. The group's maximum is
 * subtracted first, so that any finite scores are fine; sums are compensated, so that weights sum to 1 to rounding.
 * The compiled form agrees with the TypeScript one to a few units in the last place of a weight.
 * @throws GradfoldError INVALID_DATA naming the index of a NaN or infinite score; INVALID_ARGUMENT for τ or groups.
 */
export function softmaxWeights(scores: FloatArray, options: SoftmaxOptions = {}): Float64Array {
  return runKernel(softmaxKernel(scores, options));
}

/**
 * softmaxWeights off the event loop, on a GPU with { backend }, where weights agree to a few units in the last place.
 * `scores` and `groups` must not change until the promise settles.
 */
export async function softmaxWeightsAsync(
  scores: FloatArray,
  options: SoftmaxOptions & AsyncOptions = {},
): Promise<Float64Array> {
  return runKernelAsync(softmaxKernel(scores, options), options);
}

/**
 * The gradient with respect to the scores [n] that softmaxWeights (same temperature and groups) turned into
 * `weights` [n]: ds_i = (w_i / τ) (dw_i − Σ_j w_j dw_j), j over the rows of i's group, given dw = `weightGradients` [n].
 * @throws GradfoldError INVALID_ARGUMENT for lengths that differ, τ or groups; INVALID_DATA naming a non-finite value.
 */
export function softmaxWeightsBackward(
  weights: ArrayLike<number>,
  weightGradients: ArrayLike<number>,
  options: SoftmaxOptions = {},
): Float64Array {
  return runKernel(softmaxBackwardKernel(weights, weightGradients, options));
}

/**
 * softmaxWeightsBackward off the event loop, on a GPU with { backend }. Its arrays must not change until the promise
 * settles.
 */
export async function softmaxWeightsBackwardAsync(
  weights: ArrayLike<number>,
  weightGradients: ArrayLike<number>,
  options: SoftmaxOptions & AsyncOptions = {},
): Promise<Float64Array> {
  return runKernelAsync(softmaxBackwardKernel(weights, weightGradients, options), options);
}

/** @internal */
export function softmaxKernel(scores: FloatArray, options: SoftmaxOptions = {}): Kernel<Float64Array> {
  checkScores(scores);
  const temperature = checkTemperature(options);
  const ids = checkGroups(scores.length, options.groups);
  const into = checkInto(scores.length, options.into);
  return {
    scores,
    portableOnly: temperature < LEAST_NATIVE_TEMPERATURE,
    native: (addon) => addon.softmaxWeights(scores, ids, temperature, ORDER_THREADS, into),
    nativeAsync: (addon) => addon.softmaxWeightsAsync(scores, ids, temperature, ORDER_THREADS, into),
    device: (rows, signal) => rows.softmaxWeights(scores, ids, temperature, into, signal),
    refused: (index) => notFinite('scores', scores, index),
    portable: () => portableWeights(scores, ids, temperature, into),
  };
}

function* portableWeights(
  scores: FloatArray,
  ids: Int32Array | undefined,
  temperature: number,
  into: Float64Array | undefined,
): Generator<undefined, Float64Array> {
  checkFiniteArray('scores', scores);
  const groups = denseGroups(ids);
  const highest = new Float64Array(groups.count).fill(-Infinity);
  yield* forRows(scores.length, (i) => {
    highest[groups.of(i)] = Math.max(highest[groups.of(i)], scores[i]);
  });
  const weights = into ?? new Float64Array(scores.length);
  const total = new GroupSums(groups.count);
  yield* forRows(scores.length, (i) => {
    weights[i] = Math.exp((scores[i] - highest[groups.of(i)]) / temperature);
    total.add(groups.of(i), weights[i]);
  });
  yield* forRows(scores.length, (i) => {
    weights[i] /= total.of(groups.of(i));
  });
  return weights;
}

/** @internal */
export function softmaxBackwardKernel(
  weights: ArrayLike<number>,
  weightGradients: ArrayLike<number>,
  options: SoftmaxOptions = {},
): Kernel<Float64Array> {
  checkList('weights', weights);
  checkLength('weightGradients', weightGradients, weights.length, 'one for each weight');
  const temperature = checkTemperature(options);
  const ids = checkGroups(weights.length, options.groups);
  const into = checkInto(weights.length, options.into);
  const w = float64(weights);
  const dw = float64(weightGradients);
  return {
    scores: w,
    portableOnly: temperature < LEAST_NATIVE_TEMPERATURE,
    native: (addon) => addon.softmaxWeightsBackward(w, dw, ids, temperature, ORDER_THREADS, into),
    nativeAsync: (addon) => addon.softmaxWeightsBackwardAsync(w, dw, ids, temperature, ORDER_THREADS, into),
    device: (rows, signal) => rows.softmaxWeightsBackward(w, dw, ids, temperature, into, signal),
    refused: (index) =>
      index < w.length ? notFinite('weights', w, index) : notFinite('weightGradients', dw, index - w.length),
    portable: () => portableBackward(w, dw, ids, temperature, into),
  };
}

function* portableBackward(
  weights: Float64Array,
  weightGradients: Float64Array,
  ids: Int32Array | undefined,
  temperature: number,
  into: Float64Array | undefined,
): Generator<undefined, Float64Array> {
  checkFiniteArray('weights', weights);
  checkFiniteArray('weightGradients', weightGradients);
  const groups = denseGroups(ids);
  const mean = new GroupSums(groups.count);
  yield* forRows(weights.length, (i) => mean.add(groups.of(i), weights[i] * weightGradients[i]));
  const scoreGradients = into ?? new Float64Array(weights.length);
  yield* forRows(weights.length, (i) => {
    scoreGradients[i] = (weights[i] / temperature) * (weightGradients[i] - mean.of(groups.of(i)));
  });
  return scoreGradients;
}

function checkInto(n: number, into: Float64Array | undefined): Float64Array | undefined {
  if (into === undefined) return undefined;
  if (!(into instanceof Float64Array)) throw invalid('into', 'a Float64Array', into);
  checkLength('into', into, n, 'one for each row');
  return into;
}

/** Calls body for each of n rows, yielding now and then. */
function* forRows(n: number, body: (row: number) => void): Generator<undefined, void> {
  for (let begin = 0; begin < n; begin += ROWS_PER_STEP) {
    const end = Math.min(n, begin + ROWS_PER_STEP);
    for (let i = begin; i < end; i++) body(i);
    yield;
  }
}

function float64(values: ArrayLike<number>): Float64Array {
  if (values instanceof Float64Array) return values;
  // A typed array is converted as a whole, many times faster than element by element.
  return values instanceof Float32Array ? new Float64Array(values) : Float64Array.from(values);
}

function notFinite(name: string, values: ArrayLike<number>, index: number): GradfoldError {
  return invalid(`${name}[${index}]`, 'a finite number', values[index], { code: 'INVALID_DATA' });
}

function checkGroups(n: number, ids: Int32Array | undefined): Int32Array | undefined {
  if (ids === undefined) return undefined;
  if (!(ids instanceof Int32Array)) throw invalid('groups', 'an Int32Array', ids);
  checkLength('groups', ids, n, 'one group id for each row');
  return ids;
}

function checkTemperature(options: SoftmaxOptions): number {
  checkOptions('options', options, OPTIONS);
  const { temperature = 1 } = options;
  return checkFinite('temperature', temperature, { above: 0 });
}

/** Groups numbered 0 … count − 1 in order of appearance. */
interface Groups {
  count: number;
  of(row: number): number;
}

function denseGroups(ids: Int32Array | undefined): Groups {
  if (ids === undefined) return { count: 1, of: () => 0 };
  const numbers = new Map<number, number>();
  const dense = new Int32Array(ids.length);
  for (let i = 0; i < ids.length; i++) {
    const known = numbers.get(ids[i]);
    dense[i] = known ?? numbers.size;
    if (known === undefined) numbers.set(ids[i], numbers.size);
  }
  return { count: numbers.size, of: (row) => dense[row] };
}

/** One sum a group, compensated for rounding (Neumaier 1974). */
class GroupSums {
  readonly #sums: Float64Array;
  readonly #lost: Float64Array;

  constructor(groups: number) {
    this.#sums = new Float64Array(groups);
    this.#lost = new Float64Array(groups);
  }

  add(group: number, value: number): void {
    const before = this.#sums[group];
    const after = before + value;
    this.#lost[group] += Math.abs(before) >= Math.abs(value) ? before - after + value : value - after + before;
    this.#sums[group] = after;
  }

  of(group: number): number {
    return this.#sums[group] + this.#lost[group];
  }
}
