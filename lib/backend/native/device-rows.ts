import type { EngineAddon, NativeEngine, StopFlag } from '../addon.ts';
import type { DeviceRows, FloatArray, SortForm } from '../types.ts';
import { runJob } from './job.ts';

/**
 * What the addon of a device offers for rows (native/addon/device_rows.cc). Results are written to the array given for
 * them; the promises bring the index of the value that is refused, or −1.
 */
export interface DeviceRowsAddon extends EngineAddon {
  sortRows(
    engine: NativeEngine,
    scores: FloatArray,
    form: SortForm,
    out: Uint32Array,
    stop?: StopFlag,
  ): Promise<number>;
  /** That index, then seconds of upload, sort, download and copy. */
  measureSort(
    engine: NativeEngine,
    scores: FloatArray,
    form: SortForm,
    out: Uint32Array,
    stop?: StopFlag,
  ): Promise<Float64Array>;
  softmaxWeights(
    engine: NativeEngine,
    scores: FloatArray,
    groups: Int32Array | undefined,
    temperature: number,
    into: Float64Array,
    stop?: StopFlag,
  ): Promise<number>;
  softmaxWeightsBackward(
    engine: NativeEngine,
    weights: Float64Array,
    weightGradients: Float64Array,
    groups: Int32Array | undefined,
    temperature: number,
    into: Float64Array,
    stop?: StopFlag,
  ): Promise<number>;
}

/** The rows of an engine whose addon has them. */
export function deviceRows(addon: DeviceRowsAddon, native: NativeEngine): DeviceRows {
  return {
    sort: async (scores, form, signal) => {
      const out = new Uint32Array(form.keep);
      const refused = await runJob(addon, signal, (stop) => addon.sortRows(native, scores, form, out, stop));
      return refused < 0 ? out : refused;
    },
    measureSort: async (scores, form, signal) => {
      const out = new Uint32Array(form.keep);
      const [refused, upload, sort, download, copy] = await runJob(addon, signal, (stop) =>
        addon.measureSort(native, scores, form, out, stop),
      );
      return refused < 0 ? { rows: out, upload, sort, download, copy } : refused;
    },
    softmaxWeights: async (scores, groups, temperature, into = new Float64Array(scores.length), signal) => {
      const refused = await runJob(addon, signal, (stop) =>
        addon.softmaxWeights(native, scores, groups, temperature, into, stop),
      );
      return refused < 0 ? into : refused;
    },
    softmaxWeightsBackward: async (
      weights,
      weightGradients,
      groups,
      temperature,
      into = new Float64Array(weights.length),
      signal,
    ) => {
      const refused = await runJob(addon, signal, (stop) =>
        addon.softmaxWeightsBackward(native, weights, weightGradients, groups, temperature, into, stop),
      );
      return refused < 0 ? into : refused;
    },
  };
}
