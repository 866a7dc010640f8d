import { availableParallelism, totalmem } from 'node:os';
import { checkInteger, invalid } from '../check.ts';
import { GradfoldError } from '../errors.ts';
import { addonReason, loadAddon, type NativeEngine } from './addon.ts';
import { rethrowing, runJob } from './cpu/job.ts';
import { CpuModel } from './cpu/model.ts';
import { nativeSlots } from './cpu/network.ts';
import { CpuRater } from './cpu/rater.ts';
import { sampleLinear } from './cpu/sample-linear.ts';
import type { Backend, BackendInfo, BackendOptions } from './types.ts';

/** What the CPU backend would be here, without starting it for good. */
export function cpuInfo(): BackendInfo {
  const addon = loadAddon();
  if (!addon) return { name: 'cpu', available: false, reason: addonReason() };
  const described = (precision: 'f32' | 'bf16') => {
    const engine = new addon.NativeEngine({ threads: 1, precision });
    try {
      return engine.describe();
    } finally {
      engine.close();
    }
  };
  const { isa, gemm } = described('f32');
  return {
    name: 'cpu',
    available: true,
    isa,
    gemm,
    gemmBf16: described('bf16').gemm,
    threads: availableParallelism(),
    memory: totalmem(),
    device: 'CPU',
  };
}

/**
 * Opens the native CPU engine with one engine thread and `threads` compute threads (default: all cores).
 * @throws GradfoldError UNAVAILABLE when the addon is not built; INVALID_ARGUMENT for an option that is not there here
 */
export function openCpuBackend(options: BackendOptions = {}): Backend {
  const addon = loadAddon();
  if (!addon) throw new GradfoldError('UNAVAILABLE', `backend 'cpu': ${addonReason()}`);
  const precision = options.precision ?? 'f32';
  if (precision !== 'f32' && precision !== 'bf16') throw invalid('precision', '"f32" or "bf16"', precision);
  for (const name of ['isa', 'gemm'] as const) {
    const forced: unknown = options[name];
    if (forced !== undefined && typeof forced !== 'string') throw invalid(name, 'a name', forced);
  }
  const threads = checkInteger('threads', options.threads ?? availableParallelism(), 1, 1024);
  const native = rethrowing(() => new addon.NativeEngine({ threads, precision, isa: options.isa, gemm: options.gemm }));
  const reference = new WeakRef(native);
  running.add(reference);
  collected.register(native, reference);
  return {
    name: 'cpu',
    precision,
    info: { ...native.describe(), name: 'cpu', available: true, device: 'CPU', memory: totalmem() },
    engine: {
      measureProduct: (shape) => runJob(addon, undefined, () => native.measureProduct(shape)),
      perSampleLinear: (problem, request, signal) => sampleLinear(addon, native, problem, request, signal),
      createModel: (shape, layout) => {
        const model = rethrowing(() => native.createModel(shape, nativeSlots(layout)));
        return new CpuModel(addon, model, layout.length);
      },
      createRater: (shape, layout) => {
        const rater = rethrowing(() => native.createRater(shape, nativeSlots(layout)));
        return new CpuRater(addon, rater, layout.length);
      },
    },
    dispose: () => {
      running.delete(reference);
      native.close();
    },
  };
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
