import { join } from 'node:path';
import { checkInteger, checkList, invalid } from '../check.ts';
import { rowCounts, type BatchList } from '../data/batch-list.ts';
import { sampleBatches, type TokenSource } from '../data/token-source.ts';
import type { LanguageModel } from '../model/language-model.ts';
import type { ParameterVector } from '../model/parameter-vector.ts';
import { randomPermutation, streamOf } from '../random.ts';
import { digest, type Fingerprint } from '../train/fingerprint.ts';
import type { StepContext } from '../train/hooks.ts';

/** Overwrites `into` with ∇J, J the mean loss of all rows of the batches, and `scratch` with anything; resolves to J. */
export async function meanGradient(
  model: Pick<LanguageModel, 'gradient'>,
  batches: BatchList,
  into: ParameterVector,
  scratch: ParameterVector,
  signal: AbortSignal | undefined,
): Promise<number> {
  const rows = rowCounts(batches).reduce((a, b) => a + b, 0);
  let total = 0;
  into.fill(0);
  for (const batch of batches) {
    const weights = new Float64Array(batch.batch).fill(1 / rows);
    const { perSample } = await model.gradient(batch, { weights, into: scratch, signal });
    into.axpy(1, scratch);
    total += perSample.reduce((sum, loss) => sum + loss, 0);
  }
  return total / rows;
}

export interface TargetOptions {
  samples: TokenSource;
  /** Rows of the target set, whose mean loss J is to go down. */
  target: Uint32Array;
  /** Target rows that each ∇J is taken over, drawn by the seed; default 32, all where there are fewer. */
  targetRows?: number;
  /** Steps from one ∇J to the next; default 10. */
  refreshEvery?: number;
  /** Rows a pass; default: targetRows. */
  batchSize?: number;
  /** Default 0. */
  seed?: number;
}

/**
 * ∇J of a target set along a training run, taken anew every few steps over rows drawn without replacement: a target row
 * comes again when all others have been used.
 */
export class TargetGradient {
  /** ∇J(θ_s), s the step of the last refresh; zero before the first. */
  readonly vector: ParameterVector;
  readonly fingerprint: Fingerprint;
  readonly #model: Pick<LanguageModel, 'gradient'>;
  readonly #options: Required<TargetOptions>;
  readonly #name: string;

  /** @param name what its files and its part of a run's fingerprint are called */
  constructor(model: Pick<LanguageModel, 'gradient' | 'vector'>, options: TargetOptions, name: string) {
    checkList('target', options.target);
    if (options.target.length === 0) throw invalid('target', 'at least one row', options.target);
    const targetRows = Math.min(options.target.length, checkInteger('targetRows', options.targetRows ?? 32, 1));
    this.#model = model;
    this.#name = name;
    this.#options = {
      ...options,
      targetRows,
      refreshEvery: checkInteger('refreshEvery', options.refreshEvery ?? 10, 1),
      batchSize: checkInteger('batchSize', options.batchSize ?? targetRows, 1),
      seed: checkInteger('seed', options.seed ?? 0, 0),
    };
    this.vector = model.vector();
    const { samples: _, target, ...settings } = this.#options;
    this.fingerprint = { [name]: JSON.stringify(settings), [`${name} target`]: digest([target]) };
  }

  /** Takes ∇J where it is due; resolves to whether it was. */
  async refresh({ step, scratch, signal }: StepContext): Promise<boolean> {
    const { samples, refreshEvery, batchSize } = this.#options;
    if (step % refreshEvery !== 0) return false;
    const target = sampleBatches(samples, this.#draw(step / refreshEvery), batchSize);
    await meanGradient(this.#model, [...target], this.vector, scratch, signal);
    return true;
  }

  async save(directory: string): Promise<void> {
    await this.vector.save(this.#file(directory));
  }

  async load(directory: string): Promise<void> {
    await this.vector.load(this.#file(directory));
  }

  dispose(): void {
    this.vector.dispose();
  }

  #file(directory: string): string {
    return join(directory, `${this.#name}-target.safetensors`);
  }

  /** The rows of the n-th refresh: the next ones of an endless sequence of permutations of the target set. */
  #draw(refresh: number): Uint32Array {
    const { target, targetRows, seed } = this.#options;
    const stream = streamOf('target gradient');
    const permutations = new Map<number, Uint32Array>();
    return Uint32Array.from({ length: targetRows }, (_, i) => {
      const position = refresh * targetRows + i;
      const pass = Math.floor(position / target.length);
      if (!permutations.has(pass)) permutations.set(pass, randomPermutation(target.length, seed, stream + pass));
      return target[permutations.get(pass)![position % target.length]];
    });
  }
}
