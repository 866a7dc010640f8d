import { join } from 'node:path';
import { checkCall, checkFinite, checkInteger, checkLength, checkList, checkObject, invalid } from '../check.ts';
import { needsNextToken, type TokenSource } from '../data/token-source.ts';
import { LanguageModel } from '../model/language-model.ts';
import { createOptimizer, type OptimizerConfig } from '../model/optimizer.ts';
import { digest, digestParameters, digestRows, type Fingerprint } from './fingerprint.ts';
import type { BatchFilter, HookState, StepObserver } from './hooks.ts';
import { TrainingLog, type TrainingLogEntry } from './log.ts';
import { planBatch, prefetchRows, READ_AHEAD } from './sample-loader.ts';
import { resolveSchedule, scheduleFactor, type ScheduleConfig } from './schedule.ts';
import { checkStages, type StagedPlan } from './stages.ts';
import { stepGradient } from './step.ts';
import { checkLoss, resumeTraining, saveTraining } from './training-state.ts';

/** How far a run has come. */
export interface TrainerState {
  /** Updates made. */
  step: number;
  /** Tokens trained on, padding not counted. */
  tokens: number;
  /** Wall time spent training, resumed stretches added up. */
  seconds: number;
}

export interface TrainOptions {
  model: LanguageModel;
  /** Its `lr` is the peak of the schedule; its `clipNorm` clips the gradient. */
  optimizer: OptimizerConfig;
  /** Default: constant. */
  schedule?: ScheduleConfig;
  /** Which samples, in what order, with what weights; an endless tape (see planBatch), or one tape a stage (see withCooldown). */
  plan: StagedPlan;
  samples: TokenSource;
  /** Rows a step; with a filter, it reads `filter.candidates` and trains on those that it chooses. */
  batchSize: number;
  /** Default: one pass over the plan, its last batch filled up from the plan's start. */
  steps?: number;
  /** Chooses the samples of each step among candidates, or weighs them. */
  filter?: BatchFilter;
  /** Sees the gradients of each step's samples: in-run scores (`InRunScores`). */
  observer?: StepObserver;
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
  const { model, plan, samples, filter, observer, signal, onStep, validate, checkpoint } = options;
  if (!(model instanceof LanguageModel)) throw invalid('model', 'a LanguageModel', model);
  checkObject('samples', samples);
  if (needsNextToken(samples)) model.checkPredictsNext('train');
  checkPlan(plan);
  const batchSize = checkInteger('batchSize', options.batchSize, 1);
  const read = filter ? checkInteger('filter.candidates', filter.candidates, batchSize) : batchSize;
  const steps = checkInteger('steps', options.steps ?? Math.ceil(plan.rows.length / read), 1);
  const schedule = resolveSchedule(options.schedule ?? { kind: 'constant' }, steps);
  for (const name of ['checkpoint', 'validate'] as const)
    if (options[name] !== undefined) checkObject(name, options[name]);
  if (checkpoint) checkInteger('checkpoint.every', checkpoint.every, 1);
  if (validate) checkInteger('validate.every', validate.every, 1);

  const hooks = [filter, observer].filter((hook) => hook !== undefined);
  const optimizer = createOptimizer(model, options.optimizer);
  const gradient = model.vector();
  try {
    const peak = optimizer.lr;
    const resumable = checkpoint && {
      directory: checkpoint.dir,
      model,
      optimizer,
      fingerprint: fingerprintOf(options, schedule, steps),
    };
    const state = (resumable && (await resumeTraining<TrainerState>(resumable, (path) => load(hooks, path)))) ?? {
      ...START,
    };
    const log = options.log === undefined ? undefined : await TrainingLog.open(options.log, state.step);
    const started = performance.now() - state.seconds * 1000;
    const due = (every: number) => state.step % every === 0 || state.step === steps;
    prefetchRows(samples, plan, state.step, read, READ_AHEAD);
    while (state.step < steps) {
      signal?.throwIfAborted();
      prefetchRows(samples, plan, state.step + READ_AHEAD, read);
      const planned = planBatch(samples, plan, state.step, read);
      optimizer.lr = peak * scheduleFactor(schedule, state.step, steps);
      const { trained, loss } = await stepGradient(
        model,
        planned,
        gradient,
        { filter, observer },
        { step: state.step, lr: optimizer.lr, optimizer, scratch: gradient, signal },
      );
      checkLoss(state.step + 1, loss, optimizer.lr);
      const { gradientNorm } = await optimizer.step(gradient);

      state.step++;
      state.tokens += trained.tokens;
      const validation = validate && due(validate.every) ? await validate.run() : undefined;
      state.seconds = (performance.now() - started) / 1000;
      const entry = { ...state, loss, lr: optimizer.lr, gradientNorm, epoch: planned.epoch, validation };
      await log?.append(entry);
      onStep?.(entry);
      if (resumable && due(checkpoint!.every)) {
        await saveTraining(resumable, state, async (path) => {
          await model.savePretrained(join(path, 'model'));
          for (const hook of hooks) await hook.save?.(path);
        });
      }
    }
    return state;
  } finally {
    gradient.dispose();
    optimizer.dispose();
  }
}

const START: TrainerState = { step: 0, tokens: 0, seconds: 0 };

async function load(hooks: readonly HookState[], path: string): Promise<void> {
  for (const hook of hooks) await hook.load?.(path);
}

function checkPlan(plan: StagedPlan): void {
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
  checkStages(plan);
}

function fingerprintOf(options: TrainOptions, schedule: Required<ScheduleConfig>, steps: number): Fingerprint {
  const { model, optimizer, plan, samples, batchSize } = options;
  return {
    steps,
    batchSize,
    optimizer: JSON.stringify(optimizer),
    schedule: JSON.stringify(schedule),
    plan: digest([plan.rows, plan.weights]),
    ...(plan.stages && { stages: JSON.stringify(plan.stages) }),
    samples: digestRows(samples, plan.rows),
    'initial parameters': digestParameters(model.parameters),
    ...(options.filter && { candidates: options.filter.candidates }),
    ...options.filter?.fingerprint,
    ...options.observer?.fingerprint,
  };
}
