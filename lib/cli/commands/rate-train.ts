import { join } from 'node:path';
import { InvalidArgumentError, Option } from 'commander';
import { openSamples } from '../../data/samples.ts';
import { loadTokenizer } from '../../data/tokenizer.ts';
import { featureFlops, forwardFlops, metaTrainingFlops, raterFlops } from '../../evaluate/compute.ts';
import { readJsonObject } from '../../files.ts';
import { LanguageModel } from '../../model/language-model.ts';
import { needReference, ROW_FEATURES, type RowFeatureName } from '../../model/row-features.ts';
import type { SequenceRater } from '../../model/sequence-rater.ts';
import type { OptimizerConfig } from '../../model/optimizer.ts';
import { saveScorer, SCORER_FILE, type ScorerRecord } from '../../score/scorer-files.ts';
import { digest, digestParameters, digestRows, type Fingerprint } from '../../train/fingerprint.ts';
import { divideRows, trainDataRater, type InnerStart, type TrainedDataRater } from '../../weight/data-rater.ts';
import { trainInnerStarts } from '../../weight/data-rater/inner-starts.ts';
import { FRESH } from '../../weight/data-rater/population.ts';
import { featuresOf, initializeDataRater } from '../../weight/data-rater/rater-model.ts';
import { checkApart, SAME_AS_INNER } from '../../weight/data-rater/row-sets.ts';
import {
  defineCommand,
  forceOption,
  gradientOptions,
  integer,
  integers,
  nonNegativeNumber,
  number,
  option,
  outOption,
  positiveInteger,
  positiveNumber,
  share,
  withBackend,
  type BackendFlags,
} from '../command.ts';
import { UsageError } from '../io.ts';
import { readModelConfig } from '../model-config.ts';
import { claimRun } from '../run-folder.ts';
import { targetOptions, targetRows, type TargetFlags, type TargetRows } from '../target-rows.ts';
import { tokenizerBeside } from '../tokenizers.ts';

interface Flags extends BackendFlags, TargetFlags {
  out: string;
  config: string;
  raterConfig?: string;
  fromModel?: string;
  causal: boolean;
  features: RowFeatureName[];
  rated: number | typeof SAME_AS_INNER;
  steps: number;
  batch: number;
  targetBatch: number;
  window: number;
  temperature: number;
  population: number;
  modelsPerStep?: number;
  life: number;
  ages: number[];
  startLr: number;
  burnIn?: number;
  innerLr: number;
  lr: number;
  warmup: number;
  finalLr: number;
  weightDecay: number;
  clipNorm?: number;
  normalize: boolean;
  sharedOptimizer: boolean;
  firstOrder: boolean;
  checkpointEvery: number;
  force: boolean;
}

const INNER_BETAS = [0.9, 0.95] as const;

/** What `--from-model` calls the inner models' own beginning; a folder of this name is ./inner. */
const INNER = 'inner';

