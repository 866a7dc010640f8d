import {
  evaluatePerplexity,
  foldOrder,
  LanguageModel,
  pairedDifference,
  shuffleOrder,
  summarize,
  topRatio,
  train,
  type Backend,
} from 'gradfold';
import { plantedNoise, type PlantedNoise } from './data.ts';
import { AGE, annotation } from './find.ts';
import { ADAM, BATCH_ROWS, MODEL, trainedModel } from './model.ts';
import type { NoiseOptions } from './options.ts';
import { annotate } from './scores.ts';

const SCORE = 'LQS released';
/** Share of the pool that is selected. */
const KEPT = 0.5;
/** Clean rows on which the trained models are compared. */
const VALIDATION_ROWS = 1024;
/** The pool is scored at two steps: a visit costs as much as one pass of training over it. */
const POOL_INTERVAL = 25;

interface Pool {
  rows: Uint32Array;
  scores: Float64Array;
  clean(place: number): boolean;
  seed: number;
}

/** Places in the pool, in training order; each is read again from its start when it ends. */
type Order = (pool: Pool) => Uint32Array;

const BASELINE = 'whole pool';

const ORDERS: Record<string, Order> = {
  [BASELINE]: ({ rows, seed }) => shuffleOrder(rows.length, seed),
  'random half': ({ rows, seed }) => shuffleOrder(rows.length, seed).slice(0, Math.floor(rows.length * KEPT)),
  'LQS half': ({ scores, seed }) => shuffled(topRatio(scores, KEPT), seed),
  'LQS half, folded': ({ scores }) => {
    const kept = topRatio(scores, KEPT);
    return foldOrder(Float64Array.from(kept, (place) => scores[place])).map((i) => kept[i]);
  },
  'clean rows only': ({ rows, seed, clean }) => shuffleOrder(rows.length, seed).filter(clean),
};

interface Outcome {
  pool: number;
  order: string;
  losses: number[];
  /** Share of clean rows among those trained on. */
  purity: number[];
  /** Times that a row is read. */
  passes: number;
}

/** Loss on clean validation rows after training on the same number of tokens, ordered or selected in several ways. */
export async function compareTraining(
  backend: Backend,
  options: NoiseOptions,
): Promise<{ text: string; json: object }> {
  const outcomes = options.pools.flatMap((pool) =>
    Object.keys(ORDERS).map((order): Outcome => ({ pool, order, losses: [], purity: [], passes: 0 })),
  );
  for (const seed of options.seeds) {
    const data = await plantedNoise({ ...options, seed });
    const scored = await scoredPool(data, backend, { ...options, seed }, Math.max(...options.pools));
    // Orders that read the same rows, such as half of a pool and all of it where no row is read twice, are trained once.
    const losses = new Map<string, number>();
    for (const outcome of outcomes) {
      const pool = firstOf(scored, outcome.pool);
      const places = ORDERS[outcome.order](pool);
      const read = Uint32Array.from({ length: options.steps * BATCH_ROWS }, (_, i) => places[i % places.length]);
      const rows = read.map((place) => pool.rows[place]);
      const purity = read.filter(pool.clean).length / read.length;
      const key = rows.join();
      const loss = losses.get(key) ?? (await trainedLoss(data, backend, rows, { ...options, seed }));
      losses.set(key, loss);
      outcome.losses.push(loss);
      outcome.purity.push(purity);
      outcome.passes = read.length / places.length;
      const found = `loss ${loss.toFixed(4)}, ${(100 * purity).toFixed(1)}% clean`;
      options.onProgress(`seed ${seed}: pool of ${outcome.pool}, ${outcome.order}: ${found}`);
    }
  }
  return { text: trainingTable(outcomes, options), json: { outcomes } };
}

/** A smaller pool, of rows scored with the larger one: a row's score does not depend on its company. */
function firstOf(pool: Pool, size: number): Pool {
  return { ...pool, rows: pool.rows.slice(0, size), scores: pool.scores.slice(0, size) };
}

function shuffled(places: Uint32Array, seed: number): Uint32Array {
  return shuffleOrder(places.length, seed).map((i) => places[i]);
}

/** Rows that the annotating model has not seen, as long as there are enough. */
async function scoredPool(
  data: PlantedNoise,
  backend: Backend,
  options: { seed: number; cacheDir: string },
  size: number,
): Promise<Pool> {
  const all = data.rows.train;
  if (all.length < size) throw new Error(`a pool of ${size} rows: there are ${all.length} training rows`);
  const rows = all.slice(all.length - size);
  const { model, snapshots } = await trainedModel(data, { ...options, backend, rows: all, ages: [AGE] });
  const { [SCORE]: scores } = await annotate(
    data,
    model,
    snapshots[0],
    rows,
    annotation(data, { interval: POOL_INTERVAL, training: all.slice(AGE * BATCH_ROWS) }),
    [SCORE],
  );
  model.dispose();
  return { rows, scores, clean: (place) => data.corruption(rows[place]) === 'none', seed: options.seed };
}

async function trainedLoss(
  data: PlantedNoise,
  backend: Backend,
  rows: Uint32Array,
  { seed, steps }: { seed: number; steps: number },
): Promise<number> {
  // Another seed than the annotating model's: it is not to be the same network.
  const model = await LanguageModel.initialize(MODEL, { backend, seed: 1000 + seed });
  const { samples } = data;
  const plan = { rows, layers: new Uint32Array(rows.length), weights: new Float32Array(rows.length).fill(1) };
  await train({
    model,
    optimizer: ADAM,
    schedule: { kind: 'cosine', warmupSteps: Math.ceil(steps / 20), finalRatio: 0.1 },
    plan,
    samples,
    batchSize: BATCH_ROWS,
    steps,
  });
  const { overall } = await evaluatePerplexity(model, samples, data.rows.validation.slice(0, VALIDATION_ROWS));
  model.dispose();
  return overall.loss;
}

function trainingTable(outcomes: Outcome[], { steps, share, seeds }: NoiseOptions): string {
  const title = `${steps} steps of ${BATCH_ROWS} rows, ${share} of the pool corrupted, ${seeds.length} seeds`;
  const heading = `${'pool'.padStart(6)}  ${'trained on'.padEnd(20)}${'clean'.padStart(7)}${'passes'.padStart(8)}${'loss'.padStart(9)}   against the whole pool`;
  const lines = outcomes.map(({ pool, order, losses, purity, passes }) => {
    const baseline = outcomes.find((one) => one.pool === pool && one.order === BASELINE)!;
    const { mean, standardDeviation, count } = pairedDifference(losses, baseline.losses);
    const error = count > 1 ? ` ± ${(standardDeviation / Math.sqrt(count)).toFixed(3)}` : '';
    const against = order === BASELINE ? '' : `${mean >= 0 ? '+' : ''}${mean.toFixed(3)}${error}`;
    return `${String(pool).padStart(6)}  ${order.padEnd(20)}${summarize(purity).mean.toFixed(2).padStart(7)}${passes.toFixed(2).padStart(8)}${summarize(losses).mean.toFixed(3).padStart(9)}   ${against}`;
  });
  return [title, heading, ...lines, ''].join('\n');
}
