import type { Table } from 'apache-arrow';
import { closest } from 'fastest-levenshtein';
import type { FloatArray } from '../backend/types.ts';
import { checkLength, invalid } from '../check.ts';
import { readArrowFile } from '../data/arrow-file.ts';
import { readNumberColumns, writeNumberColumns } from '../data/number-columns.ts';
import { GradfoldError } from '../errors.ts';
import { rejectNaN } from './check.ts';

/** Scores of some rows of a table, where not all of them were scored. */
export interface ScoreTable {
  /** Row numbers. */
  rows: Uint32Array;
  /** One score a row of `rows`. */
  scores: Float64Array;
}

/**
 * Writes scores of some rows as an Arrow IPC file with a column `row` (uint32) and float64 columns, atomically.
 * @param columns by method name, each with one value a row
 * @throws GradfoldError INVALID_ARGUMENT for columns of another length than `rows`; IO.
 */
export async function writeScoreTable(
  path: string,
  rows: Uint32Array,
  columns: Record<string, Float64Array>,
  metadata: Record<string, string> = {},
): Promise<void> {
  for (const [name, values] of Object.entries(columns)) {
    checkLength(`columns.${name}`, values, rows.length, 'one a row');
  }
  await writeNumberColumns(path, { row: rows, ...columns }, metadata);
}

/**
 * Reads one score column of a file written by `writeScoreTable` or `writeScores` (whose rows are all rows, in order).
 * @param samples what was scored, where it is at hand: the rows are then checked against it
 * @returns with `byPlace`, whether the file has no column `row`, so that places in it are row numbers
 * @throws GradfoldError NOT_FOUND; INVALID_FILE; INVALID_DATA for a column that is unknown or holds no floats, a NaN, a row
 *   that is scored twice or that the samples do not have, or a file by place of another length than the samples.
 */
export async function readScoreTable(
  path: string,
  column: string,
  samples?: { readonly count: number },
): Promise<ScoreTable & { byPlace: boolean }> {
  const table = await readArrowFile(path);
  const type: unknown = table.getChild(column)?.type.ArrayType;
  if (!isFloat(type)) throw noScores(path, table, column);
  const values = readNumberColumns(path, table, { [column]: type }).columns[column] as FloatArray;
  rejectNaN(values, column);
  const rows = rowNumbers(path, table);
  const byPlace = table.getChild('row') === null;
  if (samples !== undefined) checkAgainst(path, { rows, byPlace }, samples.count);
  return { rows, scores: Float64Array.from(values), byPlace };
}

function checkAgainst(path: string, { rows, byPlace }: { rows: Uint32Array; byPlace: boolean }, count: number): void {
  const wrong = { code: 'INVALID_DATA', fix: 'give the samples that were scored' } as const;
  const strange = rows.find((row) => row >= count);
  if (strange !== undefined) throw invalid(`row of ${path}`, `below ${count}, the rows of the samples`, strange, wrong);
  if (byPlace && rows.length !== count) {
    throw invalid(`${path}, without a column "row"`, `one score for each of the ${count} samples`, rows.length, wrong);
  }
}

function noScores(path: string, table: Table, column: string): GradfoldError {
  const names = table.schema.fields.flatMap(({ name, type }) => (isFloat(type.ArrayType) ? [name] : []));
  const found = column === 'row' ? null : table.getChild(column);
  if (found !== null) {
    return invalid(`column "${column}" of ${path}`, 'scores of float64 or float32', String(found.type), {
      code: 'INVALID_DATA',
      fix: names.length > 0 ? `columns of scores: ${names.join(', ')}` : 'write scores with `gradfold score`',
    });
  }
  return invalid(`score column of ${path}`, `one of ${names.join(', ') || '(there are none)'}`, column, {
    code: 'INVALID_DATA',
    fix: names.length > 0 ? `did you mean "${closest(column, names)}"?` : 'write scores with `gradfold score`',
  });
}

/**
 * The part of a table that holds `rows`, in their order.
 * @throws GradfoldError INVALID_DATA naming a row that has no score.
 */
export function restrictTable(table: ScoreTable, rows: Uint32Array): ScoreTable {
  const places = new Map(Array.from(table.rows, (row, place) => [row, place]));
  const scores = Float64Array.from(rows, (row) => {
    const place = places.get(row);
    if (place === undefined) {
      throw new GradfoldError(
        'INVALID_DATA',
        `row ${row} of the plan: expected a score, got none; score these rows too`,
      );
    }
    return table.scores[place];
  });
  return { rows, scores };
}

/**
 * The score of each row.
 * @param name what messages call the scores
 * @throws GradfoldError INVALID_DATA for a row that is scored twice or a score that is not finite.
 */
export function scoresByRow(name: string, { rows, scores }: ScoreTable): Map<number, number> {
  const byRow = new Map<number, number>();
  rows.forEach((row, i) => {
    if (byRow.has(row)) throw invalid(`rows of ${name}`, 'each row once', row, { code: 'INVALID_DATA' });
    if (!Number.isFinite(scores[i])) {
      throw invalid(`score of row ${row} in ${name}`, 'a finite number', scores[i], { code: 'INVALID_DATA' });
    }
    byRow.set(row, scores[i]);
  });
  return byRow;
}

/** One column of a score file, NaN where a row has no score. */
export interface ScoreColumn {
  /** The file's path, and the column in it. */
  file: string;
  column: string;
  /** Row numbers, one a value. */
  rows: Uint32Array;
  values: FloatArray;
}

/**
 * Reads every float column of a score file.
 * @throws GradfoldError NOT_FOUND; INVALID_FILE; INVALID_DATA for a row that is scored twice.
 */
export async function readScoreColumns(path: string): Promise<ScoreColumn[]> {
  const table = await readArrowFile(path);
  const rows = rowNumbers(path, table);
  return table.schema.fields
    .filter(({ type }) => isFloat(type.ArrayType))
    .map(({ name, type }) => ({
      file: path,
      column: name,
      rows,
      values: readNumberColumns(path, table, { [name]: type.ArrayType as FloatConstructor }).columns[
        name
      ] as FloatArray,
    }));
}

type FloatConstructor = Float32ArrayConstructor | Float64ArrayConstructor;

const isFloat = (type: unknown): type is FloatConstructor => type === Float32Array || type === Float64Array;

/** The column `row`, or all rows in order where there is none. */
function rowNumbers(path: string, table: Table): Uint32Array {
  if (table.getChild('row')) {
    const rows = readNumberColumns(path, table, { row: Uint32Array }).columns.row;
    rejectRepeated(path, rows);
    return rows;
  }
  return Uint32Array.from({ length: table.numRows }, (_, row) => row);
}

function rejectRepeated(path: string, rows: Uint32Array): void {
  // As commands write them; anything else is sorted.
  if (rows.every((row, i) => i === 0 || row > rows[i - 1])) return;
  const sorted = rows.slice().sort();
  const twice = sorted.find((row, i) => i > 0 && row === sorted[i - 1]);
  if (twice !== undefined) throw invalid(`rows of ${path}`, 'each row once', twice, { code: 'INVALID_DATA' });
}
