import { Option } from 'commander';
import type { FloatArray } from '../backend/types.ts';
import { SPLITS, type Samples, type Split } from '../data/samples.ts';
import { summarize } from '../evaluate/statistics.ts';
import { drawRows } from '../recipe/rows.ts';
import type { ScoredShard } from '../score/shards.ts';
import { readScoreColumns, writeScoreTable } from '../score/table.ts';
import { option, type CommonOptions } from './command.ts';
import type { CommandOutput } from './io.ts';
import { formatTable } from './table.ts';

export const splitOption = new Option('--split <name>', 'rows to score').choices(SPLITS).default('train');

export const corpusOption = (): Option =>
  option('--corpus <path>', 'the corpus that the samples were made from').makeOptionMandatory();

/** The rows of a split that --limit leaves, ascending. */
export function rowsToScore(samples: Samples, options: CommonOptions & { split: Split }): Uint32Array {
  return drawRows(samples, { split: options.split, count: options.limit, seed: options.seed }).sort();
}

/** Writes score columns of rows to `out`; what the command says about them. */
export async function writtenScores(
  out: string,
  rows: Uint32Array,
  columns: Record<string, Float64Array>,
  metadata: Record<string, string>,
): Promise<CommandOutput> {
  await writeScoreTable(out, rows, columns, metadata);
  return describedScores(out, columns);
}

/** As describedScores, of a table that scoreShardOf has made or found. */
export async function describedShard({
  path,
  computed,
  part,
}: Pick<ScoredShard, 'path' | 'computed'> & { part: string }): Promise<CommandOutput> {
  const columns = Object.fromEntries((await readScoreColumns(path)).map(({ column, values }) => [column, values]));
  const { json, text } = describedScores(path, columns, `${computed ? '' : ', scored already'}${part}`);
  return { json: { ...json, computed }, text };
}

/** What a command says about the score columns of a table, each with one value a row. */
export function describedScores(path: string, columns: Record<string, FloatArray>, note = '') {
  const rows = Object.values(columns)[0].length;
  // A part may have no rows, and nothing has no mean.
  const summaries = Object.entries(rows === 0 ? {} : columns).map(([name, values]) => {
    const { mean, standardDeviation } = summarize(values);
    return { name, mean, standardDeviation };
  });
  const table = formatTable(
    ['column', 'mean', 'standard deviation'],
    summaries.map(({ name, mean, standardDeviation }) => [
      name,
      mean.toPrecision(4),
      Number.isNaN(standardDeviation) ? '' : standardDeviation.toPrecision(4),
    ]),
  );
  return {
    json: {
      path,
      rows,
      columns: Object.fromEntries(summaries.map(({ name, ...summary }) => [name, summary])),
    },
    text: `${path}: ${rows} rows${note}\n\n${table}`,
  };
}
