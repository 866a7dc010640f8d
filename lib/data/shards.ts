import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { checkInteger, invalid } from '../check.ts';
import { GradfoldError } from '../errors.ts';
import { fileError } from '../files.ts';

// A large table lies in several files, its shards. Their rows are numbered through, in the order of the shards.

/** One file of a table. */
export interface Shard {
  readonly path: string;
  /** Its first row's number in the table. */
  readonly start: number;
  /** Rows. */
  readonly count: number;
}

/** Row numbers are 32-bit in plans and score tables. */
const MOST_ROWS = 2 ** 32;

/** Lays files one after the other. Errors: UNSUPPORTED for more rows than row numbers can say. */
export function layShards(files: readonly { path: string; count: number }[]): Shard[] {
  let start = 0;
  const shards = files.map(({ path, count }) => {
    start += count;
    return { path, start: start - count, count };
  });
  if (start <= MOST_ROWS) return shards;
  throw new GradfoldError(
    'UNSUPPORTED',
    `${files[0].path} and its further shards: expected at most ${MOST_ROWS} rows, got ${start}; open a part of them`,
  );
}

/** The rows of a table, all its shards together. */
export function rowsOf(shards: readonly Shard[]): number {
  const last = shards.at(-1);
  return last === undefined ? 0 : last.start + last.count;
}

/** The index of the shard that holds a row of the table; `what` names the row in the error for one that is not there. */
export function shardOf(shards: readonly Shard[], row: number, what: string): number {
  checkInteger(what, row, 0, rowsOf(shards) - 1);
  let low = 0;
  let high = shards.length - 1;
  // The last one that begins at or before the row; empty ones before it begin there too.
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (shards[middle].start <= row) low = middle;
    else high = middle - 1;
  }
  return low;
}

const padded = (n: number): string => String(n).padStart(5, '0');

/** NAME-00000-of-00008.arrow */
export function shardName(name: string, index: number, count: number): string {
  return `${name}-${padded(index)}-of-${padded(count)}.arrow`;
}

/** A shard whose table is not finished: how many there will be is not known yet. */
export function unfinishedShardName(name: string, index: number): string {
  return `${name}-${padded(index)}.arrow`;
}

const SHARD_NAME = /^(.+)-\d{5,6}-of-(\d{5,6})\.arrow$/;
const NAMED_AT_MOST = 3;

/**
 * The files of a table: the file itself, those of a list in its order, or of a folder its shards, or else its only
 * .arrow file. Other files of the folder are passed over.
 *
 * Errors: NOT_FOUND; INVALID_FILE for a folder without a table, with several, or with shards missing.
 */
export async function tableFiles(where: string | readonly string[]): Promise<string[]> {
  if (typeof where !== 'string') {
    if (where.length === 0) throw invalid('path', 'a file, a folder or a list of files', 'an empty list');
    return [...where];
  }
  const found = await stat(where).catch((error) => {
    throw fileError('read', where, error);
  });
  if (!found.isDirectory()) return [where];
  const tables = (await readdir(where)).filter((name) => name.endsWith('.arrow') && !name.startsWith('.')).sort();
  const shards = tables.filter((name) => SHARD_NAME.test(name));
  const files = shards.length > 0 ? completeSet(where, shards) : tables;
  if (files.length > 0 && (shards.length > 0 || files.length === 1)) return files.map((name) => join(where, name));
  throw invalid(
    where,
    'the shards NAME-00000-of-0000N.arrow of one table, or one .arrow file',
    tables.length ? tables.join(', ') : 'a folder without either',
    { code: 'INVALID_FILE', fix: tables.length ? 'name the file that is meant' : undefined },
  );
}

/** The names of all shards of the only table there is. */
function completeSet(folder: string, names: readonly string[]): string[] {
  const parts = names.map((shard) => SHARD_NAME.exec(shard)!);
  const sets = new Map(parts.map(([, name, count]) => [`${name}/${count}`, { name, count: Number(count) }]));
  if (sets.size > 1) {
    const found = [...sets.values()].map(({ name, count }) => `${name}-…-of-${padded(count)}.arrow`).join(', ');
    throw invalid(folder, 'the shards of one table', found, {
      code: 'INVALID_FILE',
      fix: 'move the others to a folder of their own',
    });
  }
  const [{ name, count }] = sets.values();
  const there = new Set(names);
  const expected = Array.from({ length: count }, (_, i) => shardName(name, i, count));
  const missing = expected.filter((shard) => !there.has(shard));
  if (missing.length === 0) return expected;
  const more = missing.length > NAMED_AT_MOST ? ` and ${missing.length - NAMED_AT_MOST} more` : '';
  throw new GradfoldError(
    'INVALID_FILE',
    `${folder}: expected ${count} shards, got ${count - missing.length}; ` +
      `missing: ${missing.slice(0, NAMED_AT_MOST).join(', ')}${more}; write or copy them again`,
  );
}

/** The corpus of shards that are all of one, and say so. */
export function commonCorpus(shards: readonly { corpus?: string }[]): string | undefined {
  const [{ corpus }] = shards;
  return shards.every((shard) => shard.corpus === corpus) ? corpus : undefined;
}
