import { checkFinite, checkFiniteArray, checkLength, invalid } from '../check.ts';
import type { FloatArray } from '../backend/types.ts';
import { checkScores } from '../score/check.ts';

export interface SoftmaxOptions {
  /** τ > 0; default 1. Higher is more uniform. */
  temperature?: number;
  /** A group id for each row; weights then sum to 1 within every group. Default: one group. */
  groups?: Int32Array;
}

/**
 * w_i = exp(s_i / τ) / Σ_j exp(s_j / τ), j over the rows of i's group, for scores s [n]. The group's maximum is
 * subtracted first, so that any finite scores are fine; sums are compensated, so that weights sum to 1 to rounding.
 * @throws GradfoldError INVALID_DATA naming the index of a NaN or infinite score; INVALID_ARGUMENT for τ or groups.
 */
export function softmaxWeights(scores: FloatArray, options: SoftmaxOptions = {}): Float64Array {
  checkScores(scores);
  checkFiniteArray('scores', scores);
  const temperature = checkTemperature(options);
  const groups = denseGroups(scores.length, options.groups);
  const highest = new Float64Array(groups.count).fill(-Infinity);
  for (let i = 0; i < scores.length; i++) highest[groups.of(i)] = Math.max(highest[groups.of(i)], scores[i]);
  const weights = new Float64Array(scores.length);
  const total = new GroupSums(groups.count);
  for (let i = 0; i < scores.length; i++) {
    weights[i] = Math.exp((scores[i] - highest[groups.of(i)]) / temperature);
    total.add(groups.of(i), weights[i]);
  }
  for (let i = 0; i < weights.length; i++) weights[i] /= total.of(groups.of(i));
  return weights;
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
  checkLength('weightGradients', weightGradients, weights.length, 'one for each weight');
  checkFiniteArray('weights', weights);
  checkFiniteArray('weightGradients', weightGradients);
  const temperature = checkTemperature(options);
  const groups = denseGroups(weights.length, options.groups);
  const mean = new GroupSums(groups.count);
  for (let i = 0; i < weights.length; i++) mean.add(groups.of(i), weights[i] * weightGradients[i]);
  const scoreGradients = new Float64Array(weights.length);
  for (let i = 0; i < weights.length; i++) {
    scoreGradients[i] = (weights[i] / temperature) * (weightGradients[i] - mean.of(groups.of(i)));
  }
  return scoreGradients;
}

function checkTemperature({ temperature = 1 }: SoftmaxOptions): number {
  return checkFinite('temperature', temperature, { above: 0 });
}

/** Groups numbered 0 … count − 1 in order of appearance. */
interface Groups {
  count: number;
  of(row: number): number;
}

function denseGroups(n: number, ids: Int32Array | undefined): Groups {
  if (ids === undefined) return { count: 1, of: () => 0 };
  if (!(ids instanceof Int32Array)) throw invalid('groups', 'an Int32Array', ids);
  checkLength('groups', ids, n, 'one group id for each row');
  const numbers = new Map<number, number>();
  const dense = new Int32Array(n);
  for (let i = 0; i < n; i++) {
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
