import { open, type FileHandle } from 'node:fs/promises';
import { closest } from 'fastest-levenshtein';
import { DataType, Message, RecordBatchReader, type Field, type Schema } from 'apache-arrow';
import type { FloatArray } from '../backend/types.ts';
import { invalid } from '../check.ts';
import { GradfoldError } from '../errors.ts';
import { fileError } from '../files.ts';

/** Rows of one piece: few enough that several pieces are small, many enough that a piece is worth a call. */
const PIECE_ROWS = 1 << 20;

/** Neighbouring rows of one file. The arrays are reused when the piece after the next one is asked for. */
export interface ScorePiece {
  scores: FloatArray;
  /** The column `row`, where the files have one. */
  names?: Uint32Array;
  /** Index of the file. */
  file: number;
  /** The piece's first row, counted through all files. */
  start: number;
}

/** Bytes of neighbouring rows. */
interface Batch {
  rows: number;
  scores: number;
  names: number;
}

interface Source {
  path: string;
  handle: FileHandle;
}

interface ScoreFile extends Source {
  batches: Batch[];
  rows: number;
  wide: boolean;
  named: boolean;
}

/**
 * One score column of Arrow IPC files, in their order, read piece by piece: memory holds two pieces, whatever the files'
 * size and that of their record batches.
 */
export class ScoreFiles {
  readonly rows: number;
  /** Whether scores are float64. */
  readonly wide: boolean;
  /** Whether there is a column `row`. */
  readonly named: boolean;
  readonly paths: readonly string[];
  /** Rows of each file. */
  readonly counts: readonly number[];
  readonly #files: readonly ScoreFile[];

  private constructor(files: readonly ScoreFile[]) {
    this.#files = files;
    this.wide = files[0].wide;
    this.named = files[0].named;
    this.paths = files.map(({ path }) => path);
    this.counts = files.map(({ rows }) => rows);
    this.rows = this.counts.reduce((sum, rows) => sum + rows, 0);
  }

  /**
   * @param paths at least one
   * @throws GradfoldError NOT_FOUND; INVALID_FILE for a foreign or truncated file, nulls, or files whose columns differ
   * in type; INVALID_DATA for an unknown column; UNSUPPORTED for a compressed file.
   */
  static async open(paths: readonly string[], column: string): Promise<ScoreFiles> {
    const files: ScoreFile[] = [];
    try {
      for (const path of paths) {
        files.push(await openScoreFile(path, column));
        const [first] = files;
        const last = files[files.length - 1];
        if (last.wide !== first.wide || last.named !== first.named) {
          throw invalid(path, `${describe(first)}, as ${first.path} has`, describe(last), { code: 'INVALID_FILE' });
        }
      }
      return new ScoreFiles(files);
    } catch (error) {
      await closeAll(files);
      throw error;
    }
  }

  /** All rows, in order. The next piece is read while the caller is busy with this one. */
  async *pieces(): AsyncGenerator<ScorePiece, void, undefined> {
    const reads = this.#reads();
    let next = reads.next().value;
    try {
      while (next) {
        const piece = await next;
        next = reads.next().value;
        yield piece;
      }
    } finally {
      await next?.catch(() => undefined); // its buffers and handle are in use until then
    }
  }

