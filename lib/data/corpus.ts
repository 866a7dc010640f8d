import { createHash } from 'node:crypto';
import { DataType, RecordBatchReader, type Table, type Vector } from 'apache-arrow';
import { closest } from 'fastest-levenshtein';
import { checkInteger, invalid, show } from '../check.ts';
import { GradfoldError } from '../errors.ts';
import { ArrowFileWriter, readArrowFile } from './arrow-file.ts';
import { AtomicFile } from '../atomic-file.ts';
import { fileError } from '../files.ts';
import { CorpusColumns, cellOf, type Cell } from './corpus-columns.ts';

/** One document. Metadata of any name may be added; strings, numbers and booleans are stored as such. */
export interface CorpusDocument {
  id: string;
  text: string;
  domain?: string;
  url?: string;
  /** Ground truth about the document, for judging methods; never shown to one. */
  label?: string;
  /** Where the document was taken from. */
  source?: string;
  licence?: string;
  /** Id of the document that this one was cut from. */
  origin?: string;
  [metadata: string]: unknown;
}

/** A corpus table: an immutable Arrow IPC file with one row a document. */
export interface Corpus {
  readonly path?: string;
  readonly table: Table;
  /** Documents. */
  readonly count: number;
  id(i: number): string;
  text(i: number): string;
  /** 'default' for a document without one. */
  domain(i: number): string;
  /** Id of the document that this one was cut from, its own when it is whole: what decides its split. */
  origin(i: number): string;
  /** The value of any column, null where it has none; an unknown column is an error that names the nearest one. */
  value(column: string, i: number): unknown;
}

/** The domain of documents that state none. */
export const DEFAULT_DOMAIN = 'default';

/** Opens a corpus table. Errors: NOT_FOUND; INVALID_FILE for a file that is foreign, truncated or lacks id or text. */
export async function openCorpus(path: string): Promise<Corpus> {
  return new ArrowCorpus(await readArrowFile(path), path);
}

class ArrowCorpus implements Corpus {
  readonly path: string;
  readonly table: Table;
  readonly #columns = new Map<string, Vector>();

  constructor(table: Table, path: string) {
    this.path = path;
    this.table = table;
    for (const field of table.schema.fields) this.#columns.set(field.name, table.getChild(field.name)!);
    for (const name of ['id', 'text']) {
      const column = this.#columns.get(name);
      if (column !== undefined && isText(column.type)) continue;
      const found = column ? `one of type ${column.type}` : `the columns ${[...this.#columns.keys()].join(', ')}`;
      throw new GradfoldError(
        'INVALID_FILE',
        `${path}: expected a corpus with a text column '${name}', got ${found}; make one with \`gradfold ingest\``,
      );
    }
  }

  get count(): number {
    return this.table.numRows;
  }

  id(i: number): string {
    return this.#required('id', i);
  }

  text(i: number): string {
    return this.#required('text', i);
  }

  domain(i: number): string {
    const domain = this.#columns.has('domain') ? this.value('domain', i) : null;
    return domain === null ? DEFAULT_DOMAIN : String(domain);
  }

  origin(i: number): string {
    const origin = this.#columns.has('origin') ? this.value('origin', i) : null;
    return origin === null ? this.id(i) : String(origin);
  }

  value(column: string, i: number): unknown {
    const values = this.#columns.get(column);
    if (values === undefined) {
      const names = [...this.#columns.keys()];
      throw invalid('column', `one of ${names.join(', ')}`, column, {
        code: 'INVALID_DATA',
        fix: `did you mean '${closest(column, names)}'?`,
      });
    }
    return values.get(checkInteger('row', i, 0, this.count - 1)) ?? null;
  }

  #required(column: 'id' | 'text', i: number): string {
    const value = this.value(column, i);
    if (typeof value === 'string') return value;
    throw invalid(`${this.path} row ${i}, column '${column}'`, 'a string', value, { code: 'INVALID_DATA' });
  }
}

function isText(type: DataType): boolean {
  return DataType.isDictionary(type) ? isText(type.valueType) : DataType.isUtf8(type) || DataType.isLargeUtf8(type);
}

export interface WriteCorpusOptions {
  /** Leave out documents whose text is exactly that of an earlier one. */
  deduplicate?: boolean;
  signal?: AbortSignal;
}

