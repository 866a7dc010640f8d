import { Option } from 'commander';
import { openSamples, SPLITS, type Split } from '../data/samples.ts';
import { drawRows } from '../recipe/rows.ts';
import { scoreRows } from '../score/rater-scores.ts';
import { loadScorer } from '../score/scorer-files.ts';
import { backendKey, digestRater, digestRows } from '../train/fingerprint.ts';
import {
  backendOptions,
  forceOption,
  option,
  outOption,
  positiveInteger,
  withBackend,
  type BackendFlags,
  type CommandCall,
} from './command.ts';
import type { CommandOutput } from './io.ts';
import { scoreShardOf, type ScoreShardFlags } from './score-shard.ts';
import { shardOf, shardOptions } from './shard-options.ts';
import { reencodeFor, tokenizerBeside } from './tokenizers.ts';

export interface ApplyFlags extends BackendFlags, ScoreShardFlags {
  split: Split | typeof ALL;
  column?: string;
  samplesTokenizer?: string;
}

/** Rows of every split. */
const ALL = 'all';

/**
 * The options of commands that score rows with a rater; `rater` is the one that names it, `split` says which rows are
 * scored where nothing else is asked for.
 */
export const applyOptions = (rater: Option, column: string, split: ApplyFlags['split']): Option[] => [
  outOption('the score table, or with the number of a part in its name that of the part,'),
  rater.makeOptionMandatory(),
  new Option('--split <name>', 'rows to score').choices([...SPLITS, ALL]).default(split),
  option('--column <name>', `name of the scores (default: ${column})`),
  option('--batch <n>', 'rows a pass', positiveInteger, 32),
  option('--samples-tokenizer <path>', 'tokenizer that the rows were made with (default: the one beside them)'),
  ...shardOptions,
  ...backendOptions,
  forceOption,
];

/** Scores rows of a samples table with the rater in `directory`. */
export async function applyRater(directory: string, call: CommandCall<ApplyFlags>): Promise<CommandOutput> {
  const { args, options, io } = call;
  const { signal } = io;
  const { split, batch, seed, limit } = options;
  const shard = shardOf(options);
  const path = args[0] as string;
  const samples = await openSamples(path);
  const rows = drawRows(samples, { split: split === ALL ? undefined : split, count: limit, seed }).sort();
  const result = await withBackend(options, async (backend) => {
    const { rater, record, tokenizer } = await loadScorer(directory, { backend, signal });
    const from = tokenizerBeside(path, options.samplesTokenizer);
    const reencode = await reencodeFor(from, tokenizer, rater.config);
    const column = options.column ?? record.column;
    return scoreShardOf(call, {
      rows,
      shard,
      columns: [column],
      score: async (part) => ({
        [column]: await scoreRows(rater, samples, part, { batchSize: batch, reencode, signal }),
      }),
      fingerprint: {
        scorer: digestRater(rater),
        settings: JSON.stringify(rater.config),
        samples: digestRows(samples, rows),
        reencoded: String(reencode !== undefined),
        batch,
        backend: backendKey(backend),
      },
      metadata: { method: 'scorer', scorer: directory },
    });
  });
  const what = result.computed ? 'scored' : 'were scored already';
  return {
    json: { path: result.path, rows: result.rows.length, computed: result.computed },
    text: `${result.path}: ${result.rows.length} rows ${what}${result.part}`,
  };
}
