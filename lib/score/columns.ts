import { closest } from 'fastest-levenshtein';
import { invalid } from '../check.ts';
import type { FloatArray } from '../backend/types.ts';
import { readArrowFile } from '../data/arrow-file.ts';
import { readNumberColumns, writeNumberColumns } from '../data/number-columns.ts';
import { rejectNaN } from './check.ts';

const FLOAT_ARRAYS: unknown[] = [Float32Array, Float64Array];

/**
 * Writes score columns, each with one value for every row of the corpus in its order, as an Arrow IPC file, atomically.
 * NaN marks a row without a score.
 * @param columns by method name: `lqs`, `rater`, `perplexity`.
 * @param metadata key-value pairs kept in the file: how the scores were made.
 * @throws GradfoldError INVALID_ARGUMENT for no columns, unequal lengths or values that are not floats; IO.
 */
export async function writeScores(
  path: string,
  columns: Record<string, FloatArray>,
  metadata: Record<string, string> = {},
): Promise<void> {
  if (Object.keys(columns).length === 0) throw invalid('columns', 'at least one score column', 'none');
  for (const [name, values] of Object.entries(columns)) {
    if (!(values instanceof Float32Array || values instanceof Float64Array))
      throw invalid(`columns.${name}`, 'a Float32Array or Float64Array', values);
  }
  await writeNumberColumns(path, columns, metadata);
}

/**
 * Reads one score column: a Float32Array or Float64Array as it was written, with a value for every row.
 * @throws GradfoldError NOT_FOUND; INVALID_FILE for a foreign or truncated file; INVALID_DATA for an unknown column,
 * naming those there are, or for a NaN, naming its row.
 */
export async function readScores(path: string, column: string): Promise<FloatArray> {
  const table = await readArrowFile(path);
  const names = table.schema.fields.filter(({ type }) => FLOAT_ARRAYS.includes(type.ArrayType)).map(({ name }) => name);
  if (!names.includes(column)) {
    throw invalid(`score column of ${path}`, `one of ${names.join(', ') || '(there are none)'}`, column, {
      code: 'INVALID_DATA',
      fix: names.length > 0 ? `did you mean "${closest(column, names)}"?` : 'write scores with `gradfold score`',
    });
  }
  const type = table.getChild(column)!.type.ArrayType as Float32ArrayConstructor | Float64ArrayConstructor;
  const values = readNumberColumns(path, table, { [column]: type }).columns[column];
  rejectNaN(values, column);
  return values;
}