export interface WrittenCorpus {
  documents: number;
  /** Size of the file. */
  bytes: number;
  /** Documents left out because their text had come before. */
  duplicates: number;
}

const BATCH_DOCUMENTS = 4096;
/** Characters of text in a batch, beyond which it is written out. */
const BATCH_CHARACTERS = 8 * 2 ** 20;

/**
 * Writes a corpus table atomically, in record batches: memory holds one batch, besides the ids and (with
 * `deduplicate`) a digest of every text. Errors: INVALID_DATA for a document without id or text or with an id that came
 * before; IO for a full disk or missing permission. On any error nothing is left under `path`.
 */
export async function writeCorpus(
  path: string,
  documents: AsyncIterable<CorpusDocument> | Iterable<CorpusDocument>,
  options: WriteCorpusOptions = {},
): Promise<WrittenCorpus> {
  const ids = new Set<string>();
  const texts = new Set<string>();
  let duplicates = 0;
  const spool = await CorpusSpool.create(path);
  try {
    for await (const document of documents) {
      options.signal?.throwIfAborted();
      checkDocument(document, ids.size + duplicates);
      if (options.deduplicate) {
        const digest = createHash('sha256').update(document.text).digest('base64');
        if (texts.has(digest)) {
          duplicates++;
          continue;
        }
        texts.add(digest);
      }
      if (ids.has(document.id)) {
        throw new GradfoldError(
          'INVALID_DATA',
          `${path}: expected ids that differ, got ${show(document.id)} twice; ` +
            'give each document an id of its own, or none, so that one is made from its file and row',
        );
      }
      ids.add(document.id);
      await spool.add(document);
    }
    const bytes = await spool.commit();
    return { documents: ids.size, bytes, duplicates };
  } catch (error) {
    await spool.discard();
    throw fileError('write', path, error);
  }
}

function checkDocument(document: CorpusDocument, index: number): void {
  for (const name of ['id', 'text'] as const) {
    if (typeof document[name] !== 'string')
      throw invalid(`document ${index}, '${name}'`, 'a string', document[name], { code: 'INVALID_DATA' });
  }
}

/**
 * Rows on their way into an Arrow file. A schema stands at the file's head, but which columns there are is known only
 * once all documents were seen: when a later one brings a new column, what is there is copied under the wider schema.
 */
class CorpusSpool {
  readonly #path: string;
  readonly #columns = new CorpusColumns();
  #file: AtomicFile;
  #writer: ArrowFileWriter;
  #rows: Map<string, Cell>[] = [];
  #characters = 0;
  #batches = 0;
  #outgrown = false;

  private constructor(path: string, file: AtomicFile) {
    this.#path = path;
    this.#file = file;
    this.#writer = new ArrowFileWriter(file.handle);
  }

  static async create(path: string): Promise<CorpusSpool> {
    return new CorpusSpool(path, await AtomicFile.create(path));
  }

  async add(document: CorpusDocument): Promise<void> {
    const row = new Map(Object.entries(document).map(([name, value]) => [name, cellOf(value)]));
    this.#outgrown = this.#columns.widen(row) || this.#outgrown;
    this.#rows.push(row);
    this.#characters += document.text.length;
    if (this.#rows.length >= BATCH_DOCUMENTS || this.#characters >= BATCH_CHARACTERS) await this.#flush();
  }

  /** Returns the size of the file in bytes. */
  async commit(): Promise<number> {
    if (this.#rows.length > 0 || this.#batches === 0) await this.#flush();
    const bytes = await this.#writer.finish();
    await this.#file.commit();
    return bytes;
  }

  async discard(): Promise<void> {
    await this.#file.discard();
  }

  async #flush(): Promise<void> {
    if (this.#outgrown && this.#batches > 0) await this.#rewrite();
    await this.#writer.write(this.#columns.batchOf(this.#rows));
    this.#batches++;
    this.#rows = [];
    this.#characters = 0;
    this.#outgrown = false;
  }

  async #rewrite(): Promise<void> {
    await this.#writer.finish();
    const outgrown = this.#file;
    try {
      this.#file = await AtomicFile.create(this.#path);
      this.#writer = new ArrowFileWriter(this.#file.handle);
      for await (const batch of await RecordBatchReader.from(outgrown.handle))
        await this.#writer.write(this.#columns.conform(batch));
    } finally {
      await outgrown.discard();
    }
  }
}
