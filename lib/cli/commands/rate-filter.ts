import { Option } from 'commander';
import { openCorpus } from '../../data/corpus.ts';
import { openSamples } from '../../data/samples.ts';
import { shuffleOrder } from '../../order/shuffle.ts';
import { planInOrder, writePlan } from '../../order/plan.ts';
import { readScoreTable } from '../../score/table.ts';
import { bestOfWindows } from '../../select/batch-windows.ts';
import { recordMetadata } from '../../select/plan-record.ts';
import { PointFilter } from '../../select/point-filter.ts';
import { candidatesFor, ratioFor } from '../../select/discard.ts';
import { rowNames } from '../../select/row-names.ts';
import { invalid } from '../../check.ts';
import { UsageError } from '../io.ts';
import { claimOutput, defineCommand, forceOption, option, outOption, positiveInteger, numberIn } from '../command.ts';

interface Flags {
  out: string;
  column: string;
  method: 'point' | 'batch';
  discard: number;
  batch: number;
  reference?: string;
  samples?: string;
  corpus?: string;
  force: boolean;
}

interface FilterTask {
  rows: Uint32Array;
  scores: Float64Array;
  /** What the point filter draws by: row numbers, or names that hold in any table. */
  ids: Uint32Array | string[];
  /** Of the point filter's distribution of scores. */
  reference: Float64Array;
  candidates: number;
  keep: number;
  seed: number;
}

/** Rows that are kept, in training order. */
const METHODS: Record<Flags['method'], (task: FilterTask) => Uint32Array> = {
  point({ rows, scores, ids, reference, candidates, keep, seed }) {
    const kept = new PointFilter({ reference, batch: candidates, keep, seed }).places(ids, scores);
    return shuffleOrder(kept.length, seed).map((i) => rows[kept[i]]);
  },
  batch: ({ rows, scores, candidates, keep, seed }) =>
    bestOfWindows(scores, { candidates, keep, seed }).map((place) => rows[place]),
};

/** How many rows compete, and how many of them stay: of one row at a time any number will do that has the ratio. */
const SHAPES: Record<Flags['method'], (keep: number, discard: number) => { batch: number; keep: number }> = {
  point: ratioFor,
  batch: (keep, discard) => ({ batch: candidatesFor(keep, discard), keep }),
};

export const rateFilter = defineCommand<Flags>({
  usage: 'rate filter <scores>',
  description: 'Keep the rows that would win in batches of rated rows, as a plan in random order.',
  example: 'gradfold rate filter scores.arrow --discard 0.5 --out plan.arrow',
  limits: 'rows of the plan, its first ones',
  options: [
    outOption('the plan'),
    option('--column <name>', 'score column', String, 'rater'),
    new Option(
      '--method <name>',
      'point: each row by itself, with the chance it would have in a batch; batch: the best of each batch',
    )
      .choices(['point', 'batch'])
      .default('point'),
    option('--discard <share>', 'share of the rows that is left out', numberIn({ min: 0, below: 1 }), 0.5),
    option('--batch <n>', 'rows that are kept of a batch', positiveInteger, 32),
    option(
      '--reference <scores>',
      'point: table whose scores the rows compete with, for parts of a corpus (default: the table itself)',
    ),
    option('--samples <path>', 'point, with --corpus: the scored rows, to be decided by the ids of their documents'),
    option('--corpus <path>', 'the corpus that the samples were made from'),
    forceOption,
  ],
  async run({ args, options, progress }) {
    const { out, column, method, discard, seed, limit } = options;
    if (options.reference !== undefined && method !== 'point') {
      throw new UsageError(`rate filter: --reference is for --method point; --method ${method} has none`);
    }
    if ((options.samples === undefined) !== (options.corpus === undefined)) {
      throw new UsageError('rate filter: --samples and --corpus go together: ids of the documents of rows take both');
    }
    if (options.samples !== undefined && method !== 'point') {
      throw new UsageError(`rate filter: --samples and --corpus are for --method point; --method ${method} has none`);
    }
    const file = args[0] as string;
    const samples = options.samples === undefined ? undefined : await openSamples(options.samples);
    const { rows, scores, byPlace } = await readScoreTable(file, column, samples);
    const ids = samples ? rowNames(samples, await openCorpus(options.corpus!), rows) : rows;
    if (byPlace) progress.line(`${file} has no column "row": taken as the scores of rows 0 to ${rows.length - 1}`);
    const reference =
      options.reference === undefined ? scores : (await readScoreTable(options.reference, column)).scores;
    const { batch: candidates, keep } = SHAPES[method](options.batch, discard);
    const kept = METHODS[method]({ rows, scores, ids, reference, candidates, keep, seed }).slice(0, limit);
    if (kept.length === 0) {
      throw invalid('discard', `a share that keeps something of ${rows.length} rows`, discard);
    }
    await claimOutput(out, options.force);
    const from = `${kept.length} of the ${rows.length} rows of ${file}, by the ${method} filter: ${keep} of ${candidates} by ${column}`;
    await writePlan(out, planInOrder(kept), recordMetadata({ from }));
    return {
      json: { path: out, rows: kept.length, of: rows.length, method, candidates, keep },
      text: `${out}: kept ${from}`,
    };
  },
});