export const rateTrain = defineCommand<Flags>({
  usage: 'rate train <samples>',
  description:
    'Train a DataRater: a small model that learns, through the training of others, what rows are worth to the target rows.',
  example:
    'gradfold rate train tokens/samples.arrow --config model.json --target clean/samples.arrow --steps 350 --out rater',
  limits: 'meta-steps',
  options: [
    outOption('the folder of the rater, its checkpoints and the log'),
    option('--config <path>', 'config.json of the inner models').makeOptionMandatory(),
    option('--rater-config <path>', "config.json of the rater (default: the inner models')"),
    option(
      '--from-model <dir>',
      `begin the rater with the backbone of this language model; ${INNER}: of the inner models' oldest beginning`,
    ),
    option('--causal', 'a token of the rater sees those before it only, as in a language model').default(false),
    option(
      '--features <list>',
      `numbers of a row with weights of their own in its score: ${ROW_FEATURES.join(', ')}; loss and order_gain are under the inner models' oldest beginning, and words those of the tokenizer beside the table (default: none)`,
      featureList,
      [],
    ),
    ...targetOptions,
    option(
      '--rated <share>',
      `share of the rows that are rated, and kept from beginnings and burn-in; ${SAME_AS_INNER}: all rows are rated and trained on alike`,
      ratedShare,
      0.5,
    ),
    option('--steps <n>', 'meta-steps', positiveInteger, 350),
    option('--batch <n>', 'rows of an inner step', positiveInteger, 32),
    option('--target-batch <n>', 'target rows of a meta-gradient', positiveInteger, 64),
    option('--window <n>', 'inner steps that are differentiated through', positiveInteger, 2),
    option('--temperature <x>', 'of the weights, a softmax of the scores', positiveNumber, 1),
    option('--population <n>', 'inner models', positiveInteger, 4),
    option('--models-per-step <n>', 'inner models that a meta-step takes, in turn (default: all)', positiveInteger),
    option('--life <n>', 'inner steps of an inner model before it begins anew', positiveInteger, 60),
    option(
      '--ages <list>',
      'where inner models begin, in turn: after so many steps of plain training each; 0: at fresh parameters',
      integers,
      [200, 400, 600],
    ),
    option('--start-lr <x>', 'learning rate of that plain training', nonNegativeNumber, 3e-3),
    option(
      '--burn-in <n>',
      'inner steps right after a beginning that nothing is learned from (default: 0, after fresh parameters 100)',
      integer,
    ),
    option('--inner-lr <x>', 'learning rate of inner steps', nonNegativeNumber, 1e-3),
    option('--lr <x>', 'peak learning rate of the rater', nonNegativeNumber, 3e-3),
    option('--warmup <n>', 'meta-steps of linear warm-up', integer, 0),
    option('--final-lr <x>', 'last learning rate as a fraction of the peak', share, 0.1),
    option('--weight-decay <x>', 'decoupled weight decay of the rater', nonNegativeNumber, 0),
    option(
      '--clip-norm <x>',
      'norm above which meta-gradients are scaled down, after they were scaled to 1 (default: none)',
      positiveNumber,
    ),
    new Option('--no-normalize', 'leave meta-gradients their own norms instead of scaling each to 1'),
    option('--shared-optimizer', 'one Adam for all inner models instead of one each').default(false),
    option('--first-order', 'leave the Hessian products out, for comparison').default(false),
    option('--checkpoint-every <n>', 'meta-steps between checkpoints', positiveInteger, 50),
    ...gradientOptions,
    forceOption,
  ],
  async run({ args, options, io: { signal }, progress }) {
    const { out, seed, batch, fromModel, burnIn } = options;
    const trainedAges = options.ages.filter((age) => age > 0);
    checkUsage(options, trainedAges);
    const path = args[0] as string;
    const samples = await openSamples(path);
    const target = await targetRows(path, samples, { ...options, seed });
    // The meta-training would find out itself, but only after the beginnings are trained.
    const training = { samples, rows: samples.rows('train') };
    const fix = 'give another --target-split or --target';
    checkApart('target rows', { samples: target.from, rows: target.rows }, 'the training split', training, fix);
    const directory = join(out, 'model');
    const tokenizerPath = tokenizerBeside(path);
    const tokenizer = tokenizerPath === undefined ? undefined : await loadTokenizer(tokenizerPath);
    const steps = Math.min(options.steps, options.limit ?? Infinity);
    const { inner, rated } = divideRows(training.rows, { seed, ratedShare: options.rated });
    const config = await readModelConfig(options.config);
    const raterConfig = options.raterConfig === undefined ? config : await readModelConfig(options.raterConfig);
    const { finished, record } = await withBackend(options, async (backend) => {
      const usesModel = fromModel !== undefined && fromModel !== INNER;
      const from = usesModel ? await LanguageModel.fromPretrained(fromModel, { backend, signal }) : undefined;
      const fingerprint = {
        ...settingsOf({ ...options, steps }),
        config: JSON.stringify(config),
        'rater config': JSON.stringify(raterConfig),
        'from model': from ? digestParameters(from.parameters) : (fromModel ?? 'none'),
        'rows of the training split': digestOf({ from: samples, rows: training.rows }),
        'target rows': digestOf(target),
      };
      const finished = await claimRun(
        { path: out, contents: CONTENTS, finished: join('model', SCORER_FILE), fingerprint },
        options.force,
      ).then((run) => run.finished);
      if (finished) return { finished, record: await readRecord(directory) };
      const model = await LanguageModel.initialize(config, { backend, seed, signal });
      const starts = await innerStarts();
      const rater = await newRater();
      let stability = '';
      const result = await trainDataRater({
        rater,
        model,
        inner: { samples, rows: inner, batchSize: batch },
        rated: rated === inner ? SAME_AS_INNER : { samples, rows: rated },
        heldOut: { samples: target.from, rows: target.rows, batchSize: options.targetBatch },
        steps,
        window: options.window,
        temperature: options.temperature,
        population: { size: options.population, life: options.life, burnIn, starts },
        modelsPerStep: options.modelsPerStep,
        innerOptimizer: { kind: 'adamw', lr: options.innerLr, betas: INNER_BETAS },
        optimizer: {
          ...{ kind: 'adamw', lr: options.lr, betas: [0.9, 0.99] },
          ...{ weightDecay: options.weightDecay, clipNorm: options.clipNorm },
        },
        schedule: { kind: 'cosine', warmupSteps: Math.min(steps, options.warmup), finalRatio: options.finalLr },
        sharedOptimizer: options.sharedOptimizer,
        normalize: options.normalize,
        firstOrder: options.firstOrder,
        seed,
        checkpoint: { dir: join(out, 'checkpoints'), every: options.checkpointEvery },
        log: join(out, 'log.jsonl'),
        onStep(entry) {
          if (typeof entry.stability === 'number') stability = `, stability ${entry.stability.toFixed(3)}`;
          progress.update(`rate${stability}`, entry.step, steps, 'meta-steps');
        },
        signal,
      });
      const metaFlops = metaTrainingFlops({
        metaSteps: steps,
        innerModels: options.modelsPerStep ?? options.population,
        innerSteps: options.window,
        innerBatch: batch,
        outerBatch: options.targetBatch,
        modelFlops: forwardFlops(model.config, samples.length),
        raterFlops: raterFlops(rater.config, samples.length),
        featureFlops: featureFlops(rater.config, samples.length),
        startSteps: Math.max(0, ...trainedAges),
        burnInSteps: result.burnInSteps,
        firstOrder: options.firstOrder,
      });
      const record = { column: 'rater', method: 'datarater', ...result, metaFlops };
      await saveScorer(directory, rater, record, tokenizer);
      return { finished, record };

      /** Fresh, or with the backbone of a language model. */
      async function newRater(): Promise<SequenceRater> {
        const { causal } = options;
        const features = featuresOf(options.features, { samples, rows: rated, model, tokenizer });
        const creation = { backend, seed, causal, features, signal };
        if (fromModel === INNER) return initializeDataRater(model.config, { ...creation, from: model });
        if (!from) return initializeDataRater(raterConfig, creation);
        try {
          return await initializeDataRater(from.config, { ...creation, from });
        } finally {
          from.dispose();
        }
      }

      async function innerStarts(): Promise<(InnerStart | typeof FRESH)[]> {
        const fresh = options.ages.length > trainedAges.length ? [FRESH as typeof FRESH] : [];
        if (trainedAges.length === 0) return [];
        const optimizer: OptimizerConfig = { kind: 'adamw', lr: options.startLr, betas: INNER_BETAS, clipNorm: 1 };
        const trained = await trainInnerStarts(model, {
          ...{ samples, rows: inner, ages: trainedAges, batchSize: batch, optimizer, seed, signal },
          checkpointDir: join(out, 'starts'),
          onStep: ({ step, steps: all }) => progress.update('starts', step, all, 'steps'),
        });
        return [...fresh, ...trained];
      }
    });
    const { ratedRows, outerLoss, effectiveSamples } = record;
    return {
      json: { path: directory, ...record },
      text:
        `${directory}: ${finished ? 'finished before, with ' : ''}${steps} meta-steps, ${ratedRows} rows rated; ` +
        `target loss ${outerLoss.toFixed(4)}, ${effectiveSamples.toFixed(1)} effective samples of ${batch}`,
    };
  },
});

