import { join } from 'node:path';
import { checkCall, checkFinite, checkInteger, checkLength, checkList, checkObject, invalid } from '../check.ts';
import { GradfoldError } from '../errors.ts';
import { LanguageModel } from '../model/language-model.ts';
import { createOptimizer, type Optimizer, type OptimizerConfig } from '../model/optimizer.ts';
import type { Plan } from '../order/plan.ts';
import { latestCheckpoint, saveCheckpoint, type TrainerState } from './checkpoint.ts';
import { checkSameRun, digest, digestParameters, type Fingerprint } from './fingerprint.ts';
import { TrainingLog, type TrainingLogEntry } from './log.ts';
import { planBatch, prefetchRows, READ_AHEAD, type TokenSource } from './sample-loader.ts';
import { resolveSchedule, scheduleFactor, type ScheduleConfig } from './schedule.ts';

export interface TrainOptions {
  model: LanguageModel;
  /** Its `lr` is the peak of the schedule; its `clipNorm` clips the gradient. */
  optimizer: OptimizerConfig;
  /** Default: constant. */
  schedule?: ScheduleConfig;
  /** Which samples, in what order, with what weights; an endless tape (see planBatch). */
  plan: Plan;
  samples: TokenSource;
  batchSize: number;
  /** Default: one pass over the plan, its last batch filled up from the plan's start. */
  steps?: number;
  /** Path of a JSON-lines file, one TrainingLogEntry a step; what is there of a run not gone on with is overwritten. */
  log?: string;
  /** Saves into `dir` every `every` steps and after the last one, and goes on from the latest one found there. */
  checkpoint?: { dir: string; every: number };
  /** Called after every step, with the line that was logged. */
  onStep?: (entry: TrainingLogEntry) => void;
  /** Runs every `every` steps and after the last one; the result goes into the log. */
  validate?: { every: number; run(): Promise<Record<string, number>> };
  signal?: AbortSignal;
}

/** Rows of the plan whose tokens are hashed to tell whether a resumed run reads the same samples. */
const HASHED_ROWS = 256;

/**
 * Trains a model on a plan. A run that is killed and started again with the same arguments goes on from its latest
 * checkpoint and ends with the same bits as an uninterrupted one at the same thread count.
 * @returns how far the run came: the steps asked for, with those made before a resume included.
 * @throws GradfoldError INVALID_ARGUMENT for misuse, or for a checkpoint of another run (saying what differs);
 *   INVALID_DATA when the loss is no longer finite; rejects with `signal.reason` on abort, before a step or within its
 *   gradient, leaving the checkpoints as they are.
 */
export async function train(options: TrainOptions): Promise<TrainerState> {
  checkCall('options', options);
  const { model, plan, samples, signal, onStep, validate, checkpoint } = options;
  if (!(model instanceof LanguageModel)) throw invalid('model', 'a LanguageModel', model);
  checkObject('samples', samples);
  model.checkPredictsNext('train');
  checkPlan(plan);
  const batchSize = checkInteger('batchSize', options.batchSize, 1);
  const steps = checkInteger('steps', options.steps ?? Math.ceil(plan.rows.length / batchSize), 1);
  const schedule = resolveSchedule(options.schedule ?? { kind: 'constant' }, steps);
  for (const name of ['checkpoint', 'validate'] as const)
    if (options[name] !== undefined) checkObject(name, options[name]);
  if (checkpoint) checkInteger('checkpoint.every', checkpoint.every, 1);
  if (validate) checkInteger('validate.every', validate.every, 1);

  const fingerprint = checkpoint ? fingerprintOf(options, schedule, steps) : {};
  const optimizer = createOptimizer(model, options.optimizer);
  const gradient = model.vector();
  try {
    const peak = optimizer.lr;
    const state = checkpoint ? await resume(model, optimizer, checkpoint.dir, fingerprint) : { ...START };
    const log = options.log === undefined ? undefined : await TrainingLog.open(options.log, state.step);
    const started = performance.now() - state.seconds * 1000;
    const due = (every: number) => state.step % every === 0 || state.step === steps;
    prefetchRows(samples, plan, state.step, batchSize, READ_AHEAD);
    while (state.step < steps) {
      signal?.throwIfAborted();
      prefetchRows(samples, plan, state.step + READ_AHEAD, batchSize);
      const { batch, weights, tokens, epoch } = planBatch(samples, plan, state.step, batchSize);
      optimizer.lr = peak * scheduleFactor(schedule, state.step, steps);
      const { perSample } = await model.gradient(batch, { weights, into: gradient, signal });
      const loss = perSample.reduce((sum, sampleLoss, i) => sum + weights[i] * sampleLoss, 0);
      if (!Number.isFinite(loss)) throw diverged(state.step + 1, loss, optimizer.lr);
      const { gradientNorm } = await optimizer.step(gradient);

      state.step++;
      state.tokens += tokens;
      const validation = validate && due(validate.every) ? await validate.run() : undefined;
      state.seconds = (performance.now() - started) / 1000;
      const entry = { ...state, loss, lr: optimizer.lr, gradientNorm, epoch, validation };
      await log?.append(entry);
      onStep?.(entry);
      if (checkpoint && due(checkpoint.every)) await save(model, optimizer, checkpoint.dir, state, fingerprint);
    }
    return state;
  } finally {
    gradient.dispose();
    optimizer.dispose();
  }
}

