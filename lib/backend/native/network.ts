import { streamOf } from '../../random.ts';
import type { ParameterLayout } from '../../model/layout.ts';
import type { EngineAddon, NativeSlot, NativeVector, StopFlag } from '../addon.ts';
import type { EngineNetwork } from '../types.ts';
import { rethrowing, runJob } from './job.ts';
import { AddonVector } from './vector.ts';

interface NativeNetwork {
  parameters(): NativeVector;
  zeros(): NativeVector;
  dispose(): void;
}

/** What models and raters of the addon have in common. */
export abstract class AddonNetwork<Native extends NativeNetwork> implements EngineNetwork {
  readonly parameters: AddonVector;
  protected readonly native: Native;
  readonly #addon: EngineAddon;
  readonly #length: number;

  constructor(addon: EngineAddon, native: Native, length: number) {
    this.#addon = addon;
    this.native = native;
    this.#length = length;
    this.parameters = new AddonVector(addon, native.parameters(), length);
  }

  zeros(): AddonVector {
    const zeros = rethrowing(() => this.native.zeros());
    return new AddonVector(this.#addon, zeros, this.#length);
  }

  dispose(): void {
    this.native.dispose();
    this.parameters.dispose();
  }

  protected job<T>(signal: AbortSignal | undefined, start: (stop?: StopFlag) => Promise<T>): Promise<T> {
    return runJob(this.#addon, signal, start);
  }
}

/** A layout as the addon takes it. */
export function nativeSlots({ slots }: ParameterLayout): NativeSlot[] {
  return slots.map(({ name, role, offset, size, shape }) => {
    const cols = shape[shape.length - 1];
    return { role, offset, rows: size / cols, cols, stream: streamOf(name) };
  });
}
