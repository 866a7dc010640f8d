import type { FloatArray } from '../backend/types.ts';

/** The numbers, or the index of the first one that is not finite. */
export type WeightResult = Float64Array | number;

/**
 * What the compiled addon offers for weights. Arguments are checked before they get here, but for values that are not
 * finite. 1 / temperature is finite. The result is `into`, or a new array. The asynchronous forms run on the thread pool and pin their arrays until they
 * settle.
 */
export interface WeightAddon {
  softmaxWeights(
    scores: FloatArray,
    groups: Int32Array | undefined,
    temperature: number,
    threads: number,
    into: Float64Array | undefined,
  ): WeightResult;
  softmaxWeightsAsync(
    scores: FloatArray,
    groups: Int32Array | undefined,
    temperature: number,
    threads: number,
    into: Float64Array | undefined,
  ): Promise<WeightResult>;
  /** An index of n or more is one of weightGradients, n further on. */
  softmaxWeightsBackward(
    weights: Float64Array,
    weightGradients: Float64Array,
    groups: Int32Array | undefined,
    temperature: number,
    threads: number,
    into: Float64Array | undefined,
  ): WeightResult;
  softmaxWeightsBackwardAsync(
    weights: Float64Array,
    weightGradients: Float64Array,
    groups: Int32Array | undefined,
    temperature: number,
    threads: number,
    into: Float64Array | undefined,
  ): Promise<WeightResult>;
}