const START: TrainerState = { step: 0, tokens: 0, seconds: 0 };
/** The exact parameters: `model/`, which Hugging Face transformers loads, holds them in float32 on every backend. */
const PARAMETERS = 'parameters.safetensors';
const OPTIMIZER = 'optimizer.safetensors';

async function save(
  model: LanguageModel,
  optimizer: Optimizer,
  directory: string,
  state: TrainerState,
  fingerprint: Fingerprint,
): Promise<void> {
  await saveCheckpoint(directory, { format: 1, ...state, fingerprint }, async (path) => {
    await model.savePretrained(join(path, 'model'));
    await model.parameters.save(join(path, PARAMETERS));
    await optimizer.save(join(path, OPTIMIZER));
  });
}

/** Puts model and optimizer where the latest checkpoint left them; without one they stay at their start. */
async function resume(
  model: LanguageModel,
  optimizer: Optimizer,
  directory: string,
  fingerprint: Fingerprint,
): Promise<TrainerState> {
  const found = await latestCheckpoint(directory);
  if (!found) return { ...START };
  checkSameRun(found.path, found.record.fingerprint, fingerprint);
  await model.parameters.load(join(found.path, PARAMETERS));
  await optimizer.load(join(found.path, OPTIMIZER));
  const { step, tokens, seconds } = found.record;
  return { step, tokens, seconds };
}

function checkPlan(plan: Plan): void {
  checkObject('plan', plan);
  const { rows, weights } = plan;
  checkList('plan.rows', rows);
  if (rows.length === 0) throw invalid('plan.rows', 'at least one row', rows);
  if (plan.shards !== undefined) {
    throw invalid('plan.shards', 'a plan over the whole table', plan.shards, {
      fix: 'read it with its samples: readPlan(path, samples)',
    });
  }
  checkLength('plan.weights', weights, rows.length, 'one a row of the plan');
  weights.forEach((weight, i) => checkFinite(`plan.weights[${i}]`, weight, { min: 0 }));
}

function fingerprintOf(options: TrainOptions, schedule: Required<ScheduleConfig>, steps: number): Fingerprint {
  const { model, optimizer, plan, samples, batchSize } = options;
  const stride = Math.ceil(plan.rows.length / HASHED_ROWS);
  const hashed = plan.rows.filter((_, i) => i % stride === 0);
  return {
    steps,
    batchSize,
    optimizer: JSON.stringify(optimizer),
    schedule: JSON.stringify(schedule),
    plan: digest([plan.rows, plan.weights]),
    samples: digest(Array.from(hashed, (row) => Int32Array.from(samples.tokens(row)))),
    'initial parameters': digestParameters(model.parameters),
  };
}

function diverged(step: number, loss: number, lr: number): GradfoldError {
  return new GradfoldError(
    'INVALID_DATA',
    `loss at step ${step}: expected a finite number, got ${loss}; lower the learning rate (${lr}) or clip the gradient`,
  );
}