/** Of `--out`, what this command writes. */
const CONTENTS = ['starts', 'checkpoints', 'log.jsonl', 'model'];

type RaterRecord = ScorerRecord & TrainedDataRater & { metaFlops: number };

async function readRecord(directory: string): Promise<RaterRecord> {
  const { format: _, ...record } = await readJsonObject(join(directory, SCORER_FILE));
  return record as unknown as RaterRecord;
}

function checkUsage({ fromModel, raterConfig, features, clipNorm, normalize }: Flags, trainedAges: number[]): void {
  if (fromModel !== undefined && raterConfig !== undefined) {
    throw new UsageError("rate train: --from-model has the rater's configuration with it: leave out --rater-config");
  }
  if ((fromModel === INNER || needReference(features)) && trainedAges.length === 0) {
    throw new UsageError(
      `rate train: --from-model ${INNER} and the features loss and order_gain need an age above 0 in --ages`,
    );
  }
  if (clipNorm !== undefined && clipNorm >= 1 && normalize) {
    throw new UsageError(
      'rate train: --clip-norm of 1 or more changes nothing about meta-gradients of norm 1: add --no-normalize',
    );
  }
}

/** Options that are no part of a run's result, or that are told apart by what they point to. */
const NOT_COMPARED = new Set([
  ...['out', 'force', 'json', 'limit', 'backend', 'threads', 'recompute', 'checkpointEvery'],
  ...['config', 'raterConfig', 'fromModel', 'target'],
]);

function settingsOf(options: object): Fingerprint {
  const compared = Object.entries(options).filter(([name, value]) => !NOT_COMPARED.has(name) && value !== undefined);
  return Object.fromEntries(compared.map(([name, value]) => [name, String(value)]));
}

const digestOf = ({ from, rows }: TargetRows): string => digest([rows, digestRows(from, rows)]);

function ratedShare(text: string): number | typeof SAME_AS_INNER {
  if (text === SAME_AS_INNER) return text;
  const share = number(text);
  if (share > 0 && share < 1) return share;
  throw new InvalidArgumentError(`expected a share in (0, 1), or ${SAME_AS_INNER}.`);
}

function featureList(text: string): RowFeatureName[] {
  return text.split(',').map((name) => {
    const found = ROW_FEATURES.find((feature) => feature === name);
    if (found) return found;
    throw new UsageError(`--features: expected some of ${ROW_FEATURES.join(', ')}, got ${JSON.stringify(name)}`);
  });
}
