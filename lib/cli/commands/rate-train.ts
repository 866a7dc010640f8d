import { join } from 'node:path';
import { openSamples } from '../../data/samples.ts';
import { loadTokenizer } from '../../data/tokenizer.ts';
import { forwardFlops, metaTrainingFlops, raterFlops } from '../../evaluate/compute.ts';
import { readJsonObject } from '../../files.ts';
import type { ModelConfig } from '../../model/config.ts';
import { LanguageModel } from '../../model/language-model.ts';
import { needReference, ROW_FEATURES, type RowFeatureName } from '../../model/row-features.ts';
import type { SequenceRater } from '../../model/sequence-rater.ts';
import type { OptimizerConfig } from '../../model/optimizer.ts';
import { saveScorer, SCORER_FILE } from '../../score/scorer-files.ts';
import { trainDataRater, type InnerStart } from '../../weight/data-rater.ts';
import { trainInnerStarts } from '../../weight/data-rater/inner-starts.ts';
import { initializeDataRater } from '../../weight/data-rater/rater-model.ts';
import {
  backendOptions,
  claimOutput,
  defineCommand,
  forceOption,
  integer,
  integers,
  option,
  outOption,
  positiveInteger,
  withBackend,
  type BackendFlags,
  positiveNumber,
  nonNegativeNumber,
  share,
} from '../command.ts';
import { UsageError } from '../io.ts';
import { targetRows } from '../target-rows.ts';
import { tokenizerBeside } from '../tokenizers.ts';

