import { availableParallelism, totalmem } from 'node:os';
import { checkInteger } from '../check.ts';
import { GradfoldError } from '../errors.ts';
import type { DecoderShape } from '../model/config.ts';
import type { ParameterLayout } from '../model/layout.ts';
import {
  addonReason,
  loadAddon,
  type Addon,
  type NativeEngine,
  type NativeModel,
  type NativeVector,
  type StopFlag,
} from './addon.ts';
import { sampleLinear } from './cpu-sample-linear.ts';
import { runJob, translated } from './native-job.ts';
import type {
  AdamwStep,
  Backend,
  BackendInfo,
  BackendOptions,
  BackwardRequest,
  BackwardResult,
  EngineBatch,
  EngineModel,
  EngineVector,
  SgdStep,
} from './types.ts';

/** What the CPU backend would be here, without starting it for good. */
export function cpuInfo(): BackendInfo {
  const addon = loadAddon();
  if (!addon) return { name: 'cpu', available: false, reason: addonReason() };
  const engine = new addon.NativeEngine({ threads: 1 });
  const { isa, gemm } = engine.describe();
  engine.close();
  return {
    name: 'cpu',
    available: true,
    isa,
    gemm,
    threads: availableParallelism(),
    memory: totalmem(),
    device: 'CPU',
  };
}

/**
 * Opens the native CPU engine (float32) with one engine thread and `threads` compute threads (default: all cores).
 * @throws GradfoldError UNAVAILABLE when the addon is not built; UNSUPPORTED for precision 'bf16'
 */
export function openCpuBackend(options: BackendOptions = {}): Backend {
  const addon = loadAddon();
  if (!addon) throw new GradfoldError('UNAVAILABLE', `backend 'cpu': ${addonReason()}`);
  if (options.precision === 'bf16') {
    throw new GradfoldError('UNSUPPORTED', "precision: the cpu backend computes in 'f32', got 'bf16'");
  }
  const threads = checkInteger('threads', options.threads ?? availableParallelism(), 1, 1024);
  const native = rethrowing(() => new addon.NativeEngine({ threads, isa: options.isa, gemm: options.gemm }));
  const reference = new WeakRef(native);
  running.add(reference);
  return {
    name: 'cpu',
    precision: 'f32',
    info: { ...native.describe(), name: 'cpu', available: true, device: 'CPU', memory: totalmem() },
    engine: {
      measureProduct: (shape) => native.measureProduct(shape),
      perSampleLinear: (problem, request, signal) => sampleLinear(addon, native, problem, request, signal),
      createModel: (shape: DecoderShape, layout: ParameterLayout) =>
        new CpuModel(
          addon,
          rethrowing(() => native.createModel(shape, layout.slots)),
          layout.length,
        ),
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
process.on('exit', () => {
  for (const engine of running) engine.deref()?.close();
});

function rethrowing<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw translated(error);
  }
}

class CpuVector implements EngineVector {
  readonly length: number;
  readonly native: NativeVector;

  constructor(native: NativeVector, length: number) {
    this.native = native;
    this.length = length;
  }

  copy(): CpuVector {
    return new CpuVector(
      rethrowing(() => this.native.copy()),
      this.length,
    );
  }
  fill(x: number): void {
    rethrowing(() => this.native.fill(x));
  }
  copyFrom(x: EngineVector): void {
    rethrowing(() => this.native.copyFrom(nativeOf(x)));
  }
  scale(a: number): void {
    rethrowing(() => this.native.scale(a));
  }
  axpy(a: number, x: EngineVector): void {
    rethrowing(() => this.native.axpy(a, nativeOf(x)));
  }
  dot(x: EngineVector): number {
    return rethrowing(() => this.native.dot(nativeOf(x)));
  }
  read(offset: number, length: number): Float32Array {
    return rethrowing(() => this.native.read(offset, length));
  }
  write(offset: number, values: ArrayLike<number>): void {
    const floats = values instanceof Float32Array ? values : Float32Array.from(values);
    rethrowing(() => this.native.write(offset, floats));
  }
  dispose(): void {
    this.native.dispose();
  }
}

const nativeOf = (x: EngineVector): NativeVector => (x as CpuVector).native;

class CpuModel implements EngineModel {
  readonly parameters: CpuVector;
  readonly #addon: Addon;
  readonly #native: NativeModel;
  readonly #length: number;

  constructor(addon: Addon, native: NativeModel, length: number) {
    this.#addon = addon;
    this.#native = native;
    this.#length = length;
    this.parameters = new CpuVector(native.parameters(), length);
  }

  zeros(): CpuVector {
    return new CpuVector(
      rethrowing(() => this.#native.zeros()),
      this.#length,
    );
  }

  loss(batch: EngineBatch, signal?: AbortSignal): Promise<Float64Array> {
    return this.#job(signal, (stop) => this.#native.loss(batch, stop));
  }

  async backward(batch: EngineBatch, request: BackwardRequest, signal?: AbortSignal): Promise<BackwardResult> {
    const gradients = request.gradients ? Array.from({ length: batch.samples }, () => this.zeros()) : [];
    const result = await this.#job(signal, (stop) =>
      this.#native.backward(
        batch,
        {
          weights: request.weights,
          into: request.into && nativeOf(request.into),
          dots: (request.dots ?? []).map(nativeOf),
          gradients: gradients.map(nativeOf),
          norms: request.norms ?? false,
          gram: request.gram ?? false,
        },
        stop,
      ),
    );
    return {
      losses: result.losses,
      norms: result.norms,
      gram: result.gram,
      dots: request.dots && result.dots,
      gradients: request.gradients ? gradients : undefined,
    };
  }

  hvp(
    batch: EngineBatch,
    v: EngineVector,
    weights: Float64Array,
    into: EngineVector,
    signal?: AbortSignal,
  ): Promise<Float64Array> {
    return this.#job(signal, (stop) => this.#native.hvp(batch, nativeOf(v), weights, nativeOf(into), stop));
  }

  sgdStep(gradient: EngineVector, step: SgdStep): Promise<number> {
    return this.#job(undefined, () => this.#native.sgdStep(nativeOf(gradient), step));
  }

  adamwStep(gradient: EngineVector, m: EngineVector, v: EngineVector, step: AdamwStep): Promise<number> {
    const { betas, ...rest } = step;
    return this.#job(undefined, () =>
      this.#native.adamwStep(nativeOf(gradient), nativeOf(m), nativeOf(v), {
        ...rest,
        beta1: betas[0],
        beta2: betas[1],
      }),
    );
  }

  dispose(): void {
    this.#native.dispose();
    this.parameters.dispose();
  }

  #job<T>(signal: AbortSignal | undefined, start: (stop?: StopFlag) => Promise<T>): Promise<T> {
    return runJob(this.#addon, signal, start);
  }
}
