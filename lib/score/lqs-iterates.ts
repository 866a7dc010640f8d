import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { BatchList } from '../data/batch-list.ts';
import type { ParameterVector } from '../model/parameter-vector.ts';
import type { Passes } from './lqs-passes.ts';

/** Where iterates θ_t of a run are kept, by step. */
export interface IterateStore {
  steps(): Promise<number[]>;
  put(step: number, parameters: ParameterVector): Promise<void>;
  load(step: number, into: ParameterVector): Promise<void>;
  delete(step: number): Promise<void>;
  /** Frees what is held in memory; files stay, to go on from. */
  dispose(): void;
}

/** Iterates as vectors on the backend. */
export function memoryStore(): IterateStore {
  const held = new Map<number, ParameterVector>();
  return {
    steps: async () => [...held.keys()],
    put: async (step, parameters) => void held.set(step, parameters.copy()),
    load: async (step, into) => into.copyFrom(held.get(step)!),
    delete: async (step) => {
      held.get(step)?.dispose();
      held.delete(step);
    },
    dispose: () => {
      for (const vector of held.values()) vector.dispose();
      held.clear();
    },
  };
}

/** Iterates as safetensors files of one directory, `theta-000012.safetensors` for θ_12. */
export async function directoryStore(directory: string): Promise<IterateStore> {
  await mkdir(directory, { recursive: true });
  const path = (step: number) => join(directory, `theta-${String(step).padStart(6, '0')}.safetensors`);
  return {
    steps: async () =>
      (await readdir(directory)).flatMap((name) => {
        const match = /^theta-(\d{6,})\.safetensors$/.exec(name);
        return match ? [Number(match[1])] : [];
      }),
    put: (step, parameters) => parameters.save(path(step)),
    load: (step, into) => into.load(path(step)),
    delete: (step) => rm(path(step), { force: true }),
    dispose: () => undefined,
  };
}

/** Of T steps every ⌈√T⌉-th iterate is kept for good, and on the way to a wanted one those just before it. */
function isKept(reached: number, wanted: number, steps: number): boolean {
  const spacing = Math.ceil(Math.sqrt(steps));
  return reached % spacing === 0 || reached > wanted - spacing;
}

function latestUpTo(step: number, stored: Iterable<number>): number {
  let latest = 0;
  for (const each of stored) if (each <= step && each > latest) latest = each;
  return latest;
}

/** The steps that an SgdRun computes to visit θ_from … θ_0, in order, when some iterates are stored already. */
export function* stepsAhead(steps: number, from: number, stored: Iterable<number>): Generator<number> {
  const held = new Set(stored);
  for (let wanted = from; wanted >= 0; wanted--) {
    for (let t = latestUpTo(wanted, held); t < wanted; t++) {
      yield t;
      if (isKept(t + 1, wanted, steps)) held.add(t + 1);
    }
    held.delete(wanted);
  }
}

export interface SgdRunOptions {
  batches: BatchList;
  lr: number;
  store: IterateStore;
  passes: Pick<Passes, 'gradient'>;
}

/**
 * A run of plain SGD, θ_{t+1} = θ_t − lr·∇L_{b_t}(θ_t), whose iterates can be asked for from the last to the first.
 * Every ⌈√T⌉-th one is stored; the others are recomputed a stretch at a time (Griewank 1992), so that at most about
 * 2√T vectors are kept and every step is computed at most twice.
 */
export class SgdRun {
  readonly steps: number;
  readonly #parameters: ParameterVector;
  readonly #options: SgdRunOptions;

  /** `parameters` are the live ones, at θ_0 unless the store holds iterates already. */
  constructor(parameters: ParameterVector, options: SgdRunOptions) {
    this.steps = options.batches.length;
    this.#parameters = parameters;
    this.#options = options;
  }

  /** Leaves the model at θ_step. */
  async restore(step: number): Promise<void> {
    const { batches, lr, store, passes } = this.#options;
    const stored = await store.steps();
    if (stored.length === 0) await store.put(0, this.#parameters);
    const start = latestUpTo(step, stored);
    await store.load(start, this.#parameters);
    for (let t = start; t < step; t++) {
      this.#parameters.axpy(-lr, await passes.gradient(batches.at(t)!));
      if (isKept(t + 1, step, this.steps)) await store.put(t + 1, this.#parameters);
    }
  }

  /** Frees θ_step, which is not asked for again. */
  async forget(step: number): Promise<void> {
    await this.#options.store.delete(step);
  }

  /** Leaves the model at θ_0, from wherever the run was broken off. */
  async rewind(): Promise<void> {
    const { store } = this.#options;
    // Before the first step θ_0 is not stored, and the model is there.
    if ((await store.steps()).includes(0)) await store.load(0, this.#parameters);
  }
}
