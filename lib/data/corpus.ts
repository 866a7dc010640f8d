import { DataType, type Table, type Vector } from 'apache-arrow';
import { closest } from 'fastest-levenshtein';
import { invalid } from '../check.ts';
import { GradfoldError } from '../errors.ts';
import { readArrowFile } from './arrow-file.ts';
import { layShards, rowsOf, shardOf, tableFiles, type Shard } from './shards.ts';

export { writeCorpus, type WriteCorpusOptions, type WrittenCorpus } from './corpus-writer.ts';

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

/** A corpus table with one row a document: an immutable Arrow IPC file, or several. */
export interface Corpus {
  /** Documents. */
  readonly count: number;
  /** Names of the columns. */
  readonly columns: readonly string[];
  /** The files that the documents lie in, where they are several. */
  readonly shards?: readonly Shard[];
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

/**
 * Opens a corpus table: a file, the shards of a folder (see tableFiles), or those of a list in its order. Texts are read
 * when they are asked for, where the files are mapped. Errors: NOT_FOUND; INVALID_FILE for a file that is foreign,
 * truncated or lacks id or text, or a folder with shards missing.
 */
export async function openCorpus(path: string | readonly string[]): Promise<Corpus> {
  const files = [];
  for (const file of await tableFiles(path)) files.push({ path: file, table: await readArrowFile(file) });
  return new ArrowCorpus(files);
}

interface Column {
  /** Its part in each shard; null in one that lacks it. */
  parts: (Vector | null)[];
  /** Shards differ in its type: all its values are text, as they would be in one file. */
  mixed: boolean;
}

class ArrowCorpus implements Corpus {
  readonly count: number;
  readonly shards?: readonly Shard[];
  readonly #files: readonly Shard[];
  readonly #columns = new Map<string, Column>();

  constructor(files: readonly { path: string; table: Table }[]) {
    for (const { path, table } of files) checkTexts(path, table);
    this.#files = layShards(files.map(({ path, table }) => ({ path, count: table.numRows })));
    if (files.length > 1) this.shards = this.#files;
    this.count = rowsOf(this.#files);
    for (const name of new Set(files.flatMap(({ table }) => table.schema.names as string[]))) {
      const parts = files.map(({ table }) => table.getChild(name) as Vector | null);
      const types = new Set(parts.flatMap((part) => (part === null ? [] : [kindOf(part.type)])));
      this.#columns.set(name, { parts, mixed: types.size > 1 });
    }
  }

  get columns(): string[] {
    return [...this.#columns.keys()];
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
    const origin = this.columns.includes('origin') ? this.value('origin', i) : null;
    return origin === null ? this.id(i) : String(origin);
  }

  value(name: string, i: number): unknown {
    const column = this.#columns.get(name);
    if (column === undefined) {
      throw invalid('column', `one of ${this.columns.join(', ')}`, name, {
        code: 'INVALID_DATA',
        fix: `did you mean '${closest(name, this.columns)}'?`,
      });
    }
    const file = shardOf(this.#files, i, 'row');
    const value: unknown = column.parts[file]?.get(i - this.#files[file].start) ?? null;
    return column.mixed && value !== null ? String(value) : value;
  }

  #required(column: 'id' | 'text', i: number): string {
    const value = this.value(column, i);
    if (typeof value === 'string') return value;
    const { path, start } = this.#files[shardOf(this.#files, i, 'row')];
    throw invalid(`${path} row ${i - start}, column '${column}'`, 'a string', value, { code: 'INVALID_DATA' });
  }
}

function checkTexts(path: string, table: Table): void {
  for (const name of ['id', 'text']) {
    const column = table.getChild(name) as Vector | null;
    if (column !== null && isText(column.type)) continue;
    const found = column ? `one of type ${column.type}` : `the columns ${table.schema.names.join(', ')}`;
    throw new GradfoldError(
      'INVALID_FILE',
      `${path}: expected a corpus with a text column '${name}', got ${found}; make one with \`gradfold ingest\``,
    );
  }
}

function isText(type: DataType): boolean {
  return DataType.isDictionary(type) ? isText(type.valueType) : DataType.isUtf8(type) || DataType.isLargeUtf8(type);
}

function kindOf(type: DataType): string {
  return isText(type) ? 'text' : String(type);
}
