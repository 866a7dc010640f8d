import { checkArray, checkFinite, checkInteger, checkOptions, invalid, type OptionNames } from '../../check.ts';
import { LanguageModel } from '../../model/language-model.ts';
import { resolveOptimizer, type OptimizerConfig } from '../../model/optimizer-update.ts';
import { ParameterVector } from '../../model/parameter-vector.ts';
import { SequenceRater } from '../../model/sequence-rater.ts';
import { randomPermutation, streamOf } from '../../random.ts';
import { resolveSchedule, type ScheduleConfig } from '../../train/schedule.ts';
import { PROBE_LAG, type ProbeData } from './probe.ts';
import { FRESH, type PopulationOptions, type PopulationSettings } from './population.ts';
import { resolveRowSets, type RowSet, type RowSets, type RowSetsOptions } from './row-sets.ts';

export interface DataRaterOptions extends RowSetsOptions {
  /**
   * What is trained; begins as it is. Give its head zeros (`initializeDataRater`) so that first weights are equal.
   */
  rater: SequenceRater;
  /** Gives the inner models their architecture and a place to run in; its parameters are the same again in the end. */
  model: LanguageModel;
  /** Meta-steps: updates of the rater. */
  steps: number;
  /** T: inner steps that are differentiated through; default 2. */
  window?: number;
  /** τ of the weights softmax(s / τ) over a batch; default 1. */
  temperature?: number;
  population?: PopulationOptions;
  /** Inner models that a meta-step takes a meta-gradient of, in turn; default: all of them. */
  modelsPerStep?: number;
  /** Of the inner steps; default AdamW with lr 1e-3, betas 0.9 and 0.95. */
  innerOptimizer?: OptimizerConfig;
  /**
   * Of the rater; default AdamW with lr 3e-3, betas 0.9 and 0.99, no weight decay. Its `lr` is the schedule's peak. Its
   * `clipNorm` acts on meta-gradients as `normalize` leaves them: on a norm of 1, or on their own one.
   */
  optimizer?: OptimizerConfig;
  /** Default: a cosine to a tenth of the peak. */
  schedule?: ScheduleConfig;
  /** One Adam for all inner models' meta-gradients instead of one each. */
  sharedOptimizer?: boolean;
  /**
   * Whether each inner model's meta-gradient is scaled to norm 1 before it is used, after which a `clipNorm` of 1 or more
   * changes nothing; default true.
   */
  normalize?: boolean;
  /** Leaves the Hessian products out. For comparison. */
  firstOrder?: boolean;
  /** Rows that are rated every `every` meta-steps, for the log; default 256 of the rated rows, every 25. */
  probe?: { rows?: ArrayLike<number>; every?: number };
  seed?: number;
  /** Saves every `every` meta-steps and after the last one, and goes on from the latest checkpoint found there. */
  checkpoint?: { dir: string; every: number };
  /** Path of a JSON-lines file, one DataRaterLogEntry a meta-step. */
  log?: string;
  onStep?: (entry: DataRaterLogEntry) => void | Promise<void>;
  signal?: AbortSignal;
}

export interface DataRaterLogEntry {
  /** Meta-steps made, this one included. */
  step: number;
  lr: number;
  /** Mean loss of the held-out rows after the inner steps, over the inner models of this meta-step. */
  outerLoss: number;
  /** exp of the weights' entropy: so many rows of a batch count as if they alone were there. Mean over batches. */
  effectiveSamples: number;
  /** The inner models of this meta-step. */
  models: {
    model: number;
    /** Inner steps since its start, the last ones included. */
    age: number;
    outerLoss: number;
    /** Norm of its meta-gradient, before it is scaled or clipped. */
    metaGradientNorm: number;
  }[];
  /** Wall time spent so far. */
  seconds: number;
  /** Scores of the probe rows by domain, where they were taken. */
  domains?: Record<string, { mean: number; standardDeviation: number | null }>;
  /** Spearman's correlation of the probe rows' scores with those 100 meta-steps before. */
  stability?: number | null;
}

/** Options with their defaults. */
export interface DataRaterSettings
  extends
    RowSets,
    Required<
      Omit<
        DataRaterOptions,
        'rater' | 'probe' | 'checkpoint' | 'log' | 'onStep' | 'signal' | 'population' | keyof RowSets
      >
    > {
  population: Omit<PopulationSettings, 'adaptive' | 'seed'>;
  schedule: Required<ScheduleConfig>;
  probe: ProbeData & { every: number };
}

