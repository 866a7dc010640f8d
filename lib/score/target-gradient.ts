import { join } from 'node:path';
import { checkFinite, checkInteger, checkList, invalid } from '../check.ts';
import { rowCounts, type BatchList } from '../data/batch-list.ts';
import { sampleBatches, type TokenSource } from '../data/token-source.ts';
import type { LanguageModel } from '../model/language-model.ts';
import type { ParameterVector } from '../model/parameter-vector.ts';
import { randomPermutation, streamOf } from '../random.ts';
import { digest, type Fingerprint } from '../train/fingerprint.ts';
import type { StepContext } from '../train/hooks.ts';

/** sum += share·∇J, J the mean loss of all rows of the batches. Overwrites `scratch`. @returns J */
export async function addTargetGradient(
  model: Pick<LanguageModel, 'gradient'>,
  batches: BatchList,
  sum: ParameterVector,
  { share = 1, scratch, signal }: { share?: number; scratch: ParameterVector; signal?: AbortSignal },
): Promise<number> {
  const rows = rowCounts(batches).reduce((a, b) => a + b, 0);
  let total = 0;
  for (const batch of batches) {
    const weights = new Float64Array(batch.batch).fill(1 / rows);
    const { perSample } = await model.gradient(batch, { weights, into: scratch, signal });
    sum.axpy(share, scratch);
    total += perSample.reduce((a, b) => a + b, 0);
  }
  return total / rows;
}

export interface TargetOptions {
  samples: TokenSource;
  /** Rows of the target set, whose mean loss J is to go down. */
  target: Uint32Array;
  /** Target rows that each gradient is taken over, drawn by the seed; default 4, all where there are fewer. */
  targetRows?: number;
  /** Steps from one gradient to the next; default 2. */
  refreshEvery?: number;
  /**
   * What the gradients so far count for beside a new one, in [0, 1): ∇J is their exponential average, the weight of one
   * that is n refreshes old being proportional to momentumⁿ; default 0.75.
   */
  momentum?: number;
  /** Rows a pass; default: targetRows. */
  batchSize?: number;
  /** Default 0. */
  seed?: number;
}

/**
 * ∇J of a target set along a training run. Every few steps the gradient of a few target rows goes into an exponential
 * average: rows drawn without replacement, so that one comes again when all others have been used. Few rows often and an
 * average cost less than many rows seldom, and lag behind less.
 */
export class TargetGradient {
  /** The average as of the last refresh; zero before the first. */
  readonly vector: ParameterVector;
  readonly fingerprint: Fingerprint;
  readonly #model: Pick<LanguageModel, 'gradient'>;
  readonly #options: Required<TargetOptions>;
  readonly #name: string;

  /** @param name what its files and its part of a run's fingerprint are called */
  constructor(model: Pick<LanguageModel, 'gradient' | 'vector'>, options: TargetOptions, name: string) {
    checkList('target', options.target);
    if (options.target.length === 0) throw invalid('target', 'at least one row', options.target);
    const targetRows = Math.min(options.target.length, checkInteger('targetRows', options.targetRows ?? 4, 1));
    this.#model = model;
    this.#name = name;
    this.#options = {
      ...options,
      targetRows,
      refreshEvery: checkInteger('refreshEvery', options.refreshEvery ?? 2, 1),
      momentum: checkMomentum(options.momentum ?? 0.75),
      batchSize: checkInteger('batchSize', options.batchSize ?? targetRows, 1),
      seed: checkInteger('seed', options.seed ?? 0, 0),
    };
    this.vector = model.vector();
    const { samples: _, target, ...settings } = this.#options;
    this.fingerprint = { [name]: JSON.stringify(settings), [`${name} target`]: digest([target]) };
  }

  /** Takes a new gradient into the average where it is due; resolves to whether it was. */
  async refresh({ step, scratch, signal }: StepContext): Promise<boolean> {
    const { samples, refreshEvery, batchSize, momentum } = this.#options;
    if (step % refreshEvery !== 0) return false;
    const refresh = step / refreshEvery;
    const target = sampleBatches(samples, this.#draw(refresh), batchSize);
    const share = (1 - momentum) / (1 - momentum ** (refresh + 1));
    this.vector.scale(1 - share);
    await addTargetGradient(this.#model, [...target], this.vector, { share, scratch, signal });
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

function checkMomentum(momentum: number): number {
  checkFinite('momentum', momentum, { min: 0 });
  if (momentum >= 1) throw invalid('momentum', 'a number < 1', momentum);
  return momentum;
}
