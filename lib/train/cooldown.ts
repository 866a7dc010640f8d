import { checkFinite, checkInteger, checkObject, invalid } from '../check.ts';
import type { Samples } from '../data/samples.ts';
import type { TokenSource } from '../data/token-source.ts';
import { planInOrder, type Plan } from '../order/plan.ts';
import { JoinedSource } from './joined-source.ts';
import type { StagedPlan } from './stages.ts';

/** Rows of one table in training order. */
export interface PlannedRows {
  samples: TokenSource;
  plan: Plan;
}

/** A training on two tables: rows with metadata, and rows without. */
export interface CooldownOptions {
  conditioned: PlannedRows;
  plain: PlannedRows;
  /** Optimizer steps of both stages together. */
  steps: number;
  /** Rows read a step. */
  batchSize: number;
  /** Share of the steps on plain rows; default 0.1. */
  cooldown?: number;
}

/** What `train` takes of it: one run over both tables. */
export interface StagedRun {
  samples: TokenSource;
  plan: StagedPlan;
  steps: number;
  batchSize: number;
}

/** Of MeCo's reference runs. */
export const DEFAULT_COOLDOWN = 0.1;

/**
 * Steps of the cooldown: the share of all steps, rounded.
 * @throws GradfoldError INVALID_ARGUMENT when that leaves one of the stages without a step
 */
export function cooldownSteps(steps: number, cooldown = DEFAULT_COOLDOWN): number {
  checkInteger('steps', steps, 2);
  const last = Math.round(steps * checkFinite('cooldown', cooldown, { above: 0, max: 1 }));
  if (last >= 1 && last < steps) return last;
  throw invalid('cooldown', `a share that leaves each stage one of the ${steps} steps or more`, cooldown);
}

/**
 * MeCo (Gao et al. 2025): conditioned rows first, plain rows for the last share of the steps. For `train` the two are
 * one run, so there is one schedule, one optimizer state and one line of checkpoints: `train({ model, optimizer, ...withCooldown(…) })`.
 */
export function withCooldown(options: CooldownOptions): StagedRun {
  const { steps, batchSize } = checkOptions(options);
  const boundary = (steps - cooldownSteps(steps, options.cooldown)) * batchSize;
  const { samples, rows } = joined(options);
  const [conditioned, plain] = [options.conditioned.plan, options.plain.plan];
  const plan = {
    rows: concatenate(Uint32Array, rows),
    layers: concatenate(Uint32Array, [conditioned.layers, plain.layers]),
    weights: concatenate(Float32Array, [conditioned.weights, plain.weights]),
    stages: [
      { start: 0, first: 0 },
      { start: boundary, first: conditioned.rows.length },
    ],
  };
  return { samples, plan, steps, batchSize };
}

/**
 * The same shares of both tables mixed throughout, spread evenly: the ablation that has no cooldown. Weights of the plans
 * are kept, rows of a plan that is read through begin again.
 */
export function mixedThroughout(options: CooldownOptions): StagedRun {
  const { steps, batchSize } = checkOptions(options);
  const share = cooldownSteps(steps, options.cooldown) / steps;
  const { samples, rows } = joined(options);
  const plans = [options.conditioned.plan, options.plain.plan];
  const length = steps * batchSize;
  const plan = planInOrder(new Uint32Array(length));
  for (let i = 0; i < length; i++) {
    const plainBefore = Math.floor(i * share);
    const part = Math.floor((i + 1) * share) > plainBefore ? 1 : 0;
    const place = (part === 1 ? plainBefore : i - plainBefore) % rows[part].length;
    plan.rows[i] = rows[part][place];
    plan.layers[i] = plans[part].layers[place];
    plan.weights[i] = plans[part].weights[place];
  }
  return { samples, plan, steps, batchSize };
}

/** The documents of each row of a table, by their rows of the corpus. */
export function documentsIn(samples: Pick<Samples, 'document' | 'pieces'>): (row: number) => number[] {
  return (row) => samples.pieces?.(row).map(({ document }) => document) ?? [samples.document(row)];
}

/**
 * @throws GradfoldError INVALID_DATA for tables that are known to be of two corpora: the same document has other numbers there,
 *   so nobody can say which rows are of documents not seen before
 */
export function checkOneCorpus(conditioned: Pick<Samples, 'corpus'>, plain: Pick<Samples, 'corpus'>): void {
  if (conditioned.corpus === undefined || plain.corpus === undefined || conditioned.corpus === plain.corpus) return;
  throw invalid('plain rows (--plain)', 'rows of the corpus that the others are of', 'those of another corpus', {
    code: 'INVALID_DATA',
    fix: 'make both tables of one corpus, with one run of gradfold condition',
  });
}

/**
 * The rows of the plain plan none of whose documents is among those that the first stage reads.
 * @param documentsOf the documents of a row of each table, by numbers that mean the same in both
 * @throws GradfoldError INVALID_DATA when no row is left
 */
export function unseenRows(
  options: CooldownOptions,
  documentsOf: Record<'conditioned' | 'plain', (row: number) => ArrayLike<number>>,
): Plan {
  const { steps, batchSize } = checkOptions(options);
  const { conditioned, plain } = options;
  const read = (steps - cooldownSteps(steps, options.cooldown)) * batchSize;
  const seen = new Set<number>();
  for (const row of conditioned.plan.rows.subarray(0, read))
    for (const document of Array.from(documentsOf.conditioned(row))) seen.add(document);
  const places = Uint32Array.from(plain.plan.rows.keys()).filter((place) =>
    Array.from(documentsOf.plain(plain.plan.rows[place])).every((document) => !seen.has(document)),
  );
  if (places.length === 0) {
    throw invalid('plain rows', 'some of documents that the first stage does not read', 'none', {
      code: 'INVALID_DATA',
      fix: 'give a table of other documents, or fewer steps',
    });
  }
  return {
    rows: places.map((place) => plain.plan.rows[place]),
    layers: places.map((place) => plain.plan.layers[place]),
    weights: Float32Array.from(places, (place) => plain.plan.weights[place]),
  };
}

function checkOptions(options: CooldownOptions): { steps: number; batchSize: number } {
  for (const name of ['conditioned', 'plain'] as const) {
    checkObject(name, options[name]);
    checkObject(`${name}.samples`, options[name].samples);
    checkObject(`${name}.plan`, options[name].plan);
    if (!(options[name].plan.rows?.length > 0)) throw invalid(`${name}.plan.rows`, 'at least one row', 'none');
  }
  return { steps: checkInteger('steps', options.steps, 2), batchSize: checkInteger('batchSize', options.batchSize, 1) };
}

/** Both tables as one, and the rows of both plans by their numbers in it. */
function joined({ conditioned, plain }: CooldownOptions): { samples: JoinedSource; rows: [Uint32Array, Uint32Array] } {
  const count = ({ rows }: Plan) => rows.reduce((most, row) => Math.max(most, row + 1), 0);
  const samples = new JoinedSource([conditioned, plain].map(({ samples, plan }) => ({ samples, count: count(plan) })));
  return { samples, rows: [conditioned.plan.rows, plain.plan.rows.map((row) => row + samples.starts[1])] };
}

function concatenate<T extends Uint32Array | Float32Array>(type: new (length: number) => T, parts: readonly T[]): T {
  const whole = new type(parts.reduce((length, part) => length + part.length, 0));
  let end = 0;
  for (const part of parts) {
    whole.set(part, end);
    end += part.length;
  }
  return whole;
}
