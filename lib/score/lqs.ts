import { checkFinite, checkInteger, invalid } from '../check.ts';
import { checkBatchList, rowCounts, type BatchList } from '../data/batch-list.ts';
import type { LanguageModel } from '../model/language-model.ts';
import { Optimizer } from '../model/optimizer.ts';
import type { ParameterVector } from '../model/parameter-vector.ts';
import { digestBatches, digestMetric, digestParameters, type Fingerprint } from '../train/fingerprint.ts';
import { SweepCheckpoint, unrecorded, type ScoreTally, type VisitRecorder } from './lqs-checkpoint.ts';
import { directoryStore, memoryStore, SgdRun } from './lqs-iterates.ts';
import { Directions, type Metric } from './lqs-metric.ts';
import { Passes } from './lqs-passes.ts';
import { sweepWork, trackProgress } from './lqs-progress.ts';
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
  /** Every row is a sample. Sets that are given the same list share its passes. */
  batches: BatchList;
  /** Scored steps are the multiples of it below T; default max(1, ⌊T / 5⌋). */
  interval?: number;
  /** Default 'released'. */
  contribution?: Contribution;
  /**
   * An AdamW optimizer of this model: gradients are then held against Pλ_{t+1} instead of λ_{t+1}, P being its metric
   * (Optimizer.precondition) at λ_{t+1} / (T − t). The run and its adjoint stay those of plain SGD. The norms that
   * contributions are divided by stay those of the gradients.
   */
  metric?: Optimizer;
}

