import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Backend } from '../../backend/types.ts';
import { CONDITION_FILES } from '../../condition/condition-work.ts';
import { invalid } from '../../check.ts';
import { openSamples, type Samples } from '../../data/samples.ts';
import { LanguageModel } from '../../model/language-model.ts';
import { withoutHeldOut } from '../../order/held-out.ts';
import { planOf, readPlan, type Plan } from '../../order/plan.ts';
import { drawRows } from '../../recipe/rows.ts';
import { trainInto, TRAINING_FILES } from '../../recipe/training.ts';
import { InRunScores } from '../../score/in-run.ts';
import { loadScorer } from '../../score/scorer-files.ts';
import { GreedyFilter } from '../../select/greedy-filter.ts';
import { candidatesFor } from '../../select/discard.ts';
import { RaterFilter } from '../../select/rater-filter.ts';
import {
  checkOneCorpus,
  documentsIn,
  mixedThroughout,
  unseenRows,
  withCooldown,
  type StagedRun,
} from '../../train/cooldown.ts';
import {
  claimFolder,
  defineCommand,
  forceOption,
  gradientOptions,
  integer,
  nonNegativeNumber,
  numberIn,
  option,
  outOption,
  positiveInteger,
  positiveNumber,
  share,
  withBackend,
  type BackendFlags,
} from '../command.ts';
import { UsageError } from '../io.ts';
import { maskOptions, samplesFor, type MaskFlags } from '../masked-samples.ts';
import { readModelConfig } from '../model-config.ts';

/** Share of the rows read that a rater leaves out, where nothing else is asked for. */
const DISCARD = 0.5;
/** Of `--out`, what this command writes. */
const CONTENTS = new RegExp(`^(${Object.values(TRAINING_FILES).join('|')})$`);

export const train = defineCommand<
  BackendFlags &
    MaskFlags & {
      out: string;
      samples: string;
      model?: string;
      config?: string;
      steps?: number;
      batch: number;
      lr: number;
      warmup: number;
      finalLr: number;
      weightDecay: number;
      clipNorm: number;
      checkpointEvery: number;
      inRun: boolean;
      greedy?: number;
      rater?: string;
      discard?: number;
      raterWeights?: number;
      targetDomain?: string;
      targetRows?: number;
      targetRefresh: number;
      cooldown?: number;
      plain?: string;
      mixed: boolean;
      force: boolean;
    }
