import { join } from 'node:path';
import type { Backend } from '../../backend/types.ts';
import { openSamples } from '../../data/samples.ts';
import { loadTokenizer } from '../../data/tokenizer.ts';
import { readJsonObject } from '../../files.ts';
import type { ModelConfig } from '../../model/config.ts';
import { LanguageModel } from '../../model/language-model.ts';
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
  number,
  option,
  outOption,
  positiveInteger,
  withBackend,
  type BackendFlags,
} from '../command.ts';
import { targetRows } from '../target-rows.ts';
import { tokenizerBeside } from '../tokenizers.ts';

interface Flags extends BackendFlags {
  out: string;
  config: string;
  raterConfig?: string;
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
    option('--target <samples>', 'table of the rows whose loss is to go down (default: the target split of the rows)'),
    option('--target-domain <name>', 'domain of the target rows (default: all)'),
    option('--steps <n>', 'meta-steps', positiveInteger, 350),
    option('--batch <n>', 'rows of an inner step', positiveInteger, 32),
    option('--target-batch <n>', 'target rows of a meta-gradient', positiveInteger, 64),
    option('--window <n>', 'inner steps that are differentiated through', positiveInteger, 2),
    option('--temperature <x>', 'of the weights, a softmax of the scores', number, 1),
    option('--population <n>', 'inner models', positiveInteger, 4),
    option('--models-per-step <n>', 'inner models that a meta-step takes, in turn (default: all)', positiveInteger),
    option('--life <n>', 'inner steps of an inner model before it begins anew', positiveInteger, 60),
    option(
      '--ages <list>',
      'where inner models begin: after so many steps of plain training each; 0: at fresh parameters',
      integers,
      [200, 400, 600],
    ),
    option('--start-lr <x>', 'learning rate of that plain training', number, 3e-3),
    option('--burn-in <n>', 'inner steps right after a begin that nothing is learned from', integer),
    option('--inner-lr <x>', 'learning rate of inner steps', number, 1e-3),
    option('--lr <x>', 'peak learning rate of the rater', number, 3e-3),
    option('--warmup <n>', 'meta-steps of linear warm-up', integer, 0),
    option('--final-lr <x>', 'last learning rate as a fraction of the peak', number, 0.1),
    option('--weight-decay <x>', 'decoupled weight decay of the rater', number, 0),
    option('--shared-optimizer', 'one Adam for all inner models instead of one each').default(false),
    option('--first-order', 'leave the Hessian products out, for comparison').default(false),
    option('--checkpoint-every <n>', 'meta-steps between checkpoints', positiveInteger, 50),
    ...backendOptions,
    forceOption,
  ],
  async run({ args, options, io: { signal }, progress }) {
    const { out, seed, batch } = options;
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
      const rater = await newRater(options, backend, seed, signal);
      const starts = await innerStarts();
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
      await saveScorer(directory, rater, { column: 'rater', method: 'datarater', ...result }, tokenizer);
      return result;

      async function innerStarts(): Promise<InnerStart[]> {
        const ages = options.ages.filter((age) => age > 0);
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

async function configAt(path: string): Promise<ModelConfig> {
  return (await readJsonObject(path)) as unknown as ModelConfig;
}

async function newRater({ config, raterConfig }: Flags, backend: Backend, seed: number, signal?: AbortSignal) {
  return initializeDataRater(await configAt(raterConfig ?? config), { backend, seed, signal });
}
