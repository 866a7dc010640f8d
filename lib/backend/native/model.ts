import type { NativeModel } from '../addon.ts';
import type {
  BackwardRequest,
  BackwardResult,
  EngineBatch,
  EngineModel,
  EngineTrace,
  EngineVector,
  MemoryRequest,
} from '../types.ts';
import { rethrowing } from './job.ts';
import { AddonNetwork } from './network.ts';
import { nativeOf } from './vector.ts';

/** A language model of the addon. */
export class AddonModel extends AddonNetwork<NativeModel> implements EngineModel {
  loss(batch: EngineBatch, signal?: AbortSignal): Promise<Float64Array> {
    return this.job(signal, (stop) => this.native.loss(batch, stop));
  }

  logits(batch: EngineBatch, signal?: AbortSignal): Promise<Float32Array> {
    return this.job(signal, (stop) => this.native.logits(batch, stop));
  }

  async backward(batch: EngineBatch, request: BackwardRequest, signal?: AbortSignal): Promise<BackwardResult> {
    const gradients = request.gradients ? Array.from({ length: batch.samples }, () => this.zeros()) : [];
    const result = await this.job(signal, (stop) =>
      this.native.backward(
        batch,
        {
          weights: request.weights,
          into: request.into && nativeOf(request.into),
          dots: (request.dots ?? []).map(nativeOf),
          gradients: gradients.map(nativeOf),
          norms: request.norms ?? false,
          gram: request.gram ?? false,
          sketch: request.sketch,
          keep: request.keep,
        },
        stop,
      ),
    );
    return {
      losses: result.losses,
      norms: result.norms,
      gram: result.gram,
      sketch: result.sketch,
      dots: request.dots && result.dots,
      gradients: request.gradients ? gradients : undefined,
      trace: result.trace === undefined ? undefined : this.#trace(result.trace),
    };
  }

  jvp(batch: EngineBatch, v: EngineVector, signal?: AbortSignal): Promise<Float64Array> {
    return this.job(signal, (stop) => this.native.jvp(batch, nativeOf(v), stop));
  }

  hvp(
    batch: EngineBatch,
    v: EngineVector,
    weights: Float64Array,
    sum: EngineVector,
    signal?: AbortSignal,
  ): Promise<Float64Array> {
    return this.job(signal, (stop) => this.native.hvp(batch, nativeOf(v), weights, nativeOf(sum), stop));
  }

  memory(batch: EngineBatch, request: MemoryRequest): { parameters: number; activations: number; workspace: number } {
    const {
      operation,
      gradient = false,
      norms = false,
      gram = false,
      gradients = false,
      dots = 0,
      sketch = 0,
      keep,
    } = request;
    return rethrowing(() =>
      this.native.memory(batch, { operation, gradient, norms, gram, gradients, dots, sketch, keep }),
    );
  }

  #trace(number: number): EngineTrace {
    return {
      jvp: (v, signal) => this.job(signal, (stop) => this.native.tracedJvp(number, nativeOf(v), stop)),
      hvp: (v, sum, signal) =>
        this.job(signal, (stop) => this.native.tracedHvp(number, nativeOf(v), nativeOf(sum), stop)),
      dispose: () => rethrowing(() => this.native.forget(number)),
    };
  }
}
