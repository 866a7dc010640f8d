import type { EngineTrace, EngineVector } from '../backend/types.ts';
import { invalid } from '../check.ts';
import { GradfoldError } from '../errors.ts';
import { ParameterVector, type ParameterSpace } from './parameter-vector.ts';
import type { CallOptions } from './transformer-model.ts';

/** The vectors of a Hessian product: along v, added to `addTo`. */
export function productVectors(
  space: ParameterSpace,
  v: ParameterVector,
  addTo: ParameterVector,
): { tangent: EngineVector; sum: EngineVector } {
  const tangent = ParameterVector.engineOf(v, space, 'v');
  const sum = ParameterVector.engineOf(addTo, space, 'addTo', { writable: true });
  if (sum === tangent) throw invalid('addTo', 'a vector other than v', 'v itself');
  return { tangent, sum };
}

/**
 * @internal What a gradient pass computed: LanguageModel.tracedGradient. Batch and weights are those of that pass; the model's
 * parameters must be, bit by bit.
 * @throws GradfoldError DISPOSED when the trace was disposed or its model made another; INVALID_ARGUMENT at other parameters
 */
export class GradientTrace {
  readonly #space: ParameterSpace;
  readonly #engine: EngineTrace;
  #disposed = false;

  constructor(space: ParameterSpace, engine: EngineTrace) {
    this.#space = space;
    this.#engine = engine;
  }

  /** As LanguageModel.jvp. */
  async jvp(v: ParameterVector, { signal }: CallOptions = {}): Promise<{ jvp: Float64Array }> {
    const engine = this.#alive();
    return { jvp: await engine.jvp(ParameterVector.engineOf(v, this.#space, 'v'), signal) };
  }

  /** As LanguageModel.hvp; the product is added to `addTo`. */
  async hvp(
    v: ParameterVector,
    { addTo, signal }: CallOptions & { addTo: ParameterVector },
  ): Promise<{ jvp: Float64Array }> {
    const engine = this.#alive();
    const { tangent, sum } = productVectors(this.#space, v, addTo);
    return { jvp: await engine.hvp(tangent, sum, signal) };
  }

  /** Frees its memory for the model's next trace. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#engine.dispose();
  }

  #alive(): EngineTrace {
    if (this.#disposed) throw new GradfoldError('DISPOSED', 'this trace of a gradient was disposed of');
    return this.#engine;
  }
}
