import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { openSamples } from '../../data/samples.ts';
import { raterFlops } from '../../evaluate/compute.ts';
import { invalid } from '../../check.ts';
import { readJsonObject } from '../../files.ts';
import type { ModelConfig, RaterConfig } from '../../model/config.ts';
import { sweepRho, type Sweep, type SweepOptions } from '../../recipe/rate-sweep.ts';
import { gainCells, gainHead, gainWords } from '../../report/net-gain.ts';
import { signed } from '../../report/text.ts';
import { DROPPED_SHARES } from '../../score/explain-domains.ts';
import { SCORER_FILE } from '../../score/scorer-files.ts';
import { readScoreTable } from '../../score/table.ts';
import {
  defineCommand,
  gradientOptions,
  integer,
  nonNegativeNumber,
  numberIn,
  option,
  positiveInteger,
  positiveNumber,
  share,
  withBackend,
  type BackendFlags,
} from '../command.ts';
import { UsageError } from '../io.ts';
import { showEvent } from '../recipe-command.ts';
import { formatTable } from '../table.ts';

const list =
  <T>(parse: (text: string) => T) =>
  (text: string): T[] =>
    text.split(',').map(parse);

/** Points of a loss curve, where nothing else is asked for. */
const POINTS = 20;

export const rateSweep = defineCommand<
  BackendFlags & {
    out: string;
    samples: string;
    config: string;
    column: string;
    rhos?: number[];
    seeds: number[];
    steps: number;
    batch: number;
    lr: number;
    warmup: number;
    finalLr: number;
    weightDecay: number;
    clipNorm: number;
    validationRows: number;
    every?: number;
    domain?: string;
    rater?: string;
    metaFlops?: number;
    trainings: number;
  }
>({
  usage: 'rate sweep <scores>',
  description:
    'How much to drop: train a small model on the best-scored rows at several shares ρ, against no filter; goes on after a kill.',
  example:
    'gradfold rate sweep rater.arrow --samples tokens/samples.arrow --config small.json --rater rater/model --out sweep',
  limits: 'rows of the table, its first ones',
  options: [
    option('-o, --out <dir>', 'folder of the trainings').makeOptionMandatory(),
    option('--samples <path>', 'the scored rows').makeOptionMandatory(),
    option('--config <path>', 'config.json of the model, the smallest that is to be trained').makeOptionMandatory(),
    option('--column <name>', 'score column', String, 'rater'),
    option(
      '--rhos <list>',
      `shares to drop (default: ${DROPPED_SHARES.join(',')})`,
      list(numberIn({ above: 0, below: 1 })),
    ),
    option('--seeds <list>', 'seeds of parameters and order', list(integer), [1, 2, 3]),
    option('--steps <n>', 'optimizer steps of each training', positiveInteger, 300),
    option('--batch <n>', 'rows a step', positiveInteger, 32),
    option('--lr <x>', 'peak learning rate', nonNegativeNumber, 1e-3),
    option('--warmup <n>', 'steps of linear warm-up', integer, 0),
    option('--final-lr <x>', 'last learning rate as a fraction of the peak', share, 0.1),
    option('--weight-decay <x>', 'decoupled weight decay', nonNegativeNumber, 0),
    option('--clip-norm <x>', 'gradient norm above which it is scaled down', positiveNumber, 1),
    option('--validation-rows <n>', 'validation rows of each domain', positiveInteger, 64),
    option('--every <n>', `steps from one validation to the next (default: a ${POINTS}th of --steps)`, positiveInteger),
    option('--domain <name>', 'validation loss that decides (default: the mean over domains)'),
    option('--rater <dir>', 'what made the scores: tells what scoring costs, and what `rate train` took'),
    option(
      '--meta-flops <x>',
      "operations of training the rater, to be earned back (default: the rater's own record)",
      nonNegativeNumber,
    ),
    option('--trainings <n>', 'trainings that share them', positiveInteger, 1),
    ...gradientOptions,
  ],
  async run({ args, options, io: { signal }, progress }) {
    const { column, limit, steps, batch, lr, warmup, finalLr, weightDecay, clipNorm } = options;
    if (options.metaFlops !== undefined && options.rater === undefined) {
      throw new UsageError('rate sweep: --meta-flops needs --rater, which tells what scoring costs');
    }
    const samples = await openSamples(options.samples);
    const all = await readScoreTable(args[0] as string, column, samples);
    const model = (await readJsonObject(options.config)) as unknown as ModelConfig;
    const rater =
      options.rater === undefined ? undefined : await costsOf(options.rater, { ...options, length: samples.length });
    const sweep = await withBackend(options, (backend) =>
      sweepRho({
        dir: options.out,
        backend,
        samples,
        table: { rows: all.rows.subarray(0, limit), scores: all.scores.subarray(0, limit) },
        model,
        optimization: { steps, batch, lr, warmup, finalLr, betas: [0.9, 0.95], weightDecay, clipNorm },
        seeds: options.seeds,
        rhos: options.rhos,
        validation: {
          rowsPerDomain: options.validationRows,
          every: options.every ?? Math.max(1, Math.round(steps / POINTS)),
          domain: options.domain,
        },
        rater,
        signal,
        onEvent: (event) => showEvent(event, progress),
      }),
    );
    return { json: { path: options.out, column, ...sweep }, text: inWords(sweep, rater) };
  },
});