>({
  usage: 'train [plan]',
  description:
    'Train a model with AdamW on a plan, or on the training split in random order, with a cooldown on plain rows (MeCo) if wanted; a run that was killed goes on from its checkpoint.',
  example: 'gradfold train plan.arrow --samples tokens/samples.arrow --config config.json --out run1',
  limits: 'steps',
  options: [
    outOption('the folder of the model, its checkpoints and the log'),
    option('--samples <path>', 'the rows that the plan speaks of').makeOptionMandatory(),
    option('--model <dir>', 'start from this Hugging Face directory'),
    option('--config <path>', 'start from fresh parameters of this config.json, drawn by --seed'),
    option('--steps <n>', 'optimizer steps (default: one pass over the plan)', positiveInteger),
    option('--batch <n>', 'rows a step', positiveInteger, 32),
    option('--lr <x>', 'peak learning rate', nonNegativeNumber, 1e-3),
    option('--warmup <n>', 'steps of linear warm-up', integer, 0),
    option('--final-lr <x>', 'last learning rate as a fraction of the peak', share, 0.1),
    option('--weight-decay <x>', 'decoupled weight decay', nonNegativeNumber, 0),
    option('--clip-norm <x>', 'gradient norm above which it is scaled down', positiveNumber, 1),
    option('--checkpoint-every <n>', 'steps between checkpoints', positiveInteger, 100),
    option('--in-run', 'score the rows meanwhile, into scores.arrow of --out').default(false),
    option('--greedy <f>', 'read f times the batch and train on the part that helps the target most', positiveInteger),
    option('--rater <dir>', 'train on the rows of each step that this DataRater scores highest'),
    option(
      '--discard <share>',
      `share of the rows read that --rater leaves out (default: ${DISCARD})`,
      numberIn({ min: 0, below: 1 }),
    ),
    option('--rater-weights <t>', 'weigh rows by the softmax of their scores at this temperature', positiveNumber),
    option(
      '--target-domain <name>',
      'domain of the target of --in-run and --greedy (default: all of the target split)',
    ),
    option(
      '--target-rows <n>',
      'target rows taken at a time, drawn anew (default: an eighth of the batch)',
      positiveInteger,
    ),
    option('--target-refresh <n>', 'steps from one target gradient to the next', positiveInteger, 2),
    option(
      '--cooldown <share>',
      'share of the steps, the last ones, on plain rows of documents not seen before',
      numberIn({ above: 0, below: 1 }),
    ),
    option('--plain <path>', 'the plain rows of --cooldown (default: plain, beside the samples)'),
    option('--mixed', 'mix the plain rows of --cooldown in throughout instead').default(false),
    ...maskOptions,
    ...gradientOptions,
    forceOption,
  ],
  async run({ args, options, io: { signal }, progress }) {
    const { out, batch, lr, warmup, finalLr, weightDecay, clipNorm, checkpointEvery, seed, limit } = options;
    if ((options.model === undefined) === (options.config === undefined)) {
      throw new UsageError('train: give exactly one of --model and --config');
    }
    if (options.greedy !== undefined && options.rater !== undefined) {
      throw new UsageError('train: give at most one of --greedy and --rater');
    }
    if (options.rater === undefined && (options.discard !== undefined || options.raterWeights !== undefined)) {
      throw new UsageError('train: --discard and --rater-weights say how --rater is used: give it');
    }
    const samples = await openSamples(options.samples);
    const planPath = args[0] as string | undefined;
    const { plan, heldOut } = planPath
      ? withoutHeldOut(await readPlan(planPath, samples), samples, planPath)
      : { plan: planOf(samples.rows('train'), null, { method: 'shuffle', seed }), heldOut: {} };
    const left = Object.entries(heldOut).map(([split, rows]) => `${rows} of the split ${split}`);
    if (left.length > 0) progress.line(`${planPath}: left out rows that are held out: ${left.join(', ')}`);
    // A finished model is in the way; checkpoints without one are a run to go on with.
    await claimFolder(out, { contents: CONTENTS, finished: TRAINING_FILES.model }, options.force);
    const candidates =
      options.rater === undefined ? batch * (options.greedy ?? 1) : candidatesFor(batch, options.discard ?? DISCARD);
    const passed = plan.rows.length / candidates / (1 - (options.cooldown ?? 0));
    const steps = Math.min(options.steps ?? Math.ceil(passed), limit ?? Infinity);
    const run = await stagedRun(options, { samples, plan }, { steps, batchSize: candidates });
    const result = await withBackend(options, async (backend) => {
      const model = options.model
        ? await LanguageModel.fromPretrained(options.model, { backend, signal })
        : await LanguageModel.initialize(await readModelConfig(options.config!), { backend, seed, signal });
      const read = await samplesFor(model, samples, { path: options.samples, flags: options, seed });
      if (read !== samples && options.cooldown !== undefined) {
        throw new UsageError('train: --cooldown is for models that predict the next token');
      }
      const target = () => ({
        samples: read,
        target: drawRows(samples, { split: 'target', domain: options.targetDomain, seed }),
        targetRows: options.targetRows ?? Math.max(1, Math.round(batch / 8)),
        refreshEvery: options.targetRefresh,
        seed,
      });
      let loss = NaN;
      const done = await trainInto(out, {
        model,
        ...(read === samples ? run : { samples: read, plan }),
        inRun: options.inRun ? new InRunScores(model, target()) : undefined,
        filter: options.greedy
          ? new GreedyFilter(model, { ...target(), candidates, count: batch })
          : await raterFilter(options, backend, signal),
        checkpointEvery,
        optimization: { steps, batch, lr, warmup, finalLr, betas: [0.9, 0.95], weightDecay, clipNorm },
        onStep(entry) {
          loss = entry.loss;
          progress.update('train', entry.step, steps, 'steps');
        },
        signal,
      });
      return { ...done, loss };
    });
    return {
      json: { path: join(out, TRAINING_FILES.model), ...result, heldOut },
      text: `${join(out, TRAINING_FILES.model)}: ${result.steps} steps, ${result.tokens} tokens, last loss ${result.loss.toFixed(4)}`,
    };
  },
});

/** The rows of --samples, followed by or mixed with plain ones where there is a cooldown. */
async function stagedRun(
  options: { samples: string; cooldown?: number; plain?: string; mixed: boolean; inRun: boolean; seed: number },
  conditioned: { samples: Samples; plan: Plan },
  size: { steps: number; batchSize: number },
): Promise<Pick<StagedRun, 'samples' | 'plan'>> {
  const { cooldown, inRun, seed } = options;
  if (cooldown === undefined) {
    if (options.plain !== undefined || options.mixed) {
      throw new UsageError('train: --plain and --mixed say how a cooldown goes: give --cooldown');
    }
    return conditioned;
  }
  if (inRun) throw new UsageError('train: --in-run scores the rows of one table; leave it or --cooldown out');
  const samples = await openSamples(plainPath(options));
  checkOneCorpus(conditioned.samples, samples);
  const plan = planOf(samples.rows('train'), null, { method: 'shuffle', seed });
  const rows = { conditioned, plain: { samples, plan }, cooldown, ...size };
  const documentsOf = { conditioned: documentsIn(conditioned.samples), plain: documentsIn(samples) };
  const unseen = { ...rows, plain: { samples, plan: unseenRows(rows, documentsOf) } };
  return options.mixed ? mixedThroughout(unseen) : withCooldown(unseen);
}

/** Where the plain rows of a cooldown are. */
function plainPath({ plain, samples }: { plain?: string; samples: string }): string {
  if (plain !== undefined) return plain;
  const beside = join(dirname(resolve(samples)), CONDITION_FILES.plain);
  if (existsSync(beside)) return beside;
  throw invalid('--plain', `the plain rows of --cooldown, or ${beside}`, 'neither', {
    code: 'NOT_FOUND',
    fix: 'gradfold condition makes both tables',
  });
}

async function raterFilter(
  options: { rater?: string; batch: number; discard?: number; raterWeights?: number },
  backend: Backend,
  signal: AbortSignal | undefined,
): Promise<RaterFilter | undefined> {
  if (options.rater === undefined) return undefined;
  const { rater } = await loadScorer(options.rater, { backend, signal });
  const { batch: count, discard = DISCARD, raterWeights: temperature } = options;
  return new RaterFilter(rater, { count, discard, temperature });
}
