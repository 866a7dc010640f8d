import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { checkInteger, checkLength, invalid } from '../check.ts';
import { readArrowFile } from '../data/arrow-file.ts';
import { shardName } from '../data/shards.ts';
import { floatBytes, floatsOf, joinFloats, Journal } from '../journal.ts';
import { digest, type Fingerprint } from '../train/fingerprint.ts';
import { writeScoreTable } from './table.ts';

/** One of the parts that the rows of a scoring are divided into. */
export interface ScoreShard {
  /** From 0. */
  index: number;
  count: number;
}

/** Metadata of a score table that say which part of which scoring it is. */
export const SHARD_KEYS = { fingerprint: 'fingerprint', index: 'shard', count: 'shards' } as const;

/** Rows scored between two saves. */
const CHUNK_ROWS = 256;

/**
 * A part's rows: part i of n begins at row ⌊i·N/n⌋ of the N given ones or, where there are n chunks and more, at the nearest
 * multiple of `chunk`. Rows are then scored beside the same ones as without parts, so that scores have the same bits.
 */
export function shardRows(rows: Uint32Array, shard?: ScoreShard, chunk: number = CHUNK_ROWS): Uint32Array {
  if (!shard) return rows;
  const count = checkInteger('shard.count', shard.count, 1);
  const index = checkInteger('shard.index', shard.index, 0, count - 1);
  const unit = rows.length >= count * chunk ? chunk : 1;
  const round = unit === 1 ? Math.floor : Math.round;
  const beginOf = (part: number) => (part === count ? rows.length : round((part * rows.length) / count / unit) * unit);
  return rows.subarray(beginOf(index), beginOf(index + 1));
}

/** Where a part goes: `scores-00003-of-00016.arrow` of `scores.arrow`. */
export function shardPath(out: string, shard?: ScoreShard): string {
  return shard ? shardName(out.replace(/\.arrow$/, ''), shard.index, shard.count) : out;
}

export interface ShardScoring {
  /** The score table of all rows; that of a part has a name made of this one, see shardPath. */
  out: string;
  /** The rows of all parts. */
  rows: Uint32Array;
  /** The part to score; default: all rows. */
  shard?: ScoreShard;
  /** Names of the scores. */
  columns: readonly string[];
  /** Scores of some rows of the part, by column; called with one stretch after the other. */
  score(rows: Uint32Array): Promise<Record<string, Float64Array>>;
  /** What the scores depend on besides `rows`: model, samples, settings. */
  fingerprint: Fingerprint;
  /** Kept in the table. */
  metadata?: Record<string, string>;
  /** Rows scored between two saves; default 256. */
  chunk?: number;
  /** Counted in rows of the part. */
  onProgress?: (progress: { done: number; total: number }) => void;
  signal?: AbortSignal;
}

export interface ScoredShard {
  path: string;
  rows: Uint32Array;
  /** False when the table was there already. */
  computed: boolean;
}

/**
 * Scores a part of the rows into a score table, which appears complete or not at all. What is scored is kept in
 * `PATH.partial` meanwhile, so that a killed call goes on from the last stretch it finished. A table of the same scoring
 * that is there already is left as it is.
 * @throws GradfoldError INVALID_ARGUMENT when another file is in the way
 */
export async function scoreShard(options: ShardScoring): Promise<ScoredShard> {
  const { columns, signal, onProgress } = options;
  const path = shardPath(options.out, options.shard);
  const chunk = checkInteger('chunk', options.chunk ?? CHUNK_ROWS, 1);
  const rows = shardRows(options.rows, options.shard, chunk);
  const fingerprint = digest([
    ...Object.entries(options.fingerprint).map(([name, value]) => `${name}=${value}`),
    ...columns,
    options.rows,
  ]);
  const partial = `${path}.partial`;
  if (existsSync(path)) {
    await checkSameScoring(path, fingerprint);
    await rm(partial, { force: true });
    return { path, rows, computed: false };
  }
  await mkdir(dirname(path), { recursive: true });
  const { journal, entries } = await Journal.open(partial);
  try {
    const key = Buffer.from(`${fingerprint} ${rows.length} ${chunk}`);
    const [first, ...stretches] = entries;
    const saved = first?.equals(key) ? savedStretches(stretches, columns.length) : undefined;
    if (!saved) {
      await journal.clear(); // of another scoring
      await journal.append(key);
    }
    const scores = columns.map(() => new Float64Array(rows.length));
    const total = rows.length;
    for (let start = 0; start < total; start += chunk) {
      signal?.throwIfAborted();
      const part = rows.subarray(start, start + chunk);
      const known = saved?.get(start);
      const values = known ?? (await scoresOf(options, part));
      if (!known) await journal.append(floatBytes(joinFloats([Float64Array.of(start), ...values])));
      values.forEach((column, c) => scores[c].set(column, start));
      onProgress?.({ done: start + part.length, total });
    }
    const metadata = { ...options.metadata, [SHARD_KEYS.fingerprint]: fingerprint, ...shardMetadata(options.shard) };
    await writeScoreTable(path, rows, Object.fromEntries(columns.map((name, c) => [name, scores[c]])), metadata);
  } finally {
    await journal.close();
  }
  await rm(partial, { force: true });
  return { path, rows, computed: true };
}

async function scoresOf({ columns, score }: ShardScoring, rows: Uint32Array): Promise<Float64Array[]> {
  const scores = await score(rows);
  return columns.map((name) => {
    checkLength(`scores of ${name}`, scores[name], rows.length, 'one a row');
    return scores[name];
  });
}

/** By first row: the columns of each saved stretch, which lie one after the other behind that number. */
function savedStretches(entries: Buffer[], columns: number): Map<number, Float64Array[]> {
  return new Map(
    entries.map((entry) => {
      const numbers = floatsOf(entry);
      const length = (numbers.length - 1) / columns;
      const column = (c: number) => numbers.subarray(1 + c * length, 1 + (c + 1) * length);
      return [numbers[0], Array.from({ length: columns }, (_, c) => column(c))];
    }),
  );
}

function shardMetadata(shard: ScoreShard | undefined): Record<string, string> {
  if (!shard) return {};
  return { [SHARD_KEYS.index]: String(shard.index), [SHARD_KEYS.count]: String(shard.count) };
}

async function checkSameScoring(path: string, fingerprint: string): Promise<void> {
  const { metadata } = (await readArrowFile(path)).schema;
  if (metadata.get(SHARD_KEYS.fingerprint) === fingerprint) return;
  throw invalid(path, 'nothing there, or the scores of this very call', 'another file', {
    fix: 'give another --out, or --force to replace it',
  });
}
