import { checkFinite, checkInteger, invalid } from '../check.ts';
import type { Batch } from '../data/batch.ts';
import type { LanguageModel } from '../model/language-model.ts';
import { digestBatches, digestParameters, type Fingerprint } from '../train/fingerprint.ts';
import { SweepCheckpoint, type ScoreTally } from './lqs-checkpoint.ts';
import { directoryStore, memoryStore, SgdRun } from './lqs-iterates.ts';
import { countRows, trackProgress } from './lqs-progress.ts';
import { reverseSweep, type SweepState } from './lqs-sweep.ts';

/**
 * What a sample contributes at a scored step t:
 * - 'released': lr·⟨g(θ_t), λ_{t+1}⟩ / ‖g‖ at the next later scored step (1 at the first), as DELT's program computes;
 * - 'paper': ⟨g(θ_t), λ_{t+1}⟩ / ‖g(θ_{t+1})‖, reliability × quality × learnability as DELT defines it;
 * - 'pds': lr·⟨g(θ_t), λ_{t+1}⟩, the plain first-order value of the sample.
 */
export type Contribution = 'released' | 'paper' | 'pds';

/** The model operations an annotation is made of. */
export type AnnotatedModel = Pick<LanguageModel, 'parameters' | 'vector' | 'gradient' | 'hvp' | 'perSample'>;

/** Samples to score, and at which steps. */
export interface ScoreSet {
  /** Every row is a sample. */
  batches: Batch[];
  /** Scored steps are the multiples of it below T; default max(1, ⌊T / 5⌋). */
  interval?: number;
  /** Default 'released'. */
  contribution?: Contribution;
}

export interface LqsOptions {
  /** The batch of each SGD step [T]. */
  batches: Batch[];
  /** The samples whose mean loss J is to go down. */
  target: Batch[];
  /** Learning rate of the run: constant, no clipping, no weight decay. */
  lr: number;
  /** Counted in rows of the batches worked through. */
  onProgress?: (progress: { done: number; total: number }) => void;
  /** Keeps iterates on disk and makes the annotation resumable after a kill. Without it they are kept in memory. */
  checkpointDir?: string;
  signal?: AbortSignal;
}

interface SweepRecord {
  /** ‖λ_t‖, t = 0 … T. */
  lambdaNorms: Float64Array;
  /** J(θ_t), t = 0 … T. */
  targetLosses: Float64Array;
}

/** At which iterates a variant needs gradient norms, and what multiplies its quotient. */
const VARIANTS: Record<
  Contribution,
  { normsAt(t: number, scored: (t: number) => boolean): boolean; scale(lr: number): number }
> = {
  released: { normsAt: (t, scored) => scored(t), scale: (lr) => lr },
  paper: { normsAt: (t, scored) => scored(t - 1), scale: () => 1 },
  pds: { normsAt: () => false, scale: (lr) => lr },
};

/**
 * Learnability-quality scores of the proxy samples (DELT, Dai et al. 2025; PDS, Gu et al. 2025): the sum over scored
 * steps of each sample's contribution (see Contribution) to lowering the target loss along a run of T = batches.length
 * SGD steps from the model's parameters. A sample with zero gradient contributes zero. Higher is better.
 *
 * Memory: five parameter vectors plus about 2√T iterates, the latter on disk with `checkpointDir`. The model is at its
 * starting parameters again when the call settles, whatever its outcome.
 * @returns scores [proxy rows], and the norms of the adjoint and the target losses along the run [T + 1].
 * @throws GradfoldError INVALID_ARGUMENT for misuse or a checkpointDir of another annotation, INVALID_DATA when the run
 *   diverges; rejects with `signal.reason` on abort.
 */
export async function annotateLqs(
  model: AnnotatedModel,
  options: LqsOptions & { proxy: Batch[]; interval?: number; contribution?: Contribution },
): Promise<{ scores: Float64Array } & SweepRecord> {
  const { proxy, interval, contribution, ...rest } = options;
  const { scores, ...record } = await lqsSweep(model, {
    ...rest,
    sets: [{ batches: checkBatches('proxy', proxy), interval, contribution }],
  });
  return { scores: scores[0], ...record };
}

/**
 * As `annotateLqs`, for several sets of samples with steps and variants of their own, in one pass over the run.
 * @returns scores, one array for each set.
 */
