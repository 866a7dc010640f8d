import { join } from 'node:path';
import type { Backend } from '../backend/types.ts';
import { checkFinite, checkInteger, invalid } from '../check.ts';
import type { Samples } from '../data/samples.ts';
import { BACKWARD, forwardFlops, raterFlops } from '../evaluate/compute.ts';
import { gainOverSeeds, type GainOverSeeds, type LossCurve } from '../evaluate/matched-loss.ts';
import { summarize } from '../evaluate/statistics.ts';
import type { ModelConfig, RaterConfig } from '../model/config.ts';
import { LanguageModel } from '../model/language-model.ts';
import { planOf } from '../order/plan.ts';
import { randomUint32, streamOf } from '../random.ts';
import type { Difference, ReachRow } from '../report/data.ts';
import { DROPPED_SHARES, rowsKept } from '../score/explain-domains.ts';
import { scoresByRow, type ScoreTable } from '../score/table.ts';
import { topK } from '../select/top-k.ts';
import { digest, digestRows } from '../train/fingerprint.ts';
import { packageVersion } from '../version.ts';
import { validationRows } from './rows.ts';
import type { Optimization } from './schema.ts';
import { runStages, type RunEvent, type Stage } from './stage.ts';
import { readLog, reachesOf } from './summary/curves.ts';
import { differencesTo, spread } from './summary/domains.ts';
import { MEAN_OF_DOMAINS, trainInto, TRAINING_FILES, validation } from './training.ts';

export interface SweepOptions {
  /** The folder of the trainings; a sweep that was killed goes on there. */
  dir: string;
  backend: Backend;
  samples: Samples;
  /** Higher-scored rows are kept. */
  table: ScoreTable;
  /** The smallest model that is to be trained, from fresh parameters by the seed. */
  model: ModelConfig;
  optimization: Optimization;
  seeds: readonly number[];
  /** Shares to drop; default 0.1, 0.25, 0.5, 0.75, 0.9. */
  rhos?: readonly number[];
  /** On rows of the validation split, the same for all. */
  validation: {
    rowsPerDomain: number;
    /** Steps from one point of the loss curves to the next. */
    every: number;
    /** The domain that counts; default: the mean over all of them. */
    domain?: string;
  };
  /** What made the scores, for the accounts. */
  rater?: { config: RaterConfig; metaFlops?: number; trainings?: number };
  signal?: AbortSignal;
  onEvent?: (event: RunEvent) => void;
}

/** Trainings at one ρ. */
export interface SweepRow {
  /** 0: no filter. */
  rho: number;
  name: string;
  rows: number;
  /** Times that each row is read. */
  passes: number;
  /** Validation loss at the end, by seed. */
  losses: number[];
  mean: number;
  sd: number;
  /** To no filter, paired by seed; null for no filter itself. */
  difference: Difference | null;
  /** Steps until the loss is down to where no filter ends. */
  reached: ReachRow;
  /** What the filter saves and costs, with every seed; null without a rater's configuration, and for no filter. */
  gain: GainOverSeeds | null;
}

export interface Sweep {
  /** What the losses are of: a domain, or the mean of domains. */
  measure: string;
  seeds: number[];
  steps: number;
  batch: number;
  /** Tokens that each training reads, the same but for rows that are not full. */
  tokens: number;
  rows: SweepRow[];
  /** The ρ of least mean loss; 0 where that is no filter. */
  best: number;
  /** Whether the best differs clearly from no filter (paired t-test, corrected by Holm, p < 0.05). */
  clear: boolean;
}

const NO_FILTER = 'no filter';
const CHECKPOINT_EVERY = 50;

interface Training {
  rho: number;
  seed: number;
}

/**
 * Chooses how much to drop (Calian et al. 2025): for each ρ and none, trainings at equal steps on the 1 − ρ highest-scored
 * rows, in an order that the seed draws, from the same initial parameters a seed. Trainings that are finished are not
 * repeated, an interrupted one goes on from its checkpoint.
 * @throws GradfoldError INVALID_DATA for scored rows of the validation split, a row that is scored twice, or a
 *   validation domain without rows; as `train`.
 */
