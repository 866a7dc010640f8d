import { invalid } from '../../check.ts';
import type { EngineAddon, NativeEngine, NativeEngineOptions } from '../addon.ts';
import { registered } from '../check.ts';
import type { Backend, BackendInfo, BackendOptions, DeviceRows } from '../types.ts';
import { rethrowing, runJob } from './job.ts';
import { AddonModel } from './model.ts';
import { nativeSlots } from './network.ts';
import { AddonRater } from './rater.ts';
import { sampleLinear } from './sample-linear.ts';

/** @throws GradfoldError INVALID_ARGUMENT for anything but the two precisions of native engines */
export function checkPrecision({ precision = 'f32' }: BackendOptions): 'f32' | 'bf16' {
  if (precision !== 'f32' && precision !== 'bf16') throw invalid('precision', '"f32" or "bf16"', precision);
  return precision;
}

/** @throws GradfoldError INVALID_ARGUMENT for anything but a boolean */
export function checkRecompute({ recompute = false }: BackendOptions): boolean {
  if (typeof recompute !== 'boolean') throw invalid('recompute', 'true or false', recompute);
  return recompute;
}

/** What an engine of these options says of itself, without leaving it open. */
export function describeNative(addon: EngineAddon, options: NativeEngineOptions): ReturnType<NativeEngine['describe']> {
  return rethrowing(() => {
    const engine = new addon.NativeEngine(options);
    try {
      return engine.describe();
    } finally {
      engine.close();
    }
  });
}

/**
 * Opens an engine of an addon as a backend.
 * @param info what is known beside what the engine says of itself
 * @param rowsOf what the addon offers for rows in the device's memory
 * @throws GradfoldError INVALID_ARGUMENT for an option that is not there here
 */
export function openNative(
  addon: EngineAddon,
  options: NativeEngineOptions,
  info: BackendInfo,
  rowsOf?: (native: NativeEngine) => DeviceRows,
): Backend {
  const native = rethrowing(() => new addon.NativeEngine(options));
  const reference = new WeakRef(native);
  running.add(reference);
  collected.register(native, reference);
  return registered({
    name: info.name,
    precision: options.precision,
    info: { ...info, ...native.describe() },
    engine: {
      rows: rowsOf?.(native),
      measureProduct: (shape) => runJob(addon, undefined, () => native.measureProduct(shape)),
      perSampleLinear: (problem, request, signal) => sampleLinear(addon, native, problem, request, signal),
      createModel: (shape, layout) => {
        const model = rethrowing(() => native.createModel(shape, nativeSlots(layout)));
        return new AddonModel(addon, model, layout.length);
      },
      createRater: (shape, layout) => {
        const rater = rethrowing(() => native.createRater(shape, nativeSlots(layout)));
        return new AddonRater(addon, rater, layout.length);
      },
    },
    dispose: () => {
      running.delete(reference);
      native.close();
    },
  });
}

/**
 * process.exit() runs the destructors of loaded libraries while engine threads may still be inside them, and none of the
 * hooks that would end those threads: so they are ended when the process says that it leaves.
 */
const running = new Set<WeakRef<NativeEngine>>();
const collected = new FinalizationRegistry<WeakRef<NativeEngine>>((reference) => running.delete(reference));
process.on('exit', () => {
  for (const engine of running) engine.deref()?.close();
});
