import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Batch } from '../data/batch.ts';
import type { LanguageModel } from '../model/language-model.ts';
import type { ParameterVector } from '../model/parameter-vector.ts';

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

export interface SgdRunOptions {
  batches: Batch[];
  lr: number;
  store: IterateStore;
  signal?: AbortSignal;
  /** Called with t + 1 when θ_{t+1} has been computed, recomputations included. */
  onStep?: (reached: number) => void;
}

/**
 * A run of plain SGD, θ_{t+1} = θ_t − lr·∇L_{b_t}(θ_t), whose iterates can be asked for from the last to the first.
 * Every ⌈√T⌉-th one is stored; the others are recomputed a stretch at a time (Griewank 1992), so that at most about
 * 2√T vectors are kept and every step is computed at most twice.
 */
export class SgdRun {
  readonly steps: number;
  readonly #model: Pick<LanguageModel, 'parameters' | 'gradient'>;
  readonly #options: SgdRunOptions;
  readonly #gradient: ParameterVector;
  readonly #spacing: number;

  /** The model must be at θ_0 unless the store holds iterates already. */
  constructor(model: Pick<LanguageModel, 'parameters' | 'gradient' | 'vector'>, options: SgdRunOptions) {
    this.steps = options.batches.length;
    this.#model = model;
    this.#options = options;
    this.#gradient = model.vector();
    this.#spacing = Math.ceil(Math.sqrt(this.steps));
  }

  /** Leaves the model at θ_step. */
  async restore(step: number): Promise<void> {
    const { batches, lr, store, signal, onStep } = this.#options;
    const { parameters } = this.#model;
    const stored = await store.steps();
    if (stored.length === 0) await store.put(0, parameters);
    const start = stored.reduce((best, s) => (s <= step && s > best ? s : best), 0);
    await store.load(start, parameters);
    for (let t = start; t < step; t++) {
      await this.#model.gradient(batches[t], { into: this.#gradient, signal });
      parameters.axpy(-lr, this.#gradient);
      if ((t + 1) % this.#spacing === 0 || t + 1 > step - this.#spacing) await store.put(t + 1, parameters);
      onStep?.(t + 1);
    }
  }

  /** Frees θ_step, which is not asked for again. */
  async forget(step: number): Promise<void> {
    await this.#options.store.delete(step);
  }

  /** Frees the run's memory; the model stays where it is. */
  dispose(): void {
    this.#gradient.dispose();
    this.#options.store.dispose();
  }
}