export async function sweepRho(options: SweepOptions): Promise<Sweep> {
  const { dir, signal, onEvent, optimization, table } = options;
  const rhos = (options.rhos ?? DROPPED_SHARES).map(checkRho);
  const seeds = options.seeds.map((seed, i) => checkInteger(`seeds[${i}]`, seed, 0));
  if (seeds.length === 0) throw invalid('seeds', 'at least one', 'none');
  scoresByRow('the table', table);
  // Before hours of training, not after them.
  if (options.rater) raterFlops(options.rater.config, options.samples.length);
  const measure = options.validation.domain ?? MEAN_OF_DOMAINS;
  const held = heldOutRows(options, measure);

  const all = [0, ...new Set(rhos)];
  const trainings = all.flatMap((rho) => seeds.map((seed): Training => ({ rho, seed })));
  const stages = trainings.map((training) => trainingStage(training, options, held));
  const stamps = await runStages(stages, options, { dir, version: await packageVersion(), signal, onEvent });

  const points = await Promise.all(
    trainings.map(async ({ rho, seed }) => {
      const entries = await readLog(join(dir, folderOf({ rho, seed })));
      return entries.flatMap(({ step, validation }) =>
        validation ? [{ plan: nameOf(rho), seed, measure, step, loss: validation[measure] }] : [],
      );
    }),
  );
  const curves = all.map((_, i) => points.slice(i * seeds.length, (i + 1) * seeds.length));
  const losses = curves.map((ofSeeds) => ofSeeds.map((curve) => curve.at(-1)!.loss));
  const differences = differencesTo(losses[0], losses.slice(1));
  const [{ plans: reaches }] = reachesOf({ kind: 'validation', points: points.flat() }, all.map(nameOf), seeds, [
    measure,
  ]);
  const rows = all.map((rho, i): SweepRow => {
    const kept = rowsKept(table.rows.length, rho);
    const { mean, standardDeviation } = summarize(losses[i]);
    return {
      rho,
      name: nameOf(rho),
      rows: kept,
      passes: (optimization.steps * optimization.batch) / kept,
      losses: losses[i],
      mean,
      sd: spread(standardDeviation),
      difference: i === 0 ? null : differences[i - 1],
      reached: reaches[i],
      gain: i === 0 ? null : gainOf(options, rho, curves[0], curves[i]),
    };
  });
  const best = rows.reduce((least, row) => (row.mean < least.mean ? row : least));
  return {
    measure,
    seeds,
    steps: optimization.steps,
    batch: optimization.batch,
    tokens: Number(stamps[stages[0].name].facts.tokens),
    rows,
    best: best.rho,
    clear: best.difference?.clear ?? false,
  };
}

function checkRho(rho: number, i: number): number {
  if (rho === 1) throw invalid(`rhos[${i}]`, 'a share below 1', rho, { fix: 'nothing would be kept' });
  return checkFinite(`rhos[${i}]`, rho, { above: 0, max: 1 });
}

const nameOf = (rho: number): string => (rho === 0 ? NO_FILTER : `ρ ${rho}`);
const folderOf = ({ rho, seed }: Training): string => `train/${rho === 0 ? 'no-filter' : `rho-${rho}`}-seed${seed}/`;

/** Rows that all trainings are judged on. */
function heldOutRows({ samples, table, validation }: SweepOptions, measure: string): Uint32Array {
  const held = validationRows(samples, validation.rowsPerDomain, 0);
  const all = new Set(samples.rows('validation'));
  const leaked = table.rows.find((row) => all.has(row));
  if (leaked !== undefined) {
    throw invalid(`split of row ${leaked} of the score table`, 'any but validation, which judges', 'validation', {
      code: 'INVALID_DATA',
      fix: 'score rows of the split train',
    });
  }
  const domains = new Set(Array.from(held, (row) => samples.domain(row)));
  if (measure !== MEAN_OF_DOMAINS && !domains.has(measure)) {
    throw invalid('domain', `one with validation rows: ${[...domains].join(', ')}`, measure, { code: 'INVALID_DATA' });
  }
  return held;
}

function trainingStage(training: Training, options: SweepOptions, held: Uint32Array): Stage<SweepOptions> {
  const { rho, seed } = training;
  const { table, samples, optimization, model: config } = options;
  const dir = folderOf(training);
  // In the order of the rows, so that the table's own order makes no difference.
  const kept = topK(table.scores, rowsKept(table.rows.length, rho))
    .map((place) => table.rows[place])
    .sort();
  const plan = planOf(kept, null, {
    method: 'shuffle',
    seed: randomUint32(0, streamOf('sweep order'), seed),
  });
  return {
    name: `train ${rho === 0 ? NO_FILTER : `rho ${rho}`} seed ${seed}`,
    inputs: [],
    outputs: [dir],
    scratch: [`${dir}${TRAINING_FILES.checkpoints}`],
    config: {
      rows: digest([plan.rows]),
      tokens: digestRows(samples, plan.rows),
      held: digest([held]),
      every: options.validation.every,
      optimization,
      seed,
      model: config,
      backend: options.backend.info.name,
    },
    async run({ backend, signal, dir: root }, progress) {
      const model = await LanguageModel.initialize(config, { backend, seed, signal });
      try {
        const { steps, tokens } = await trainInto(join(root, dir), {
          model,
          plan,
          samples,
          optimization,
          checkpointEvery: CHECKPOINT_EVERY,
          validate: validation(model, samples, held, {
            every: options.validation.every,
            batch: optimization.batch,
            signal,
          }),
          onStep: ({ step }) => progress(step, optimization.steps, 'steps'),
          signal,
        });
        return { steps, tokens };
      } finally {
        model.dispose();
      }
    },
  };
}

function gainOf(
  { rater, samples, model, optimization, table }: SweepOptions,
  rho: number,
  baselines: LossCurve[],
  filtered: LossCurve[],
): GainOverSeeds | null {
  if (rater === undefined) return null;
  const costs = {
    stepFlops: optimization.batch * BACKWARD * forwardFlops(model, samples.length),
    baselineSteps: optimization.steps,
    candidates: optimization.batch / (1 - rho),
    kept: 1 - rho,
    scoringFlops: raterFlops(rater.config, samples.length),
    pool: table.rows.length,
    metaFlops: rater.metaFlops,
    trainings: rater.trainings,
  };
  return gainOverSeeds(costs, baselines, filtered);
}
