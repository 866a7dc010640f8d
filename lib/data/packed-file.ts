import {
  Dictionary,
  Field,
  Int32,
  List,
  RecordBatch,
  Schema,
  Struct,
  Uint16,
  Uint32,
  Uint8,
  Utf8,
  Vector,
  makeData,
  vectorFromArray,
  type Data,
  type DataType,
  type Table,
} from 'apache-arrow';
import { AtomicFile } from '../atomic-file.ts';
import { checkInteger, invalid } from '../check.ts';
import { GradfoldError } from '../errors.ts';
import { fileError, parseJsonObject } from '../files.ts';
import { ArrowFileWriter } from './arrow-file.ts';
import { IGNORED_LABEL } from './batch.ts';
import type { PackedColumns, PackedFile } from './packed-samples.ts';
import { SPLITS, type Split } from './splits.ts';

/** Schema metadata, as JSON: `length`, `crossDocumentAttention`, `corpus` where it is known. Files that have it hold packed rows. */
const KEY = 'gradfold.packed';

/** What the shards of packed rows are called. */
export const PACKED_NAME = 'packed';

const list = <T extends DataType>(type: T, nullable = false) => new List(new Field('item', type, nullable));
const TOKENS = list(new Int32());
const LOSS_MASK = list(new Uint8());
const DOCUMENT_IDS = list(new Uint16());
const PIECE = new Struct([
  new Field('document', new Uint32(), false),
  new Field('domain', new Utf8(), false),
  new Field('metadata', new Utf8(), true),
]);
const PIECES = list(PIECE);
const SPLIT = new Dictionary(new Utf8(), new Uint8(), 0);
const FIELDS = [
  new Field('tokens', TOKENS, false),
  new Field('loss_mask', LOSS_MASK, false),
  new Field('document_ids', DOCUMENT_IDS, false),
  new Field('pieces', PIECES, false),
  new Field('split', SPLIT, false),
];

const BATCH_TOKENS = 2 ** 20;
/** Document ids of a row are 16-bit: the most tokens that a row can have. */
export const MOST_LENGTH = 2 ** 16;
/** The most that a buffer of Node 20 takes, so that the file can be opened again. */
const MOST_BYTES = 2 ** 32;

export interface PackedFileOptions {
  /** Tokens of a row at most. */
  length: number;
  /** Readers see one document a row, so that attention crosses documents; default false. */
  crossDocumentAttention?: boolean;
  /** A digest of the corpus that the documents are of. */
  corpus?: string;
  /** Tokens of a record batch, which is what memory holds; default 2²⁰. */
  batchTokens?: number;
}

/** A row as it is written; of its labels only whether they are ignored is kept. */
export interface WrittenRow {
  inputIds: Int32Array;
  /** The token or −100. */
  labels: Int32Array;
  /** 0, 1, 2, … from left to right. */
  documentIds: ArrayLike<number>;
  split: Split;
  /** Those with the ids 0, 1, 2, … */
  pieces: readonly { document: number; domain: string; metadata: string | null }[];
}

/** Writes packed rows one by one into an Arrow file that appears whole or not at all; memory holds one record batch. */
export class PackedFileWriter {
  readonly #path: string;
  readonly #file: AtomicFile;
  readonly #writer: ArrowFileWriter;
  readonly #schema: Schema;
  readonly #length: number;
  readonly #batchTokens: number;
  readonly #splitNames = vectorFromArray([...SPLITS], new Utf8());
  #rows: WrittenRow[] = [];
  #tokens = 0;
  #count = 0;
  #started = false;

  private constructor(path: string, file: AtomicFile, options: PackedFileOptions) {
    this.#path = path;
    this.#file = file;
    this.#writer = new ArrowFileWriter(file.handle);
    const { length, crossDocumentAttention = false, corpus } = options;
    this.#length = length;
    this.#batchTokens = options.batchTokens ?? BATCH_TOKENS;
    this.#schema = new Schema(FIELDS, new Map([[KEY, JSON.stringify({ length, crossDocumentAttention, corpus })]]));
  }

  /** Errors: INVALID_ARGUMENT; IO. */
  static async create(path: string, options: PackedFileOptions): Promise<PackedFileWriter> {
    checkInteger('length', options.length, 2, MOST_LENGTH);
    return new PackedFileWriter(path, await AtomicFile.create(path), options);
  }

  /** Rows so far. */
  get count(): number {
    return this.#count;
  }