export interface LqsOptions {
  /** The batch of each SGD step [T]. */
  batches: BatchList;
  /** The samples whose mean loss J is to go down. */
  target: BatchList;
  /** Learning rate of the run: constant, no clipping, no weight decay. */
  lr: number;
  /** Rows worked on at once, which bounds the memory of activations; default: those of a batch. */
  microBatch?: number;
  /** Counted in forward-backward passes over one row; a Hessian product of a row is 8/3 of them. */
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
 * Memory: three parameter vectors (the model's, the adjoint, the result of a pass), a fourth where batches are larger than
 * `microBatch`, another for each metric, and the activations of one pass; besides, about 2√T iterates, on disk with `checkpointDir`. The model is
 * at its starting parameters again when the call settles, whatever its outcome, unless reading those back fails.
 * @returns scores [proxy rows], and the norms of the adjoint and the target losses along the run [T + 1].
 * @throws GradfoldError INVALID_ARGUMENT for misuse or a checkpointDir of another annotation, INVALID_DATA when the run
 *   diverges; rejects with `signal.reason` on abort.
 */
export async function annotateLqs(
  model: AnnotatedModel,
  options: LqsOptions & { proxy: BatchList } & Omit<ScoreSet, 'batches'>,
): Promise<{ scores: Float64Array } & SweepRecord> {
  const { proxy, interval, contribution, metric, ...rest } = options;
  const { scores, ...record } = await lqsSweep(model, {
    ...rest,
    sets: [{ batches: checkBatchList('proxy', proxy), interval, contribution, metric }],
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
  const { signal, checkpointDir, microBatch } = options;
  const batches = checkBatchList('batches', options.batches);
  const target = checkBatchList('target', options.target);
  const lr = checkFinite('lr', options.lr, { above: 0 });
  if (microBatch !== undefined) checkInteger('microBatch', microBatch, 1);
  const steps = batches.length;
  if (options.sets.length === 0) throw invalid('sets', 'at least one set', options.sets);
  const sets = options.sets.map((set, i) => resolveSet(`sets[${i}]`, set, steps));
  signal?.throwIfAborted();

  const tallies = sets.map(({ rows }) => newTally(rows));
  const directions = await Directions.open(
    model,
    sets.map(({ metric }) => metric),
  );
  const state: SweepState = {
    step: steps,
    lambda: model.vector(),
    lambdaNorms: new Float64Array(steps + 1),
    targetLosses: new Float64Array(steps + 1),
  };
  const checkpoint =
    checkpointDir === undefined
      ? undefined
      : new SweepCheckpoint(checkpointDir, fingerprint(model, { batches, target, lr, microBatch }, sets));
  try {
    await checkpoint?.read(state, tallies);
    if (state.step >= 0) {
      await sweep(model, { ...options, batches, target, lr }, sets, { state, tallies, directions }, checkpoint);
    }
    const { lambdaNorms, targetLosses } = state;
    return { scores: tallies.map(({ scores }) => scores), lambdaNorms, targetLosses };
  } finally {
    await checkpoint?.close();
    state.lambda.dispose();
    directions.dispose();
  }
}

async function sweep(
  model: AnnotatedModel,
  { batches, target, lr, microBatch, signal, onProgress }: LqsOptions,
  sets: ResolvedSet[],
  { state, tallies, directions }: { state: SweepState; tallies: ScoreTally[]; directions: Directions },
  checkpoint: SweepCheckpoint | undefined,
): Promise<void> {
  const store = checkpoint ? await directoryStore(checkpoint.iterates) : memoryStore();
  // Sets of the same batches read the same gradients.
  const visits = visitsOf(sets, tallies);
  const rows = { steps: rowCounts(batches), target: sum(rowCounts(target)), sets: visits };
  const left = sweepWork(rows, state.step, await store.steps()) - (checkpoint?.recordedRows ?? 0);
  const passes = new Passes(model, { microBatch, signal, onWork: trackProgress(rows, left, onProgress) });
  const run = new SgdRun(model.parameters, { batches, lr, store, passes });
  let visited = false;
  try {
    for await (const step of reverseSweep({ batches, target, lr }, passes, run, state)) {
      await checkpoint?.write(state, tallies, visited);
      const due = visits.filter((each) => each.scored(step) || each.normed(step));
      visited = due.length > 0;
      if (!visited) continue;
      if (due.some((each) => each.scored(step))) await directions.update(state.lambda, run.steps - step);
      const record = checkpoint ? await checkpoint.visit(step) : unrecorded;
      const directionOf = (metric: Metric) => directions.of(metric, state.lambda);
      for (const each of due) await visit(each, step, { passes, directionOf, lr, record });
    }
    await checkpoint?.write(state, tallies, visited);
  } catch (cause) {
    await run.rewind();
    throw cause;
  } finally {
    passes.dispose();
    store.dispose();
  }
}

interface ResolvedSet {
  batches: BatchList;
  rows: number;
  interval: number;
  contribution: Contribution;
  metric: Metric;
  /** Whether contributions are taken at θ_t. */
  scored(t: number): boolean;
  /** Whether norms are taken at θ_t, to divide contributions of earlier steps. */
  normed(t: number): boolean;
}

function resolveSet(name: string, set: ScoreSet, steps: number): ResolvedSet {
  const batches = checkBatchList(`${name}.batches`, set.batches);
  const interval = checkInteger('interval', set.interval ?? Math.max(1, Math.floor(steps / 5)), 1);
  const contribution = set.contribution ?? 'released';
  if (!Object.hasOwn(VARIANTS, contribution)) {
    throw invalid('contribution', Object.keys(VARIANTS).join(', '), contribution);
  }
  const { metric } = set;
  if (metric !== undefined && !(metric instanceof Optimizer)) throw invalid('metric', 'an optimizer', metric);
  const scored = (t: number) => t >= 0 && t < steps && t % interval === 0;
  const normed = (t: number) => VARIANTS[contribution].normsAt(t, scored);
  return { batches, rows: sum(rowCounts(batches)), interval, contribution, metric, scored, normed };
}

/** Sets of the same batches, visited together. */
interface Visit {
  batches: BatchList;
  rows: number;
  members: { set: ResolvedSet; tally: ScoreTally }[];
  /** Whether any of them is. */
  scored(t: number): boolean;
  normed(t: number): boolean;
}

function visitsOf(sets: ResolvedSet[], tallies: ScoreTally[]): Visit[] {
  return [...new Set(sets.map(({ batches }) => batches))].map((batches) => {
    const members = sets.flatMap((set, i) => (set.batches === batches ? [{ set, tally: tallies[i] }] : []));
    return {
      batches,
      rows: members[0].set.rows,
      members,
      scored: (t) => members.some(({ set }) => set.scored(t)),
      normed: (t) => members.some(({ set }) => set.normed(t)),
    };
  });
}

/** Takes the contributions of sets, norms or both at θ_step, where the model is. */
async function visit(
  { batches, members, scored, normed }: Visit,
  step: number,
  {
    passes,
    directionOf,
    lr,
    record,
  }: { passes: Passes; directionOf: (metric: Metric) => ParameterVector; lr: number; record: VisitRecorder },
): Promise<void> {
  const norms = normed(step);
  const metrics = scored(step) ? [...new Set(members.map(({ set }) => set.metric))] : [];
  const dots = metrics.length > 0 ? metrics.map(directionOf) : undefined;
  let offset = 0;
  for (const batch of batches) {
    for (const part of passes.parts(batch)) {
      const found = await record(part.batch, async () => {
        const result = await passes.perSample(part, { norms, dots });
        return [...(dots ? result.dots! : []), ...(norms ? [result.norms!] : [])];
      });
      for (const { set, tally } of members) {
        const scale = VARIANTS[set.contribution].scale(lr);
        const dotsAt = metrics.indexOf(set.metric) * part.batch;
        const normsAt = metrics.length * part.batch;
        for (let i = 0; i < part.batch; i++) {
          const n = offset + i;
          if (set.scored(step)) tally.scores[n] += scale * quotient(found[dotsAt + i], tally.denominators[n]);
          if (set.normed(step)) tally.denominators[n] = found[normsAt + i];
        }
      }
      offset += part.batch;
    }
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
  { batches, target, lr, microBatch }: Pick<LqsOptions, 'batches' | 'target' | 'lr' | 'microBatch'>,
  sets: ResolvedSet[],
): Fingerprint {
  return {
    parameters: digestParameters(model.parameters),
    batches: digestBatches(batches),
    target: digestBatches(target),
    lr,
    microBatch: microBatch ?? 'whole batches',
    ...Object.fromEntries(
      sets.flatMap((set, i) => [
        [`sets[${i}].batches`, digestBatches(set.batches)],
        [`sets[${i}].interval`, set.interval],
        [`sets[${i}].contribution`, set.contribution],
        ...(set.metric ? [[`sets[${i}].metric`, digestMetric(set.metric)] as const] : []),
      ]),
    ),
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}
