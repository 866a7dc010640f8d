import type { EngineAddon, NativeAdamwStep, NativeVector } from '../addon.ts';
import type { AdamwStep, EngineVector, SgdStep } from '../types.ts';
import { rethrowing, runJob } from './job.ts';

/** A float32 vector of the addon. */
export class AddonVector implements EngineVector {
  readonly length: number;
  readonly native: NativeVector;
  readonly #addon: EngineAddon;

  constructor(addon: EngineAddon, native: NativeVector, length: number) {
    this.#addon = addon;
    this.native = native;
    this.length = length;
  }

  copy(): AddonVector {
    return new AddonVector(
      this.#addon,
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
  sgdStep(gradient: EngineVector, step: SgdStep): Promise<number> {
    return runJob(this.#addon, undefined, () => this.native.sgdStep(nativeOf(gradient), step));
  }
  adamwStep(gradient: EngineVector, m: EngineVector, v: EngineVector, step: AdamwStep): Promise<number> {
    return runJob(this.#addon, undefined, () =>
      this.native.adamwStep(nativeOf(gradient), nativeOf(m), nativeOf(v), nativeStep(step)),
    );
  }
  adamwMetric(v: EngineVector, step: AdamwStep): Promise<void> {
    return runJob(this.#addon, undefined, () => this.native.adamwMetric(nativeOf(v), nativeStep(step)));
  }
  sgdAdjoint(gradient: EngineVector, step: SgdStep): Promise<void> {
    return runJob(this.#addon, undefined, () => this.native.sgdAdjoint(nativeOf(gradient), step));
  }
  adamwAdjoint(
    gradient: EngineVector,
    m: EngineVector,
    v: EngineVector,
    step: AdamwStep,
    after?: { m: EngineVector; v: EngineVector },
  ): Promise<void> {
    const [g, m0, v0] = [gradient, m, v].map(nativeOf);
    const adjoints = after ? [nativeOf(after.m), nativeOf(after.v)] : [];
    return runJob(this.#addon, undefined, () => this.native.adamwAdjoint(g, m0, v0, nativeStep(step), ...adjoints));
  }
  dispose(): void {
    this.native.dispose();
  }
}

function nativeStep({ betas, ...rest }: AdamwStep): NativeAdamwStep {
  return { ...rest, beta1: betas[0], beta2: betas[1] };
}

/** The addon's vector behind one of this backend. */
export const nativeOf = (x: EngineVector): NativeVector => (x as AddonVector).native;
