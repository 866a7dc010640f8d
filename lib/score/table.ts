import { closest } from 'fastest-levenshtein';
import type { FloatArray } from '../backend/types.ts';
import { checkLength, invalid } from '../check.ts';
import { readArrowFile } from '../data/arrow-file.ts';
import { readNumberColumns, writeNumberColumns } from '../data/number-columns.ts';
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
 * @throws GradfoldError NOT_FOUND; INVALID_FILE; INVALID_DATA for an unknown column or a NaN.
 */
export async function readScoreTable(path: string, column: string): Promise<ScoreTable> {
  const table = await readArrowFile(path);
  const names = table.schema.fields.map(({ name }) => name).filter((name) => name !== 'row');
  const type: unknown = table.getChild(column)?.type.ArrayType;
  if (!names.includes(column) || (type !== Float32Array && type !== Float64Array)) {
    throw invalid(`score column of ${path}`, `one of ${names.join(', ') || '(there are none)'}`, column, {
      code: 'INVALID_DATA',
      fix: names.length > 0 ? `did you mean "${closest(column, names)}"?` : 'write scores with `gradfold score`',
    });
  }
  const values = readNumberColumns(path, table, {
    [column]: type as Float32ArrayConstructor | Float64ArrayConstructor,
  }).columns[column] as FloatArray;
  rejectNaN(values, column);
  const rows = table.getChild('row')
    ? readNumberColumns(path, table, { row: Uint32Array }).columns.row
    : Uint32Array.from(values, (_, i) => i);
  return { rows, scores: Float64Array.from(values) };
}
