import type { NativeRater } from '../addon.ts';
import type { EngineBatch, EngineRater, EngineVector } from '../types.ts';
import { AddonNetwork } from './network.ts';
import { nativeOf } from './vector.ts';

/** A rater of the addon. */
export class AddonRater extends AddonNetwork<NativeRater> implements EngineRater {
  score(batch: EngineBatch, signal?: AbortSignal): Promise<Float64Array> {
    return this.job(signal, (stop) => this.native.score(batch, stop));
  }

  backward(
    batch: EngineBatch,
    scoreGradients: Float64Array,
    into: EngineVector,
    signal?: AbortSignal,
  ): Promise<Float64Array> {
    return this.job(signal, (stop) => this.native.backward(batch, scoreGradients, nativeOf(into), stop));
  }
}
