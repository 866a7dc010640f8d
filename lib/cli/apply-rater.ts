import { rm } from 'node:fs/promises';
import { Option } from 'commander';
import { openSamples, SPLITS, type Split } from '../data/samples.ts';
import { drawRows } from '../recipe/rows.ts';
import { scoreRows } from '../score/rater-scores.ts';
import { loadScorer } from '../score/scorer-files.ts';
import { scoreShard, shardPath } from '../score/shards.ts';
import { digestRater, digestRows } from '../train/fingerprint.ts';
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
import { shardOf, shardOptions, type ShardFlags } from './shard-options.ts';
import { reencodeFor, tokenizerBeside } from './tokenizers.ts';

export interface ApplyFlags extends BackendFlags, ShardFlags {
  out: string;
  split?: Split;
  column?: string;
  batch: number;
  samplesTokenizer?: string;
  force: boolean;
}

/** The options of commands that score rows with a rater; `rater` is the one that names it. */
export const applyOptions = (rater: Option, column: string): Option[] => [
  outOption('the score table, or with the number of a part in its name that of the part,'),
  rater.makeOptionMandatory(),
  new Option('--split <name>', 'rows to score (default: all)').choices(SPLITS),
  option('--column <name>', `name of the scores (default: ${column})`),
  option('--batch <n>', 'rows a pass', positiveInteger, 32),
  option('--samples-tokenizer <path>', 'tokenizer that the rows were made with (default: the one beside them)'),
  ...shardOptions,
  ...backendOptions,
  forceOption,
];

/** Scores all rows of a samples table, or a part of them, with the rater in `directory`. */
export async function applyRater(
  directory: string,
  { args, options, io: { signal }, progress }: CommandCall<ApplyFlags>,
): Promise<CommandOutput> {
  const { out, split, batch, seed, limit } = options;
  const shard = shardOf(options);
  const path = args[0] as string;
  const samples = await openSamples(path);
  const rows = drawRows(samples, { split, count: limit, seed }).sort();
  if (options.force) await rm(shardPath(out, shard), { force: true });
  const result = await withBackend(options, async (backend) => {
    const { rater, record, tokenizer } = await loadScorer(directory, { backend, signal });
    const from = tokenizerBeside(path, options.samplesTokenizer);
    const reencode = await reencodeFor(from, tokenizer, rater.config);
    const column = options.column ?? record.column;
    return scoreShard({
      out,
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
        backend: backend.name,
      },
      metadata: { method: 'scorer', scorer: directory },
      onProgress: ({ done, total }) => progress.update('score', done, total, 'rows'),
      signal,
    });
  });
  const part = shard ? `, part ${shard.index} of ${shard.count}` : '';
  const what = result.computed ? 'scored' : 'were scored already';
  return {
    json: { path: result.path, rows: result.rows.length, computed: result.computed },
    text: `${result.path}: ${result.rows.length} rows ${what}${part}`,
  };
}
