import { checkCall, checkFinite, checkInteger, checkObject, invalid } from '../../check.ts';
import type { TokenSource } from '../../data/token-source.ts';
import { LanguageModel } from '../../model/language-model.ts';
import { resolveOptimizer, type OptimizerConfig } from '../../model/optimizer-update.ts';
import { ParameterVector } from '../../model/parameter-vector.ts';
import { SequenceRater } from '../../model/sequence-rater.ts';
import { randomPermutation, streamOf } from '../../random.ts';
import { resolveSchedule, type ScheduleConfig } from '../../train/schedule.ts';
import { PROBE_LAG, type ProbeData } from './probe.ts';
import type { PopulationOptions } from './population.ts';

export interface RowsOptions {
  samples: TokenSource & { domain?(row: number): string };
  rows: ArrayLike<number>;
  /** Rows a batch; default 32 of the inner rows, 64 of the outer ones. */
  batchSize?: number;
}

export interface DataRaterOptions {
  /** Gives the inner models their architecture and a place to run in; its parameters are the same again in the end. */
  model: LanguageModel;
  /** Rows that are rated, and that inner models are trained on. */
  inner: RowsOptions;
  /** Rows whose loss the rater is to bring down: of the same distribution, or a target set. No row of `inner`. */
  outer: RowsOptions;
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
  /** Of the rater; default AdamW with lr 3e-3, betas 0.9 and 0.99, no weight decay. Its `lr` is the schedule's peak. */
  optimizer?: OptimizerConfig;
  /** Default: a cosine to a tenth of the peak. */
  schedule?: ScheduleConfig;
  /** One Adam for all inner models' meta-gradients instead of one each. */
  sharedOptimizer?: boolean;
  /** Whether each inner model's meta-gradient is scaled to norm 1 before it is used; default true. */
  normalize?: boolean;
  /** Leaves the Hessian products out. For comparison. */
  firstOrder?: boolean;
  /** Rows that are rated every `every` meta-steps, for the log; default 256 of the inner rows, every 25. */
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
  /** Mean loss of the outer rows after the inner steps, over the inner models of this meta-step. */
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
export interface DataRaterSettings extends Required<
  Omit<DataRaterOptions, 'probe' | 'checkpoint' | 'log' | 'onStep' | 'signal' | 'inner' | 'outer' | 'population'>
> {
  inner: { samples: RowsOptions['samples']; rows: Uint32Array; batchSize: number };
  outer: { samples: RowsOptions['samples']; rows: Uint32Array; batchSize: number };
  population: Required<PopulationOptions>;
  schedule: Required<ScheduleConfig>;
  probe: ProbeData & { every: number };
}

const PROBE_ROWS = 256;
/** A fresh Adam divides a gradient by its own size, so that its first steps say next to nothing about weights. */
const FRESH_BURN_IN = 100;

/** @throws GradfoldError INVALID_ARGUMENT naming the option that is wrong */
export function resolveDataRater(rater: SequenceRater, options: DataRaterOptions): DataRaterSettings {
  checkCall('options', options);
  if (!(rater instanceof SequenceRater)) throw invalid('rater', 'a SequenceRater', rater);
  const { model } = options;
  if (!(model instanceof LanguageModel)) throw invalid('model', 'a LanguageModel', model);
  const seed = checkInteger('seed', options.seed ?? 0, 0);
  const steps = checkInteger('steps', options.steps, 1);
  const inner = resolveRows('inner', options.inner, 32);
  const outer = resolveRows('outer', options.outer, 64);
  checkDisjoint(inner, outer);
  const population = resolvePopulation(model, options.population ?? {});
  const innerOptimizer = options.innerOptimizer ?? { kind: 'adamw', lr: 1e-3, betas: [0.9, 0.95] };
  const optimizer = options.optimizer ?? { kind: 'adamw', lr: 3e-3, betas: [0.9, 0.99] };
  for (const config of [innerOptimizer, optimizer]) resolveOptimizer(config);
  if (options.checkpoint) checkInteger('checkpoint.every', options.checkpoint.every, 1);
  return {
    model,
    inner,
    outer,
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
    probe: resolveProbe(inner, options.probe ?? {}, seed),
    seed,
  };
}

function resolveRows(name: string, options: RowsOptions, batchSize: number): DataRaterSettings['inner'] {
  checkObject(name, options);
  checkObject(`${name}.samples`, options.samples);
  const rows = Uint32Array.from(options.rows);
  const size = checkInteger(`${name}.batchSize`, options.batchSize ?? batchSize, 1);
  if (rows.length < size) throw invalid(`${name}.rows`, `at least a batch of ${size} rows`, rows.length);
  return { samples: options.samples, rows, batchSize: size };
}

/** A row on both sides would teach the rater to prefer what is measured on, not what helps. */
function checkDisjoint(inner: DataRaterSettings['inner'], outer: DataRaterSettings['outer']): void {
  if (inner.samples !== outer.samples) return;
  const rated = new Set(inner.rows);
  const shared = outer.rows.find((row) => rated.has(row));
  if (shared !== undefined) throw invalid('outer.rows', 'no row of inner.rows', `row ${shared}`);
}

function resolvePopulation(model: LanguageModel, options: PopulationOptions): Required<PopulationOptions> {
  checkObject('population', options);
  const starts = options.starts ?? [];
  for (const [i, { parameters, state }] of starts.entries()) {
    ParameterVector.engineOf(parameters, model.space, `population.starts[${i}].parameters`);
    if (state) ParameterVector.engineOf(state.m, model.space, `population.starts[${i}].state.m`);
    if (state) ParameterVector.engineOf(state.v, model.space, `population.starts[${i}].state.v`);
  }
  const burnIn = starts.length > 0 ? 0 : FRESH_BURN_IN;
  return {
    size: checkInteger('population.size', options.size ?? 4, 1),
    life: checkInteger('population.life', options.life ?? 60, 1),
    burnIn: checkInteger('population.burnIn', options.burnIn ?? burnIn, 0),
    starts,
  };
}

function resolveProbe(
  { samples, rows }: DataRaterSettings['inner'],
  options: NonNullable<DataRaterOptions['probe']>,
  seed: number,
): DataRaterSettings['probe'] {
  checkObject('probe', options);
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
