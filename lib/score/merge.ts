import { invalid } from '../check.ts';
import { readArrowFile } from '../data/arrow-file.ts';
import { readNumberColumns } from '../data/number-columns.ts';
import { GradfoldError } from '../errors.ts';
import { argsort } from '../order/argsort.ts';
import { SHARD_KEYS } from './shards.ts';

/** Rows with their scores, by column, and how they were made. */
export interface MergedScores {
  /** Ascending. */
  rows: Uint32Array;
  columns: Record<string, Float64Array>;
  /** What all parts agree on. */
  metadata: Record<string, string>;
}

interface Part {
  path: string;
  rows: Uint32Array;
  columns: Record<string, Float64Array>;
  metadata: Record<string, string>;
}

/**
 * Puts score tables of different rows together: the parts of one scoring, or tables with the same columns.
 * @throws GradfoldError INVALID_DATA when columns differ, a row is scored twice, or parts are missing or of different
 *   scorings, naming them
 */
export async function mergeScores(paths: readonly string[]): Promise<MergedScores> {
  if (paths.length === 0) throw invalid('paths', 'at least one score table', paths);
  const parts: Part[] = [];
  for (const path of paths) parts.push(await readPart(path));
  const [first] = parts;
  const names = Object.keys(first.columns);
  for (const { path, columns } of parts) {
    if (Object.keys(columns).join() === names.join()) continue;
    throw invalid(path, `the columns ${names.join(', ')} of ${first.path}`, Object.keys(columns).join(', '), {
      code: 'INVALID_DATA',
    });
  }
  checkShards(parts);
  return { ...inOrder(parts, names), metadata: commonMetadata(parts) };
}

async function readPart(path: string): Promise<Part> {
  const table = await readArrowFile(path);
  const names = table.schema.fields.map(({ name }) => name).filter((name) => name !== 'row');
  const types = Object.fromEntries(names.map((name) => [name, Float64Array]));
  const scores = readNumberColumns(path, table, types);
  const { row } = readNumberColumns(path, table, { row: Uint32Array }).columns;
  return { path, rows: row, columns: scores.columns, metadata: scores.metadata };
}

/** Either all parts of one scoring are there, each once, or none of the tables is a part. */
function checkShards(parts: Part[]): void {
  const isPart = ({ metadata }: Part) => metadata[SHARD_KEYS.count] !== undefined;
  const [first] = parts.filter(isPart);
  if (!first) return;
  const stranger = parts.find(
    (part) =>
      !isPart(part) ||
      part.metadata[SHARD_KEYS.fingerprint] !== first.metadata[SHARD_KEYS.fingerprint] ||
      part.metadata[SHARD_KEYS.count] !== first.metadata[SHARD_KEYS.count],
  );
  if (stranger) {
    throw new GradfoldError(
      'INVALID_DATA',
      `${stranger.path}: expected a part of the scoring that ${first.path} belongs to, got another one; ` +
        'score the parts again with the same model, rows and number of parts',
    );
  }
  const present = new Set(parts.map(({ metadata }) => Number(metadata[SHARD_KEYS.index])));
  const count = Number(first.metadata[SHARD_KEYS.count]);
  const missing = Array.from({ length: count }, (_, i) => i).filter((i) => !present.has(i));
  if (missing.length > 0) {
    const named = `${missing.slice(0, 8).join(', ')}${missing.length > 8 ? ', …' : ''}`;
    throw new GradfoldError(
      'INVALID_DATA',
      `parts: expected all ${count}, got ${present.size}; missing: ${named}; score those with --shard`,
    );
  }
}

function inOrder(parts: Part[], names: string[]): Pick<MergedScores, 'rows' | 'columns'> {
  const total = parts.reduce((sum, { rows }) => sum + rows.length, 0);
  const rows = new Uint32Array(total);
  const columns = Object.fromEntries(names.map((name) => [name, new Float64Array(total)]));
  const joined = parts.toSorted((a, b) => (a.rows[0] ?? 0) - (b.rows[0] ?? 0));
  let end = 0;
  for (const part of joined) {
    rows.set(part.rows, end);
    for (const name of names) columns[name].set(part.columns[name], end);
    end += part.rows.length;
  }
  if (isAscending(rows)) return { rows, columns };
  const order = argsort(Float64Array.from(rows));
  const sorted = rows.map((_, i) => rows[order[i]]);
  const twice = sorted.find((row, i) => i > 0 && row === sorted[i - 1]);
  if (twice !== undefined) {
    const places = parts.filter(({ rows }) => rows.includes(twice)).map(({ path }) => path);
    throw new GradfoldError('INVALID_DATA', `row ${twice} is scored twice: in ${places.join(' and in ')}`);
  }
  return {
    rows: sorted,
    columns: Object.fromEntries(names.map((name) => [name, columns[name].map((_, i) => columns[name][order[i]])])),
  };
}

function isAscending(rows: Uint32Array): boolean {
  return rows.every((row, i) => i === 0 || row > rows[i - 1]);
}

function commonMetadata(parts: Part[]): Record<string, string> {
  const own: string[] = [SHARD_KEYS.index, SHARD_KEYS.count];
  return Object.fromEntries(
    Object.entries(parts[0].metadata).filter(
      ([key, value]) => !own.includes(key) && parts.every(({ metadata }) => metadata[key] === value),
    ),
  );
}
