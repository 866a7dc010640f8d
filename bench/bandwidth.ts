import {
  LanguageModel,
  measureProduct,
  openBackend,
  type Backend,
  type BackendOptions,
  type LlamaConfig,
  type ParameterVector,
} from 'gradfold';

/** 17 MB a vector: quickly drawn. */
const CONFIG: LlamaConfig = {
  model_type: 'llama',
  vocab_size: 16384,
  hidden_size: 256,
  intermediate_size: 8,
  num_hidden_layers: 1,
  num_attention_heads: 4,
  tie_word_embeddings: true,
  rms_norm_eps: 1e-5,
};

/** Pairs of vectors gone through in one task: 285 MB together, far more than the caches hold. */
const PAIRS = 8;

/** Float32 numbers read or written for each entry. */
const NUMBERS = { copy: 2, add: 3, dot: 2 };
export type MemoryPass = keyof typeof NUMBERS;
export const MEMORY_PASSES = Object.keys(NUMBERS) as MemoryPass[];

/**
 * What memory gives: passes over parameter vectors with next to no arithmetic, by all threads of a backend. The tasks go
 * beside others into `interleaved`.
 */
export class Bandwidth {
  readonly tasks: Record<MemoryPass, () => Promise<unknown>>;
  readonly #entries: number;
  readonly #backend: Backend;

  private constructor(backend: Backend, model: LanguageModel) {
    this.#backend = backend;
    this.#entries = PAIRS * model.parameterCount;
    const pairs = Array.from({ length: PAIRS }, () => [model.parameters.copy(), model.parameters.copy()]);
    const over = (pass: (to: ParameterVector, from: ParameterVector) => unknown) => () => {
      for (const [to, from] of pairs) pass(to, from);
      return measureProduct(backend, { m: 1, n: 1, k: 1 }); // copy and axpy return before they are done; this waits
    };
    this.tasks = {
      copy: over((to, from) => to.copyFrom(from)),
      add: over((to, from) => to.axpy(1e-3, from)),
      dot: over((to, from) => to.dot(from)),
    };
  }

  static async open(options: Pick<BackendOptions, 'threads' | 'isa'> = {}): Promise<Bandwidth> {
    const backend = await openBackend('cpu', options);
    return new Bandwidth(backend, await LanguageModel.initialize(CONFIG, { backend, seed: 0 }));
  }

  /** Bytes read and written per second by a task that took so long. */
  rate(pass: MemoryPass, seconds: number): number {
    return (4 * NUMBERS[pass] * this.#entries) / seconds;
  }

  /** The best of the passes, given their seconds: what others are measured against. */
  best(seconds: Readonly<Record<string, number>>): number {
    return Math.max(...MEMORY_PASSES.map((pass) => this.rate(pass, seconds[pass])));
  }

  dispose(): void {
    this.#backend.dispose();
  }
}