/** What using a rater costs, and what making it did, by its own files where nothing else is given. */
async function costsOf(
  directory: string,
  { metaFlops, trainings, length }: { metaFlops?: number; trainings: number; length: number },
): Promise<NonNullable<SweepOptions['rater']>> {
  const config = (await readJsonObject(join(directory, 'config.json'))) as unknown as RaterConfig;
  try {
    raterFlops(config, length);
  } catch (cause) {
    throw invalid(`--rater ${directory}`, 'the folder of a rater', `a config.json of something else`, {
      code: 'INVALID_FILE',
      fix: `give the folder "model" that \`gradfold rate train\` wrote (${(cause as Error).message})`,
      cause,
    });
  }
  const record = join(directory, SCORER_FILE);
  const recorded = existsSync(record) ? (await readJsonObject(record)).metaFlops : undefined;
  return { config, metaFlops: metaFlops ?? (recorded as number | undefined), trainings };
}

function inWords(sweep: Sweep, costs: SweepOptions['rater']): string {
  const { rows, seeds, steps, batch, measure, tokens } = sweep;
  const table = formatTable(
    ['ρ', 'rows', 'passes', 'loss', 'sd', 'to no filter', 'sd', 'p (Holm)', 'steps to its loss'],
    rows.map(({ rho, rows, passes, mean, sd, difference, reached }) => [
      rho === 0 ? 'none' : String(rho),
      String(rows),
      passes.toFixed(2),
      mean.toFixed(4),
      sd.toFixed(4),
      difference ? signed(difference.mean, 4) : '',
      difference ? difference.sd.toFixed(4) : '',
      difference?.test ? difference.test.adjusted.toFixed(4) : '',
      stepsTo(reached.perSeed, reached.mean),
    ]),
  );
  return [
    `${seeds.length} seed${seeds.length === 1 ? '' : 's'}, ${steps} steps of ${batch} rows, about ${tokens.toLocaleString('en')} tokens each; validation loss in nats, ${measure}`,
    table,
    verdict(sweep),
    costs ? accounts(sweep, costs) : '',
  ]
    .filter(Boolean)
    .join('\n\n');
}

/** What each filter saves and costs, with every seed. */
function accounts({ rows }: Sweep, { metaFlops, trainings = 1 }: NonNullable<SweepOptions['rater']>): string {
  const filters = rows.flatMap(({ rho, gain }) => (gain ? [{ rho, gain }] : []));
  const names = { first: 'ρ', making: 'meta-training' };
  const known = metaFlops !== undefined;
  const gains = filters.map(({ gain }) => gain);
  return [
    formatTable(
      gainHead(names),
      filters.map(({ rho, gain }) => [String(rho), ...gainCells(gain, known)]),
    ),
    [
      gainWords(gains, { baseline: 'the training without a filter', making: names.making }),
      trainings > 1 ? `${trainings} trainings share meta-training.` : '',
      known ? '' : 'What meta-training took is not in the rater’s record (--meta-flops): by seed without it.',
    ]
      .filter(Boolean)
      .join(' '),
  ].join('\n\n');
}

/** Their mean, or how many seeds get there. */
function stepsTo(perSeed: (number | null)[], mean: number | null): string {
  if (mean !== null) return mean.toFixed(0);
  const there = perSeed.filter((step) => step !== null).length;
  return there === 0 ? 'never' : `${there} of ${perSeed.length} seeds`;
}

function verdict({ rows, best, clear, seeds }: Sweep): string {
  if (best === 0) return 'Best: no filter. No ρ has a lower mean loss.';
  const { difference } = rows.find(({ rho }) => rho === best)!;
  const by = `${signed(difference!.mean, 4)} nats against no filter`;
  if (seeds.length === 1) return `Best: ρ ${best}, ${by}; one seed cannot tell that from chance.`;
  return `Best: ρ ${best}, ${by}; ${clear ? 'clear' : 'not clear'} at p < 0.05, corrected for ${rows.length - 1} values of ρ.`;
}
