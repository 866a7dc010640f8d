import {
  Bool,
  Field,
  Float64,
  RecordBatch,
  Schema,
  Struct,
  Utf8,
  makeData,
  vectorFromArray,
  type Data,
  type DataType,
} from 'apache-arrow';

/** What a metadata value is stored as. */
export type Cell = string | number | boolean | null;

type Kind = 'string' | 'number' | 'boolean';

const TYPES: Record<Kind, () => DataType> = {
  string: () => new Utf8(),
  number: () => new Float64(),
  boolean: () => new Bool(),
};

/** Columns with a meaning of their own are text, whatever the source holds: a label may be 0 or 1. */
const TEXT_COLUMNS = new Set(['id', 'text', 'domain', 'url', 'label', 'source', 'licence', 'origin']);

/**
 * A value of any source as a cell: 64-bit integers become numbers where that is exact and text where it is not,
 * dates ISO 8601, lists and objects JSON.
 */
export function cellOf(value: unknown): Cell {
  switch (typeof value) {
    case 'string':
    case 'number':
    case 'boolean':
      return value;
    case 'bigint':
      return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
    case 'object':
      if (value === null) return null;
      if (value instanceof Date) return value.toISOString();
      return JSON.stringify(value, (_key, inner) => (typeof inner === 'bigint' ? cellOf(inner) : inner));
    default:
      return null;
  }
}

/** The columns seen so far and the kind of each. A column that mixes kinds is text. */
export class CorpusColumns {
  readonly #kinds = new Map<string, Kind>([
    ['id', 'string'],
    ['text', 'string'],
  ]);

  /** Makes room for a row; true when a column came or changed, so that batches made before do not fit any more. */
  widen(row: Map<string, Cell>): boolean {
    let changed = false;
    for (const [name, cell] of row) {
      if (cell === null) continue;
      const known = this.#kinds.get(name);
      const kind = TEXT_COLUMNS.has(name) ? 'string' : (typeof cell as Kind);
      if (known === kind || known === 'string') continue;
      this.#kinds.set(name, known === undefined ? kind : 'string');
      changed = true;
    }
    return changed;
  }

  /** Rows as a record batch over all columns; absent values are null. */
  batchOf(rows: Map<string, Cell>[]): RecordBatch {
    return this.#batch(rows.length, (name, kind) =>
      columnOf(
        rows.map((row) => row.get(name) ?? null),
        kind,
      ),
    );
  }

  /** A batch made under fewer or narrower columns, as it would be made now. */
  conform(batch: RecordBatch): RecordBatch {
    return this.#batch(batch.numRows, (name, kind) => {
      const column = batch.getChild(name);
      if (column !== null && column.type.typeId === TYPES[kind]().typeId) return column.data[0];
      return columnOf(
        Array.from({ length: batch.numRows }, (_, i) => (column?.get(i) ?? null) as Cell),
        kind,
      );
    });
  }

  #batch(length: number, columnFor: (name: string, kind: Kind) => Data): RecordBatch {
    const fields = [...this.#kinds].map(([name, kind]) => new Field(name, TYPES[kind](), true));
    const children = [...this.#kinds].map(([name, kind]) => columnFor(name, kind));
    return new RecordBatch(new Schema(fields), makeData({ type: new Struct(fields), length, nullCount: 0, children }));
  }
}

function columnOf(cells: Cell[], kind: Kind): Data {
  const values = kind === 'string' ? cells.map((cell) => (cell === null ? null : String(cell))) : cells;
  return vectorFromArray(values, TYPES[kind]()).data[0];
}
