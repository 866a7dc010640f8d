import {
  RecordBatch,
  Schema,
  Field,
  Struct,
  Float32,
  Float64,
  Uint32,
  makeData,
  type DataType,
  type Table,
} from 'apache-arrow';
import { checkLength, invalid } from '../check.ts';
import { ArrowFileWriter } from './arrow-file.ts';
import { writeAtomically } from '../atomic-file.ts';

export type NumberArray = Uint32Array | Float32Array | Float64Array;

/** Rows of one record batch: small enough to stream, large enough that the footer stays short. */
const ROWS_PER_BATCH = 1 << 20;

/** Writes columns of equal length as one Arrow IPC file, atomically. Metadata are the schema's key-value pairs. */
export async function writeNumberColumns(
  path: string,
  columns: Record<string, NumberArray>,
  metadata: Record<string, string> = {},
): Promise<void> {
  const entries = Object.entries(columns);
  const rows = entries[0][1].length;
  for (const [name, values] of entries) checkLength(name, values, rows, `as ${entries[0][0]} has`);
  const fields = entries.map(([name, values]) => new Field(name, arrowType(name, values), false));
  const schema = new Schema(fields, new Map(Object.entries(metadata)));
  await writeAtomically(path, async (handle) => {
    const writer = new ArrowFileWriter(handle);
    // The first batch is written even when empty: it carries the schema.
    for (let begin = 0; begin === 0 || begin < rows; begin += ROWS_PER_BATCH) {
      const part = entries.map(([, values]) => values.subarray(begin, begin + ROWS_PER_BATCH));
      await writer.write(numberBatch(schema, part));
    }
    await writer.finish();
  });
}

function arrowType(name: string, values: unknown): DataType {
  if (values instanceof Float32Array) return new Float32();
  if (values instanceof Float64Array) return new Float64();
  if (values instanceof Uint32Array) return new Uint32();
  throw invalid(name, 'a Float32Array, Float64Array or Uint32Array', values);
}

/** Columns of equal length as a record batch of a schema of theirs; nothing is copied. */
export function numberBatch(schema: Schema, columns: NumberArray[]): RecordBatch {
  const length = columns[0].length;
  const children = columns.map((data, c) => makeData({ type: schema.fields[c].type, length, nullCount: 0, data }));
  return new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length, nullCount: 0, children }));
}

/** The columns a file must have, and what each is read into. */
export type ColumnTypes = Record<string, new (length: number) => NumberArray>;

/**
 * The named columns of a table read from `path`, each a typed array of its own, and the table's metadata.
 * @throws GradfoldError INVALID_FILE for a column that is missing, of another type, or has nulls.
 */
export function readNumberColumns<C extends ColumnTypes>(
  path: string,
  table: Table,
  types: C,
): { columns: { [name in keyof C]: InstanceType<C[name]> }; metadata: Record<string, string> } {
  const columns = Object.entries(types).map(([name, type]) => [name, readColumn(path, table, name, type)]);
  return { columns: Object.fromEntries(columns), metadata: Object.fromEntries(table.schema.metadata) };
}

function readColumn(path: string, table: Table, name: string, type: ColumnTypes[string]): NumberArray {
  const column = table.getChild(name);
  const expected = `a column "${name}" of ${type.name.replace('Array', '').toLowerCase()} without nulls`;
  if (column === null) {
    const names = table.schema.fields.map((field) => field.name).join(', ');
    throw invalid(path, expected, `a file with columns ${names}`, { code: 'INVALID_FILE' });
  }
  if (column.type.ArrayType !== type || column.nullCount > 0) {
    throw invalid(path, expected, `${column.type} with ${column.nullCount} nulls`, { code: 'INVALID_FILE' });
  }
  const values = new type(column.length);
  let at = 0;
  for (const chunk of column.data) {
    // Buffers are padded to the file's alignment: only the first `length` values are the column's.
    values.set((chunk.values as NumberArray).subarray(0, chunk.length), at);
    at += chunk.length;
  }
  return values;
}
