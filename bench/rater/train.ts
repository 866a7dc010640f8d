import {
  evaluatePerplexity,
  firstCrossing,
  forwardFlops,
  LanguageModel,
  pairedDifference,
  RaterFilter,
  raterFlops,
  shuffleOrder,
  summarize,
  train,
  type Backend,
  type SequenceRater,
} from 'gradfold';
import { plantedNoise, ROW_TOKENS, type PlantedNoise } from '../noise/data.ts';
import { ADAM, BATCH_ROWS, MODEL } from '../noise/model.ts';
import { learnRater } from './learn.ts';
import type { RaterBenchOptions } from './settings.ts';

/** Clean rows on which the trained models are compared, and how often that is done in a training. */
const VALIDATION_ROWS = 768;
const MEASUREMENTS = 15;

interface Run {
  /** Of the validation rows, on the way. */
  curve: { step: number; loss: number }[];
  /** Share of clean rows among those trained on. */
  purity: number;
}

/** What trains on which rows; rows come in an order drawn by the seed. */
interface Treatment {
  clean?: boolean;
  filter?: (rater: SequenceRater, options: RaterBenchOptions) => RaterFilter;
}

const BASELINE = 'all rows';

const TREATMENTS: Record<string, Treatment> = {
  [BASELINE]: {},
  'rater filter': { filter: (rater, { discard }) => new RaterFilter(rater, { count: BATCH_ROWS, discard }) },
  'rater weights': {
    filter: (rater, { temperature }) => new RaterFilter(rater, { count: BATCH_ROWS, temperature }),
  },
  'clean rows only': { clean: true },
};

/** Loss on clean rows after training on the same number of tokens with and without the rater, and what that saves. */
export async function compareTraining(
  backend: Backend,
  options: RaterBenchOptions,
): Promise<{ text: string; json: object }> {
  const runs: Record<string, Run[]> = Object.fromEntries(Object.keys(TREATMENTS).map((name) => [name, []]));
  let cost = 0;
  for (const seed of options.seeds) {
    const data = await plantedNoise({ ...options, seed });
    const { rater, model } = await learnRater(data, backend, options, seed);
    cost = relativeCost(rater, model, options.discard);
    for (const [name, treatment] of Object.entries(TREATMENTS)) {
      const run = await trained(data, backend, treatment, rater, options, seed);
      runs[name].push(run);
      options.onProgress(
        `seed ${seed}, ${name}: loss ${lastLoss(run).toFixed(4)}, ${(100 * run.purity).toFixed(1)}% clean`,
      );
    }
    rater.dispose();
    model.dispose();
  }
  return { text: trainingTable(runs, cost, options), json: { runs, relativeCost: cost } };
}

async function trained(
  data: PlantedNoise,
  backend: Backend,
  { clean, filter }: Treatment,
  rater: SequenceRater,
  options: RaterBenchOptions,
  seed: number,
): Promise<Run> {
  const { samples, rows } = data;
  const { trainingSteps: steps } = options;
  // Another seed than the inner models': it is not to be the same network.
  const model = await LanguageModel.initialize(MODEL, { backend, seed: 1000 + seed });
  const isClean = (row: number) => data.corruption(row) === 'none';
  const order = shuffleOrder(rows.train.length, seed).map((place) => rows.train[place]);
  const plan = clean ? order.filter(isClean) : order;
  const validation = rows.validation.slice(0, VALIDATION_ROWS);
  const curve: Run['curve'] = [];
  const counts = { clean: 0, all: 0 };
  const every = Math.ceil(steps / MEASUREMENTS);
  await train({
    model,
    samples,
    plan: { rows: plan, layers: new Uint32Array(plan.length), weights: new Float32Array(plan.length).fill(1) },
    optimizer: ADAM,
    schedule: { kind: 'cosine', warmupSteps: Math.ceil(steps / 20), finalRatio: 0.1 },
    batchSize: BATCH_ROWS,
    steps,
    filter: filter?.(rater, options),
    observer: {
      directions: async () => [],
      observe(step) {
        step.rows.forEach((row, i) => {
          counts.clean += isClean(row) ? step.weights[i] : 0;
          counts.all += step.weights[i];
        });
      },
    },
    validate: {
      every,
      async run() {
        const { overall } = await evaluatePerplexity(model, samples, validation);
        curve.push({ step: Math.min(steps, (curve.length + 1) * every), loss: overall.loss });
        return { loss: overall.loss };
      },
    },
  });
  model.dispose();
  return { curve, purity: counts.clean / counts.all };
}

/** Arithmetic of a filtered step over that of a plain one, a step of training being three forward passes. */
function relativeCost(rater: SequenceRater, model: LanguageModel, discard: number): number {
  const scoring = raterFlops(rater.config, ROW_TOKENS) / (1 - discard);
  return 1 + scoring / (3 * forwardFlops(model.config, ROW_TOKENS));
}

function lastLoss({ curve }: Run): number {
  return curve.at(-1)!.loss;
}

function trainingTable(runs: Record<string, Run[]>, cost: number, options: RaterBenchOptions): string {
  const { trainingSteps: steps, discard, share, seeds } = options;
  const baseline = runs[BASELINE];
  const title = `${steps} steps of ${BATCH_ROWS} rows, ${share} of the rows corrupted, ${discard} left out, ${seeds.length} seeds`;
  const heading = `${''.padEnd(18)}${'clean'.padStart(7)}${'loss'.padStart(9)}   against all rows   steps to the loss of all rows`;
  const lines = Object.entries(runs).map(([name, own]) => {
    const difference = pairedDifference(own.map(lastLoss), baseline.map(lastLoss));
    const error =
      difference.count > 1 ? ` ± ${(difference.standardDeviation / Math.sqrt(difference.count)).toFixed(3)}` : '';
    const against = name === BASELINE ? '' : `${difference.mean >= 0 ? '+' : ''}${difference.mean.toFixed(3)}${error}`;
    const needed = own.map(({ curve }, i) => firstCrossing(curve, lastLoss(baseline[i]))?.toFixed(0) ?? 'never');
    const purity = summarize(own.map((run) => run.purity)).mean.toFixed(2);
    const loss = summarize(own.map(lastLoss)).mean.toFixed(3);
    return `${name.padEnd(18)}${purity.padStart(7)}${loss.padStart(9)}   ${against.padEnd(16)}   ${needed.join(', ')}`;
  });
  const net = runs['rater filter'].map(({ curve }, i) => {
    const needed = firstCrossing(curve, lastLoss(baseline[i]));
    return needed === null ? 'none' : `${(100 * (1 - (needed * cost) / steps)).toFixed(1)} %`;
  });
  const gain = `a filtered step costs ${cost.toFixed(2)} plain ones; net gain in arithmetic by seed: ${net.join(', ')}; meta-training not counted`;
  return [title, heading, ...lines, gain, ''].join('\n');
}