export async function lqsSweep(
  model: AnnotatedModel,
  options: LqsOptions & { sets: ScoreSet[] },
): Promise<{ scores: Float64Array[] } & SweepRecord> {
  const { signal, checkpointDir } = options;
  const batches = checkBatches('batches', options.batches);
  const target = checkBatches('target', options.target);
  const lr = checkFinite('lr', options.lr, { above: 0 });
  const steps = batches.length;
  if (options.sets.length === 0) throw invalid('sets', 'at least one set', options.sets);
  const sets = options.sets.map((set, i) => resolveSet(`sets[${i}]`, set, steps));
  signal?.throwIfAborted();

  const initial = model.parameters.copy();
  const tallies = sets.map(({ batches }) => newTally(countRows(batches)));
  const state: SweepState = {
    step: steps,
    lambda: model.vector(),
    lambdaNorms: new Float64Array(steps + 1),
    targetLosses: new Float64Array(steps + 1),
  };
  try {
    const checkpoint =
      checkpointDir === undefined
        ? undefined
        : new SweepCheckpoint(checkpointDir, fingerprint(model, batches, target, lr, sets));
    await checkpoint?.read(state, tallies);
    if (state.step >= 0) {
      const progress = trackProgress({ batches, target, sets }, state.step, options.onProgress);
      const store = checkpoint ? await directoryStore(checkpoint.iterates) : memoryStore();
      const run = new SgdRun(model, { batches, lr, store, signal, onStep: progress.reached });
      try {
        const problem = { batches, target, lr, signal, onRows: progress.advance };
        for await (const step of reverseSweep(model, problem, run, state)) {
          await checkpoint?.write(state, tallies);
          for (const [i, set] of sets.entries()) {
            await visit(model, set, tallies[i], step, state, lr, signal, progress.advance);
          }
        }
      } finally {
        run.dispose();
      }
      await checkpoint?.write(state, tallies);
    }
    const { lambdaNorms, targetLosses } = state;
    return { scores: tallies.map(({ scores }) => scores), lambdaNorms, targetLosses };
  } finally {
    model.parameters.copyFrom(initial);
    initial.dispose();
    state.lambda.dispose();
  }
}

interface ResolvedSet {
  batches: Batch[];
  interval: number;
  contribution: Contribution;
  /** Whether contributions are taken at θ_t. */
  scored(t: number): boolean;
  /** Whether norms are taken at θ_t, to divide contributions of earlier steps. */
  normed(t: number): boolean;
}

function resolveSet(name: string, set: ScoreSet, steps: number): ResolvedSet {
  const batches = checkBatches(`${name}.batches`, set.batches);
  const interval = checkInteger('interval', set.interval ?? Math.max(1, Math.floor(steps / 5)), 1);
  const contribution = set.contribution ?? 'released';
  if (!Object.hasOwn(VARIANTS, contribution)) {
    throw invalid('contribution', Object.keys(VARIANTS).join(', '), contribution);
  }
  const scored = (t: number) => t >= 0 && t < steps && t % interval === 0;
  return { batches, interval, contribution, scored, normed: (t) => VARIANTS[contribution].normsAt(t, scored) };
}

/** Takes a set's contributions, norms or both at θ_step, where the model is. */
async function visit(
  model: AnnotatedModel,
  set: ResolvedSet,
  tally: ScoreTally,
  step: number,
  { lambda }: SweepState,
  lr: number,
  signal: AbortSignal | undefined,
  onRows: (rows: number) => void,
): Promise<void> {
  const scored = set.scored(step);
  const norms = set.normed(step);
  if (!scored && !norms) return;
  const scale = VARIANTS[set.contribution].scale(lr);
  let offset = 0;
  for (const batch of set.batches) {
    const result = await model.perSample(batch, { norms, dots: scored ? [lambda] : undefined, signal });
    for (let i = 0; i < batch.batch; i++) {
      const n = offset + i;
      if (scored) tally.scores[n] += scale * quotient(result.dots![0][i], tally.denominators[n]);
      if (norms) tally.denominators[n] = result.norms![i];
    }
    offset += batch.batch;
    onRows(batch.batch);
  }
}

/** A sample without a gradient has nothing to contribute, rather than 0 / 0. */
function quotient(dot: number, norm: number): number {
  return norm === 0 ? 0 : dot / norm;
}

function newTally(rows: number): ScoreTally {
  return { scores: new Float64Array(rows), denominators: new Float64Array(rows).fill(1) };
}

function fingerprint(
  model: AnnotatedModel,
  batches: Batch[],
  target: Batch[],
  lr: number,
  sets: ResolvedSet[],
): Fingerprint {
  return {
    parameters: digestParameters(model.parameters),
    batches: digestBatches(batches),
    target: digestBatches(target),
    lr,
    ...Object.fromEntries(
      sets.flatMap((set, i) => [
        [`sets[${i}].batches`, digestBatches(set.batches)],
        [`sets[${i}].interval`, set.interval],
        [`sets[${i}].contribution`, set.contribution],
      ]),
    ),
  };
}

function checkBatches(name: string, batches: Batch[]): Batch[] {
  if (!Array.isArray(batches) || batches.length === 0) throw invalid(name, 'at least one batch', batches);
  return batches;
}