const OPTIONS: OptionNames<DataRaterOptions> = {
  rater: true,
  model: true,
  inner: true,
  rated: true,
  heldOut: true,
  steps: true,
  window: true,
  temperature: true,
  population: true,
  modelsPerStep: true,
  innerOptimizer: true,
  optimizer: true,
  schedule: true,
  sharedOptimizer: true,
  normalize: true,
  firstOrder: true,
  probe: true,
  seed: true,
  checkpoint: true,
  log: true,
  onStep: true,
  signal: true,
};
const POPULATION: OptionNames<PopulationOptions> = { size: true, life: true, burnIn: true, starts: true };
const PROBE: OptionNames<NonNullable<DataRaterOptions['probe']>> = { rows: true, every: true };
const PROBE_ROWS = 256;
/** A fresh Adam divides a gradient by its own size, so that its first steps say next to nothing about weights. */
const FRESH_BURN_IN = 100;

/** @throws GradfoldError INVALID_ARGUMENT naming the option that is wrong */
export function resolveDataRater(options: DataRaterOptions): DataRaterSettings {
  checkOptions('options', options, OPTIONS);
  const { model, rater } = options;
  if (!(rater instanceof SequenceRater)) throw invalid('rater', 'a SequenceRater', rater);
  if (!(model instanceof LanguageModel)) throw invalid('model', 'a LanguageModel', model);
  const seed = checkInteger('seed', options.seed ?? 0, 0);
  const steps = checkInteger('steps', options.steps, 1);
  const population = resolvePopulation(model, options.population ?? {});
  const { starts, burnIn } = population;
  const sets = resolveRowSets(options, {
    burnIn: starts.some((start) => burnIn[start === FRESH ? 'fresh' : 'trained'] > 0),
    seed,
    starts: starts.map((start) => (start === FRESH ? undefined : start.trainedOn)),
  });
  const innerOptimizer = options.innerOptimizer ?? { kind: 'adamw', lr: 1e-3, betas: [0.9, 0.95] };
  const optimizer = options.optimizer ?? { kind: 'adamw', lr: 3e-3, betas: [0.9, 0.99] };
  for (const config of [innerOptimizer, optimizer]) resolveOptimizer(config);
  if (options.checkpoint) checkInteger('checkpoint.every', options.checkpoint.every, 1);
  return {
    model,
    ...sets,
    steps,
    window: checkInteger('window', options.window ?? 2, 1),
    temperature: checkFinite('temperature', options.temperature ?? 1, { above: 0 }),
    population,
    modelsPerStep: checkInteger('modelsPerStep', options.modelsPerStep ?? population.size, 1, population.size),
    innerOptimizer,
    optimizer,
    schedule: resolveSchedule(options.schedule ?? { kind: 'cosine' }, steps),
    sharedOptimizer: options.sharedOptimizer ?? false,
    normalize: options.normalize ?? true,
    firstOrder: options.firstOrder ?? false,
    probe: resolveProbe(sets.rated, options.probe ?? {}, seed),
    seed,
  };
}

function resolvePopulation(model: LanguageModel, options: PopulationOptions): DataRaterSettings['population'] {
  checkOptions('population', options, POPULATION);
  const given = options.starts ?? [];
  checkArray('population.starts', given);
  for (const [i, start] of given.entries()) {
    if (start === FRESH) continue;
    const { parameters, state } = start;
    ParameterVector.engineOf(parameters, model.space, `population.starts[${i}].parameters`);
    if (state) ParameterVector.engineOf(state.m, model.space, `population.starts[${i}].state.m`);
    if (state) ParameterVector.engineOf(state.v, model.space, `population.starts[${i}].state.v`);
  }
  const burnIn = (initial: number) => checkInteger('population.burnIn', options.burnIn ?? initial, 0);
  return {
    size: checkInteger('population.size', options.size ?? 4, 1),
    life: checkInteger('population.life', options.life ?? 60, 1),
    burnIn: { fresh: burnIn(FRESH_BURN_IN), trained: burnIn(0) },
    starts: given.length > 0 ? given : [FRESH],
  };
}

function resolveProbe(
  { samples, rows }: RowSet,
  options: NonNullable<DataRaterOptions['probe']>,
  seed: number,
): DataRaterSettings['probe'] {
  checkOptions('probe', options, PROBE);
  const every = checkInteger('probe.every', options.every ?? 25, 1);
  if (PROBE_LAG % every !== 0) throw invalid('probe.every', `a divisor of ${PROBE_LAG}`, every);
  const drawn = () =>
    randomPermutation(rows.length, seed, streamOf('data-rater/probe'))
      .slice(0, PROBE_ROWS)
      .map((place) => rows[place]);
  const probed = options.rows ? Uint32Array.from(options.rows) : drawn();
  if (probed.length < 2) throw invalid('probe.rows', 'at least 2 rows', probed.length);
  return { samples, rows: probed, every };
}