  /** The score of one row, counted through all files. */
  async score(row: number): Promise<number> {
    let file = 0;
    let left = row;
    while (left >= this.counts[file]) left -= this.counts[file++];
    const into = new (this.wide ? Float64Array : Float32Array)(1);
    await readRows(this.#files[file], left, into);
    return into[0];
  }

  async close(): Promise<void> {
    await closeAll(this.#files);
  }

  /** Starts the reading of one piece whenever the next is asked for. */
  *#reads(): Generator<Promise<ScorePiece>, undefined> {
    const Floats = this.wide ? Float64Array : Float32Array;
    const most = Math.min(PIECE_ROWS, Math.max(...this.counts));
    const buffers = [0, 1].map(() => ({
      scores: new Floats(most),
      names: this.named ? new Uint32Array(most) : undefined,
    }));
    let start = 0;
    let turn = 0;
    for (const [index, file] of this.#files.entries()) {
      for (let row = 0; row < file.rows; row += PIECE_ROWS) {
        const rows = Math.min(PIECE_ROWS, file.rows - row);
        const { scores, names } = buffers[turn];
        const piece = { scores: scores.subarray(0, rows), names: names?.subarray(0, rows), file: index, start };
        yield readRows(file, row, piece.scores, piece.names).then(() => piece);
        start += rows;
        turn = 1 - turn;
      }
    }
    return undefined;
  }
}

function describe({ wide, named }: ScoreFile): string {
  return `${wide ? 'float64' : 'float32'} scores ${named ? 'and' : 'without'} a column "row"`;
}

async function closeAll(files: readonly ScoreFile[]): Promise<void> {
  for (const { handle } of files) await handle.close();
}

/** Fills the arrays with the rows of a file from `first` on. */
async function readRows(file: ScoreFile, first: number, scores: FloatArray, names?: Uint32Array): Promise<void> {
  let skipped = first;
  let done = 0;
  for (const batch of file.batches) {
    if (skipped >= batch.rows) {
      skipped -= batch.rows;
      continue;
    }
    const rows = Math.min(batch.rows - skipped, scores.length - done);
    if (rows === 0) return;
    for (const [array, position] of [
      [scores, batch.scores] as const,
      ...(names ? [[names, batch.names] as const] : []),
    ]) {
      await readInto(file, array.subarray(done, done + rows), position + skipped * array.BYTES_PER_ELEMENT);
    }
    done += rows;
    skipped = 0;
  }
}

async function readInto(
  { path, handle }: Pick<ScoreFile, 'path' | 'handle'>,
  array: ArrayBufferView,
  position: number,
) {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  for (let done = 0; done < bytes.length;) {
    const { bytesRead } = await handle.read(bytes, done, bytes.length - done, position + done).catch((error) => {
      throw fileError('read', path, error);
    });
    if (bytesRead === 0) throw truncated(path);
    done += bytesRead;
  }
}

function truncated(path: string): GradfoldError {
  return new GradfoldError('INVALID_FILE', `${path}: the Arrow file is truncated; write or copy it again`);
}

const MAGIC = 'ARROW1';
/** The magic, padded. */
const FIRST_MESSAGE = 8;
const CONTINUATION = -1;

async function openScoreFile(path: string, column: string): Promise<ScoreFile> {
  const handle = await open(path, 'r').catch((error) => {
    throw fileError('read', path, error);
  });
  try {
    const source = { path, handle };
    const columns = columnsOf(path, await readSchema(source), column);
    const batches = await readBatches(source, columns);
    const rows = batches.reduce((sum, batch) => sum + batch.rows, 0);
    return { ...source, batches, rows, wide: columns.scores.bytes === 8, named: columns.names !== undefined };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** The schema, which the footer has; a stream's first message has it too, but writers of files may leave that out. */
async function readSchema(source: Source): Promise<Schema> {
  const { path } = source;
  const { size } = await source.handle.stat();
  const magicAt = async (position: number) => {
    const bytes = Buffer.alloc(MAGIC.length);
    if (position >= 0) await readInto(source, bytes, position);
    return bytes.toString('latin1');
  };
  if ((await magicAt(size >= 2 * FIRST_MESSAGE ? 0 : -1)) !== MAGIC) {
    throw new GradfoldError('INVALID_FILE', `${path}: expected an Arrow IPC file (one that begins with ARROW1)`);
  }
  if ((await magicAt(size - MAGIC.length)) !== MAGIC) throw truncated(path);
  const own = await open(path, 'r'); // the reader closes it
  const reader = await RecordBatchReader.from(own);
  try {
    return (await reader.open()).schema;
  } catch (cause) {
    throw new GradfoldError('INVALID_FILE', `${path}: the Arrow file cannot be read: ${(cause as Error).message}`, {
      cause,
    });
  } finally {
    await reader.cancel();
  }
}

/** Walks through the messages of a file, without their bodies. */
async function readBatches(source: Source, columns: Columns): Promise<Batch[]> {
  const { path } = source;
  const { size } = await source.handle.stat();
  const batches: Batch[] = [];
  for (let position = FIRST_MESSAGE; ;) {
    const prefix = new Int32Array(2);
    await readInto(source, prefix, position);
    const [mark, length] = prefix;
    if (mark !== CONTINUATION || length < 0 || position + length > size) {
      throw new GradfoldError('INVALID_FILE', `${path}: not a message of an Arrow IPC file at byte ${position}`);
    }
    if (length === 0) return batches;
    const metadata = new Uint8Array(length);
    await readInto(source, metadata, position + prefix.byteLength);
    const message = Message.decode(metadata);
    const body = position + prefix.byteLength + length;
    position = body + message.bodyLength;
    if (position > size) throw truncated(path);
    if (message.isRecordBatch()) batches.push(batchOf(path, message.header(), body, columns));
  }
}

/** A column's place among the field nodes and buffers of a record batch. */
interface Column {
  name: string;
  node: number;
  buffer: number;
  /** Of a value. */
  bytes: number;
}

interface Columns {
  scores: Column;
  names?: Column;
}

const ROW = 'row';

function columnsOf(path: string, schema: Schema, column: string): Columns {
  const found = new Map<string, Column & { type: DataType }>();
  let node = 0;
  let buffer = 0;
  for (const field of schema.fields) {
    const bytes =
      DataType.isFloat(field.type) || DataType.isInt(field.type) ? field.type.ArrayType.BYTES_PER_ELEMENT : 0;
    found.set(field.name, { name: field.name, node, buffer: buffer + 1, bytes, type: field.type });
    const size = sizeOf(path, field);
    node += size.nodes;
    buffer += size.buffers;
  }
  const isScore = ({ type }: { type: DataType }) => type.ArrayType === Float32Array || type.ArrayType === Float64Array;
  const scores = found.get(column);
  if (scores === undefined || !isScore(scores)) {
    const names = [...found.values()].filter(isScore).map(({ name }) => name);
    throw invalid(`score column of ${path}`, `one of ${names.join(', ') || '(there are none)'}`, column, {
      code: 'INVALID_DATA',
      fix: names.length > 0 ? `did you mean "${closest(column, names)}"?` : 'write scores with `gradfold score`',
    });
  }
  const names = found.get(ROW);
  if (names !== undefined && names.type.ArrayType !== Uint32Array) {
    throw invalid(path, `a column "${ROW}" of uint32`, String(names.type), { code: 'INVALID_FILE' });
  }
  return { scores, names };
}

/** Field nodes and buffers of a field with its children (Arrow columnar format, "Buffer Listing for Each Layout"). */
function sizeOf(path: string, field: Field): { nodes: number; buffers: number } {
  const { type } = field;
  if (DataType.isUnion(type) || DataType.isUtf8View(type) || DataType.isBinaryView(type)) {
    throw new GradfoldError('UNSUPPORTED', `${path}: expected scores and plain columns, got ${field.name} of ${type}`);
  }
  const size = { nodes: 1, buffers: 2 };
  if (DataType.isNull(type)) size.buffers = 0;
  else if (DataType.isStruct(type) || DataType.isFixedSizeList(type)) size.buffers = 1;
  else if ([DataType.isUtf8, DataType.isLargeUtf8, DataType.isBinary, DataType.isLargeBinary].some((is) => is(type)))
    size.buffers = 3;
  if (DataType.isDictionary(type)) return size; // its values are elsewhere
  for (const child of (type.children ?? []) as Field[]) {
    const inner = sizeOf(path, child);
    size.nodes += inner.nodes;
    size.buffers += inner.buffers;
  }
  return size;
}

/** What the message of a record batch says of its body. */
interface BatchHeader {
  length: number;
  nodes: { length: number; nullCount: number }[];
  buffers: { offset: number; length: number }[];
  compression: unknown;
}

function batchOf(path: string, header: BatchHeader, body: number, { scores, names }: Columns): Batch {
  if (header.compression !== null) {
    throw new GradfoldError('UNSUPPORTED', `${path}: expected an Arrow file without compression; write it without`);
  }
  const valuesOf = (column: Column) => {
    const { nullCount, length } = header.nodes[column.node];
    if (nullCount > 0 || header.buffers[column.buffer].length < length * column.bytes) {
      throw invalid(path, `a column "${column.name}" without nulls`, `${nullCount} nulls`, { code: 'INVALID_FILE' });
    }
    return body + header.buffers[column.buffer].offset;
  };
  return { rows: header.length, scores: valuesOf(scores), names: names ? valuesOf(names) : 0 };
}