  /** Keeps the row's arrays until it is written. Errors: UNSUPPORTED for more than one file can hold; IO. */
  async add(row: WrittenRow): Promise<void> {
    checkInteger('tokens of a packed row', row.inputIds.length, 1, this.#length);
    this.#rows.push(row);
    this.#tokens += row.inputIds.length;
    this.#count++;
    if (this.#tokens >= this.#batchTokens) await this.#flush();
  }

  async commit(): Promise<void> {
    try {
      if (this.#rows.length > 0 || !this.#started) await this.#flush(); // the first batch carries the schema
      await this.#writer.finish();
      await this.#file.commit();
    } catch (error) {
      throw fileError('write', this.#path, error);
    }
  }

  /** Removes what was written. */
  async discard(): Promise<void> {
    await this.#file.discard();
  }

  async #flush(): Promise<void> {
    const batch = batchOf(this.#schema, this.#rows, this.#tokens, this.#splitNames);
    await this.#writer.write(batch).catch((error: unknown) => {
      throw fileError('write', this.#path, error);
    });
    if (this.#writer.bytes > MOST_BYTES) {
      throw new GradfoldError(
        'UNSUPPORTED',
        `${this.#path}: expected at most ${MOST_BYTES} bytes in one file, got more with row ${this.#count}; ` +
          'split into smaller shards (shardDocuments, --shard-documents)',
      );
    }
    this.#rows = [];
    this.#tokens = 0;
    this.#started = true;
  }
}

function batchOf(schema: Schema, rows: readonly WrittenRow[], tokenCount: number, splitNames: Vector): RecordBatch {
  const tokens = new Int32Array(tokenCount);
  const lossMask = new Uint8Array(tokenCount);
  const documentIds = new Uint16Array(tokenCount);
  const offsets = new Int32Array(rows.length + 1);
  const pieceOffsets = new Int32Array(rows.length + 1);
  rows.forEach(({ inputIds, labels, documentIds: ids, pieces }, r) => {
    const begin = offsets[r];
    tokens.set(inputIds, begin);
    documentIds.set(ids, begin);
    for (let t = 0; t < labels.length; t++) lossMask[begin + t] = labels[t] === IGNORED_LABEL ? 0 : 1;
    offsets[r + 1] = begin + inputIds.length;
    pieceOffsets[r + 1] = pieceOffsets[r] + pieces.length;
  });
  const pieces = rows.flatMap((row) => row.pieces);
  const listed = (type: List, valueOffsets: Int32Array, child: Data) =>
    makeData({ type, length: rows.length, nullCount: 0, valueOffsets, child });
  const numbers = (type: DataType, data: NodeJS.TypedArray) =>
    makeData({ type, length: data.length, nullCount: 0, data } as never) as Data;
  const texts = (values: (string | null)[]) => vectorFromArray(values, new Utf8()).data[0] as Data;
  const children = [
    listed(TOKENS, offsets, numbers(new Int32(), tokens)),
    listed(LOSS_MASK, offsets, numbers(new Uint8(), lossMask)),
    listed(DOCUMENT_IDS, offsets, numbers(new Uint16(), documentIds)),
    listed(
      PIECES,
      pieceOffsets,
      makeData({
        type: PIECE,
        length: pieces.length,
        nullCount: 0,
        children: [
          numbers(
            new Uint32(),
            Uint32Array.from(pieces, ({ document }) => document),
          ),
          texts(pieces.map(({ domain }) => domain)),
          texts(pieces.map(({ metadata }) => metadata)),
        ],
      }),
    ),
    makeData({
      type: SPLIT,
      length: rows.length,
      nullCount: 0,
      data: Uint8Array.from(rows, ({ split }) => SPLITS.indexOf(split)),
      dictionary: splitNames,
    }),
  ];
  const data = makeData({ type: new Struct(FIELDS), length: rows.length, nullCount: 0, children });
  return new RecordBatch(schema, data);
}

/** Whether an Arrow table holds packed rows. */
export function holdsPackedRows(table: Table): boolean {
  return table.schema.metadata.has(KEY);
}

/** The columns of a table that PackedFileWriter wrote. Errors: INVALID_FILE for other columns. */
export function packedFile(path: string, table: Table): PackedFile {
  const found = table.schema.fields.map(({ name, type }) => `${name}: ${type}`).join(', ');
  const expected = FIELDS.map(({ name, type }) => `${name}: ${type}`).join(', ');
  const { length, crossDocumentAttention, corpus } = parseJsonObject(
    `${path}, ${KEY}`,
    table.schema.metadata.get(KEY)!,
  );
  if (found !== expected || !Number.isInteger(length) || typeof crossDocumentAttention !== 'boolean') {
    throw invalid(path, `packed rows with the columns ${expected}`, found, {
      code: 'INVALID_FILE',
      fix: 'run `gradfold condition` again',
    });
  }
  const batches = table.batches.filter((batch) => batch.numRows > 0).map((batch) => columnsOf(path, batch));
  return {
    ...{ path, length: length as number, crossDocumentAttention, batches },
    ...(typeof corpus === 'string' && { corpus }),
  };
}

function columnsOf(path: string, batch: RecordBatch): PackedColumns {
  const [tokens, lossMask, documentIds, pieces, splits] = batch.data.children as Data<List>[];
  const rows = batch.numRows;
  const total = tokens.valueOffsets[rows];
  for (const column of [lossMask, documentIds]) {
    if (column.valueOffsets[rows] === total) continue;
    throw invalid(path, 'loss masks and document ids as long as the tokens', column.valueOffsets[rows], {
      code: 'INVALID_FILE',
      fix: 'run `gradfold condition` again',
    });
  }
  const names = (splits as Data).dictionary?.toJSON() ?? [];
  if (names.join() !== SPLITS.join()) {
    throw invalid(path, `the splits ${SPLITS.join(', ')}`, names.join(', '), { code: 'INVALID_FILE' });
  }
  const [documents, domains, metadata] = pieces.children[0].children as Data[];
  // Buffers of an Arrow file are padded: what counts is the stated length.
  return {
    offsets: tokens.valueOffsets.subarray(0, rows + 1),
    tokens: tokens.children[0].values.subarray(0, total) as Int32Array,
    lossMask: lossMask.children[0].values.subarray(0, total) as Uint8Array,
    documentIds: documentIds.children[0].values.subarray(0, total) as Uint16Array,
    pieceOffsets: pieces.valueOffsets.subarray(0, rows + 1),
    documents: documents.values.subarray(0, pieces.valueOffsets[rows]) as Uint32Array,
    domains: new Vector([domains as Data<Utf8>]),
    metadata: new Vector([metadata as Data<Utf8>]),
    splits: (splits as Data).values.subarray(0, rows) as Uint8Array,
  };
}