interface Flags extends BackendFlags {
  out: string;
  config: string;
  raterConfig?: string;
  fromModel?: string;
  causal: boolean;
  features: RowFeatureName[];
  target?: string;
  targetDomain?: string;
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
      `numbers of a row with weights of their own in its score: ${ROW_FEATURES.join(', ')}; loss is under the inner models' oldest beginning (default: none)`,
      featureList,
      [],
    ),
    option('--target <samples>', 'table of the rows whose loss is to go down (default: the target split of the rows)'),
    option('--target-domain <name>', 'domain of the target rows (default: all)'),
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
      'where inner models begin: after so many steps of plain training each; 0: at fresh parameters',
      integers,
      [200, 400, 600],
    ),
    option('--start-lr <x>', 'learning rate of that plain training', nonNegativeNumber, 3e-3),
    option(
      '--burn-in <n>',
      'inner steps right after a beginning that nothing is learned from (default: 0, at fresh parameters 100)',
      integer,
    ),
    option('--inner-lr <x>', 'learning rate of inner steps', nonNegativeNumber, 1e-3),
    option('--lr <x>', 'peak learning rate of the rater', nonNegativeNumber, 3e-3),
    option('--warmup <n>', 'meta-steps of linear warm-up', integer, 0),
    option('--final-lr <x>', 'last learning rate as a fraction of the peak', share, 0.1),
    option('--weight-decay <x>', 'decoupled weight decay of the rater', nonNegativeNumber, 0),
    option('--shared-optimizer', 'one Adam for all inner models instead of one each').default(false),
    option('--first-order', 'leave the Hessian products out, for comparison').default(false),
    option('--checkpoint-every <n>', 'meta-steps between checkpoints', positiveInteger, 50),
    ...backendOptions,
    forceOption,
  ],
  async run({ args, options, io: { signal }, progress }) {
    const { out, seed, batch, fromModel } = options;
    const ages = options.ages.filter((age) => age > 0);
    if (fromModel !== undefined && options.raterConfig !== undefined) {
      throw new UsageError("rate train: --from-model has the rater's configuration with it: leave out --rater-config");
    }
    const usesBeginning = fromModel === INNER || needReference(options.features);
    if (usesBeginning && ages.length === 0) {
      throw new UsageError(`rate train: --from-model ${INNER} and the feature loss need an age above 0 in --ages`);
    }
    const path = args[0] as string;
    const samples = await openSamples(path);
    const { from, rows: target } = await targetRows(path, samples, { ...options, seed });
    const directory = join(out, 'model');
    await claimOutput(options.force ? out : join(directory, SCORER_FILE), options.force);
    const tokenizerPath = tokenizerBeside(path);
    const tokenizer = tokenizerPath === undefined ? undefined : await loadTokenizer(tokenizerPath);
    const steps = Math.min(options.steps, options.limit ?? Infinity);
    const inner = samples.rows('train');
    const trained = await withBackend(options, async (backend) => {
      const model = await LanguageModel.initialize(await configAt(options.config), { backend, seed, signal });
      const starts = await innerStarts();
      const rater = await newRater();
      let stability = '';
      const result = await trainDataRater(rater, {
        model,
        inner: { samples, rows: inner, batchSize: batch },
        outer: { samples: from, rows: target, batchSize: options.targetBatch },
        steps,
        window: options.window,
        temperature: options.temperature,
        population: { size: options.population, life: options.life, burnIn: options.burnIn, starts },
        modelsPerStep: options.modelsPerStep,
        innerOptimizer: { kind: 'adamw', lr: options.innerLr, betas: INNER_BETAS },
        optimizer: { kind: 'adamw', lr: options.lr, betas: [0.9, 0.99], weightDecay: options.weightDecay },
        schedule: { kind: 'cosine', warmupSteps: Math.min(steps, options.warmup), finalRatio: options.finalLr },
        sharedOptimizer: options.sharedOptimizer,
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
        startSteps: Math.max(0, ...ages),
        burnInSteps: result.burnInSteps,
        firstOrder: options.firstOrder,
      });
      await saveScorer(directory, rater, { column: 'rater', method: 'datarater', ...result, metaFlops }, tokenizer);
      return { ...result, metaFlops };

      /** Fresh, or with the backbone of a language model. */
      async function newRater(): Promise<SequenceRater> {
        const { causal, features: names } = options;
        const reference = needReference(names) ? model : undefined;
        const features = names.length > 0 ? { names, samples, rows: inner, reference } : undefined;
        const creation = { backend, seed, causal, features, signal };
        if (fromModel === undefined) {
          return initializeDataRater(await configAt(options.raterConfig ?? options.config), creation);
        }
        if (fromModel === INNER) return initializeDataRater(model.config, { ...creation, from: model });
        const from = await LanguageModel.fromPretrained(fromModel, { backend, signal });
        try {
          return await initializeDataRater(from.config, { ...creation, from });
        } finally {
          from.dispose();
        }
      }

      async function innerStarts(): Promise<InnerStart[]> {
        if (ages.length === 0) return [];
        const optimizer: OptimizerConfig = { kind: 'adamw', lr: options.startLr, betas: INNER_BETAS, clipNorm: 1 };
        return trainInnerStarts(model, {
          ...{ samples, rows: inner, ages, batchSize: batch, optimizer, seed, signal },
          checkpointDir: join(out, 'starts'),
          onStep: ({ step, steps: all }) => progress.update('starts', step, all, 'steps'),
        });
      }
    });
    const { ratedRows, outerLoss, effectiveSamples } = trained;
    return {
      json: { path: directory, ...trained },
      text:
        `${directory}: ${steps} meta-steps, ${ratedRows} rows rated; target loss ${outerLoss.toFixed(4)}, ` +
        `${effectiveSamples.toFixed(1)} effective samples of ${batch}`,
    };
  },
});

function featureList(text: string): RowFeatureName[] {
  return text.split(',').map((name) => {
    const found = ROW_FEATURES.find((feature) => feature === name);
    if (found) return found;
    throw new UsageError(`--features: expected some of ${ROW_FEATURES.join(', ')}, got ${JSON.stringify(name)}`);
  });
}

async function configAt(path: string): Promise<ModelConfig> {
  return (await readJsonObject(path)) as unknown as ModelConfig;
}
