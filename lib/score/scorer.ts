import { join } from 'node:path';
import { checkCall, checkInteger, invalid } from '../check.ts';
import { collate } from '../data/batch.ts';
import { spearman } from '../evaluate/statistics.ts';
import { createOptimizer, type OptimizerConfig } from '../model/optimizer.ts';
import type { ParameterVector } from '../model/parameter-vector.ts';
import { SequenceRater } from '../model/sequence-rater.ts';
import { digest, digestRater, rowParts, type Fingerprint } from '../train/fingerprint.ts';
import { TrainingLog } from '../train/log.ts';
import { resolveSchedule, scheduleFactor, type ScheduleConfig } from '../train/schedule.ts';
import { checkLoss, resumeTraining, saveTraining, type Resumable } from '../train/training-state.ts';
import { scoreRows } from './rater-scores.ts';
import { scorerData, type ScorerData, type ScorerDataOptions } from './scorer-data.ts';

export interface ScorerOptions extends ScorerDataOptions {
  steps: number;
  /** Rows a step; default 32. */
  batchSize?: number;
  /** Default: AdamW with lr 1e-3, weight decay 0.01, gradient norm clipped to 1. Its `lr` is the schedule's peak. */
  optimizer?: OptimizerConfig;
  /** Default: warm-up over a tenth of the steps, then a cosine down to a tenth of the peak. */
  schedule?: ScheduleConfig;
  /** Steps between two measurements on the held-out rows; default a twentieth of all. */
  evaluateEvery?: number;
  /** Saves at every measurement, and goes on from the latest one found there. */
  checkpointDir?: string;
  /** Path of a JSON-lines file, one ScorerLogEntry a step. */
  log?: string;
  onStep?: (entry: ScorerLogEntry) => void;
  signal?: AbortSignal;
}

export interface ScorerLogEntry {
  /** Updates made, this one included. */
  step: number;
  /** Mean squared error of the batch in standardised scores, before the update. */
  loss: number;
  lr: number;
  /** Norm of the gradient before clipping. */
  gradientNorm: number;
  /** Wall time spent training so far. */
  seconds: number;
  /** After this step, where it was measured; null where the scorer gives all rows one score. */
  spearman?: number | null;
}

/** How far the training of a scorer has come. */
interface ScorerState {
  step: number;
  seconds: number;
  /** Step and rank correlation of the parameters to keep. */
  best: { step: number; spearman: number | null };
}

export interface TrainedScorer {
  /** Updates made. */
  steps: number;
  /** The update after which the rater's parameters were kept. */
  bestStep: number;
  /** Rank correlation of scores and γ on the held-out rows at that step; null where all scores were one. */
  spearman: number | null;
  /** Of the training scores: γ ≈ mean + standardDeviation · score, up to the clipping. */
  mean: number;
  standardDeviation: number;
  trainingRows: number;
  heldOutRows: number;
  seconds: number;
}

const BEST = 'best.safetensors';

/**
 * Trains a rater to give rows their scores γ (DELT, Dai et al. 2025): γ is standardised by mean and standard deviation of
 * the training rows and clipped to ±3, and the mean squared error of the rater's scores is minimised. Held-out rows pick
 * the parameters: those of highest Spearman correlation are in the rater when the call resolves. A run that is killed and
 * started again with the same arguments goes on from its latest checkpoint and ends with the same bits.
 * @throws GradfoldError INVALID_ARGUMENT for misuse, or for a checkpoint of another run; INVALID_DATA as scorerData, or
 *   when the loss is no longer finite; rejects with `signal.reason` on abort, leaving the checkpoints as they are.
 */
