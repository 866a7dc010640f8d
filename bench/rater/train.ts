import {
  evaluatePerplexity,
  featureFlops,
  firstCrossing,
  forwardFlops,
  gainOverSeeds,
  LanguageModel,
  metaTrainingFlops,
  pairedDifference,
  RaterFilter,
  raterFlops,
  shuffleOrder,
  summarize,
  train,
  type Backend,
  type GainOverSeeds,
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

/** Treatments that need the rater, and the share of the rows that they leave out. */
const RATED: Record<string, (options: RaterBenchOptions) => number> = {
  'rater filter': ({ discard }) => discard,
  'rater weights': () => 0,
};

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
  let costs: Costs = { scoringFlops: 0, metaFlops: 0 };
  for (const seed of options.seeds) {
    const data = await plantedNoise({ ...options, seed });
    const { rater, model } = await learnRater(data, backend, options, seed);
    costs = costsOf(rater, model, options);
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
  const gains = gainsOf(runs, costs, options);
  return { text: `${trainingTable(runs, options)}\n${gainTable(gains)}\n`, json: { runs, ...costs, gains } };
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

/** Operations of scoring a row and of training the rater, its inner models' beginnings included. */
interface Costs {
  scoringFlops: number;
  metaFlops: number;
}

function costsOf(rater: SequenceRater, model: LanguageModel, options: RaterBenchOptions): Costs {
  const scoringFlops = raterFlops(rater.config, ROW_TOKENS);
  const metaFlops = metaTrainingFlops({
    metaSteps: options.steps,
    innerModels: options.perStep,
    innerSteps: options.window,
    innerBatch: options.batch,
    outerBatch: options.outerBatch,
    modelFlops: forwardFlops(model.config, ROW_TOKENS),
    raterFlops: scoringFlops,
    featureFlops: featureFlops(rater.config, ROW_TOKENS),
    startSteps: Math.max(...options.ages),
    firstOrder: options.firstOrder,
  });
  return { scoringFlops, metaFlops };
}

/** What each treatment by the rater saves and costs at matched loss. */
function gainsOf(runs: Record<string, Run[]>, costs: Costs, options: RaterBenchOptions): Record<string, GainOverSeeds> {
  const curves = (name: string) => runs[name].map(({ curve }) => curve);
  const gains = Object.entries(RATED).map(([name, dropped]) => {
    const kept = 1 - dropped(options);
    const training = {
      stepFlops: 3 * BATCH_ROWS * forwardFlops(MODEL, ROW_TOKENS),
      baselineSteps: options.trainingSteps,
      candidates: BATCH_ROWS / kept,
      kept,
      ...costs,
    };
    return [name, gainOverSeeds(training, curves(BASELINE), curves(name))] as const;
  });
  return Object.fromEntries(gains);
}

function gainTable(gains: Record<string, GainOverSeeds>): string {
  const percent = (x: number) => `${x < 0 ? '-' : '+'}${(100 * Math.abs(x)).toFixed(1)}`;
  const over = ({ mean, sd }: GainOverSeeds['net']) =>
    percent(mean) + (sd === null ? '' : ` ± ${(100 * sd).toFixed(1)}`);
  const lines = Object.entries(gains).flatMap(([name, gain]) => {
    const bySeed = (value: 'net' | 'netOfScoring') =>
      gain.perSeed.map((seed) => percent(seed[value]) + (seed.matched.reached ? '' : '*')).join(', ');
    return [
      name,
      `  saved                      ${over(gain.saved)}`,
      `  scoring                    ${percent(-gain.scoring)}, of it rows that are dropped ${percent(-gain.overSampling)}`,
      `  net, without meta-training ${over(gain.netOfScoring)}   by seed ${bySeed('netOfScoring')}`,
      `  meta-training              ${percent(-gain.metaTraining)}`,
      `  net gain                   ${over(gain.net)}   by seed ${bySeed('net')}`,
      `  earned back after          ${gain.paysAfter === null ? 'never' : `${Math.ceil(gain.paysAfter)} trainings`}`,
    ];
  });
  return [
    `compute at the loss where ${BASELINE} ends, in percent of what it takes; * that loss is not reached: where the other ends`,
    ...lines,
  ].join('\n');
}

function lastLoss({ curve }: Run): number {
  return curve.at(-1)!.loss;
}

function trainingTable(runs: Record<string, Run[]>, options: RaterBenchOptions): string {
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
  return [title, heading, ...lines, ''].join('\n');
}