export async function trainScorer(rater: SequenceRater, options: ScorerOptions): Promise<TrainedScorer> {
  checkCall('options', options);
  if (!(rater instanceof SequenceRater)) throw invalid('rater', 'a SequenceRater', rater);
  const { signal, onStep } = options;
  const steps = checkInteger('steps', options.steps, 1);
  const batchSize = checkInteger('batchSize', options.batchSize ?? 32, 1);
  const evaluateEvery = checkInteger('evaluateEvery', options.evaluateEvery ?? Math.ceil(steps / 20), 1);
  const schedule = resolveSchedule(
    options.schedule ?? { kind: 'cosine', warmupSteps: Math.ceil(steps / 10), finalRatio: 0.1 },
    steps,
  );
  const config = options.optimizer ?? { kind: 'adamw', lr: 1e-3, weightDecay: 0.01, clipNorm: 1 };
  const data = scorerData(options);

  const optimizer = createOptimizer(rater, config);
  const gradient = rater.vector();
  const best = rater.vector();
  try {
    const settings = { steps, batchSize, evaluateEvery, optimizer: JSON.stringify(config) };
    const resumable: Resumable | undefined =
      options.checkpointDir === undefined
        ? undefined
        : {
            directory: options.checkpointDir,
            model: rater,
            optimizer,
            fingerprint: { ...settings, schedule: JSON.stringify(schedule), ...fingerprintOf(rater, data) },
          };
    const state: ScorerState = (resumable &&
      (await resumeTraining<ScorerState>(resumable, (path) => best.load(join(path, BEST))))) ?? {
      step: 0,
      seconds: 0,
      best: { step: 0, spearman: null },
    };
    const log = options.log === undefined ? undefined : await TrainingLog.open<ScorerLogEntry>(options.log, state.step);
    const started = performance.now() - state.seconds * 1000;
    const peak = config.lr;
    while (state.step < steps) {
      signal?.throwIfAborted();
      optimizer.lr = peak * scheduleFactor(schedule, state.step, steps);
      const loss = await regress(rater, data, data.batch(state.step, batchSize), gradient, signal);
      checkLoss(state.step + 1, loss, optimizer.lr);
      const { gradientNorm } = await optimizer.step(gradient);
      state.step++;

      const due = state.step % evaluateEvery === 0 || state.step === steps;
      const measured = due ? await measure(rater, data, batchSize, signal) : undefined;
      state.seconds = (performance.now() - started) / 1000;
      if (measured !== undefined && (state.best.step === 0 || rank(measured) > rank(state.best.spearman))) {
        state.best = { step: state.step, spearman: measured };
        best.copyFrom(rater.parameters);
      }
      const { step, seconds } = state;
      const entry = { step, loss, lr: optimizer.lr, gradientNorm, seconds, ...(due && { spearman: measured }) };
      await log?.append(entry);
      onStep?.(entry);
      if (due && resumable) await saveTraining(resumable, state, (path) => best.save(join(path, BEST)));
    }
    rater.parameters.copyFrom(best);
    return {
      steps,
      bestStep: state.best.step,
      spearman: state.best.spearman,
      mean: data.mean,
      standardDeviation: data.standardDeviation,
      trainingRows: data.training.length,
      heldOutRows: data.heldOut.length,
      seconds: state.seconds,
    };
  } finally {
    for (const each of [gradient, best, optimizer]) each.dispose();
  }
}

/** into = ∇ of the batch's mean squared error; resolves to that error. */
async function regress(
  rater: SequenceRater,
  data: ScorerData,
  places: Uint32Array,
  into: ParameterVector,
  signal: AbortSignal | undefined,
): Promise<number> {
  const batch = collate(Array.from(places, data.row));
  const scores = await rater.score(batch, { signal });
  const errors = scores.map((score, i) => score - data.targets[places[i]]);
  const loss = errors.reduce((sum, error) => sum + error * error, 0) / places.length;
  if (Number.isFinite(loss)) {
    const scoreGradients = errors.map((error) => (2 * error) / places.length);
    await rater.backward(batch, scoreGradients, { into, signal });
  }
  return loss;
}

/** Spearman's correlation of scores and γ on the held-out rows; null where the rater gives all of them one score. */
async function measure(
  rater: SequenceRater,
  data: ScorerData,
  batchSize: number,
  signal: AbortSignal | undefined,
): Promise<number | null> {
  const predicted = await scoreRows(rater, data, data.heldOut, { batchSize, signal });
  const correlation = spearman(
    predicted,
    Array.from(data.heldOut, (place) => data.scores[place]),
  );
  return Number.isFinite(correlation) ? correlation : null;
}

/** A scorer that tells nothing apart is worse than one that is wrong throughout. */
function rank(correlation: number | null): number {
  return correlation ?? -2;
}

function fingerprintOf(rater: SequenceRater, data: ScorerData): Fingerprint {
  const { training, heldOut, targets } = data;
  return {
    'training rows': digest([training, ...Array.from(training, (place) => rowParts(data.row(place))).flat()]),
    'held-out rows': digest([heldOut, ...Array.from(heldOut, (place) => rowParts(data.row(place))).flat()]),
    scores: digest([data.scores, targets]),
    'rater settings': JSON.stringify(rater.config),
    'initial parameters': digestRater(rater),
  };
}
