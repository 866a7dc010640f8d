import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { invalid, show } from '../check.ts';
import { GradfoldError } from '../errors.ts';
import { fileError } from '../files.ts';
import { cellOf } from './corpus-columns.ts';
import type { CorpusDocument } from './corpus.ts';
import { readJsonLines } from './readers/json-lines.ts';
import { readParquet } from './readers/parquet.ts';
import { readPlainText } from './readers/plain-text.ts';
import { COMPRESSED_EXTENSIONS, type FormatReader, type SourceFile, type SourceRow } from './readers/source.ts';

export interface ReadProgress {
  /** Bytes on disk, before unpacking. */
  bytesRead: number;
  bytesTotal: number;
  documents: number;
}

export interface ReadOptions {
  /** Field that holds the text; default 'text'. */
  textColumn?: string;
  /** Field that holds the id; default 'id'. */
  idColumn?: string;
  /** Domain of documents that state none; a plain text file's is its folder's name unless this is given. */
  domain?: string;
  /** What to do about a corrupt row: fail with an error that names it (the default), or leave it out. */
  onError?: 'fail' | 'skip';
  /** Stop after this many documents. */
  limit?: number;
  signal?: AbortSignal;
  /** Told of every row left out. */
  onSkip?(message: string): void;
  onProgress?(progress: ReadProgress): void;
}

const LINE_AND_TEXT_FORMATS: Record<string, FormatReader> = {
  '.jsonl': readJsonLines,
  '.ndjson': readJsonLines,
  '.json': readJsonLines,
  '.txt': readPlainText,
};

/** Which reader takes a file, by the end of its name. */
const FORMATS: Record<string, FormatReader> = { ...LINE_AND_TEXT_FORMATS, '.parquet': readParquet };
for (const compressed of COMPRESSED_EXTENSIONS)
  for (const [extension, reader] of Object.entries(LINE_AND_TEXT_FORMATS)) FORMATS[extension + compressed] = reader;

/** Documents between two progress reports. */
const REPORT_INTERVAL = 512;

/**
 * Reads documents from JSON lines (.jsonl, .ndjson, .json) and plain text (.txt, one document a file), each also
 * packed (.gz, .zst), and from Parquet (.parquet). A directory is walked in the order of names; files of other formats
 * in it are passed over. All fields of a row are kept as metadata. A row without an id gets a stable one, hashed from
 * the file's name and the row's number.
 *
 * Errors: NOT_FOUND for a path that is not there; UNSUPPORTED for a format that is not known; INVALID_FILE for a
 * damaged archive or Parquet file; INVALID_DATA for a corrupt row, naming file and line, unless onError is 'skip'.
 */
export async function* readDocuments(paths: string[], options: ReadOptions = {}): AsyncGenerator<CorpusDocument> {
  const { limit = Infinity, signal } = options;
  const files: SourceFile[] = [];
  for (const path of paths) files.push(...(await sourceFiles(path)));
  const progress: ReadProgress = {
    bytesRead: 0,
    bytesTotal: files.reduce((sum, { size }) => sum + size, 0),
    documents: 0,
  };
  for (const file of files) {
    if (progress.documents >= limit) break;
    const rows = readerOf(file.path)!(file, (bytes) => (progress.bytesRead += bytes));
    for await (const row of rows) {
      signal?.throwIfAborted();
      const document = toDocument(file, row, options);
      if (typeof document === 'string') {
        const message = `${row.place}: ${document}`;
        if (options.onError !== 'skip')
          throw new GradfoldError('INVALID_DATA', `${message}; or leave such rows out with --on-error skip`);
        options.onSkip?.(message);
        continue;
      }
      yield document;
      if (++progress.documents % REPORT_INTERVAL === 0) options.onProgress?.({ ...progress });
      if (progress.documents >= limit) break;
    }
  }
  options.onProgress?.({ ...progress });
}

/** The document of a row, or what is wrong with the row. */
function toDocument(file: SourceFile, row: SourceRow, options: ReadOptions): CorpusDocument | string {
  if (row.problem !== undefined) return row.problem;
  const { textColumn = 'text', idColumn = 'id' } = options;
  const { [textColumn]: text, [idColumn]: givenId, domain, ...metadata } = row.fields;
  if (typeof text !== 'string') {
    const names = Object.keys(row.fields).join(', ');
    return `expected text in column '${textColumn}', got ${show(text)} (columns here: ${names}); name the right one with --text-column`;
  }
  const id = cellOf(givenId);
  const ownDomain = readerOf(file.path) === readPlainText ? (options.domain ?? domain) : (domain ?? options.domain);
  return {
    ...metadata,
    id: id === null ? rowId(file, row.index) : String(id),
    text,
    ...(ownDomain == null ? {} : { domain: String(cellOf(ownDomain)) }),
  };
}

function rowId(file: SourceFile, row: number): string {
  return createHash('sha256').update(`${file.name}\n${row}`).digest('hex').slice(0, 20);
}

function readerOf(path: string): FormatReader | undefined {
  const name = basename(path).toLowerCase();
  const extension = Object.keys(FORMATS).find((known) => name.endsWith(known));
  return extension === undefined ? undefined : FORMATS[extension];
}

async function sourceFiles(path: string): Promise<SourceFile[]> {
  const root = await stat(path).catch((error) => {
    throw fileError('read', path, error);
  });
  if (!root.isDirectory()) {
    if (readerOf(path)) return [{ path, name: basename(path), size: root.size }];
    throw invalid('path', `a file that ends in ${Object.keys(FORMATS).join(', ')}, or a directory of such`, path, {
      code: 'UNSUPPORTED',
    });
  }
  const parent = dirname(resolve(path));
  const files: SourceFile[] = [];
  for await (const file of walk(path)) {
    const name = relative(parent, resolve(file)).split(sep).join('/');
    if (readerOf(file)) files.push({ path: file, name, size: (await stat(file)).size });
  }
  if (files.length === 0)
    throw invalid('path', `a directory with files that end in ${Object.keys(FORMATS).join(', ')}`, path);
  return files;
}

/** Files below a directory in the order of names; links are followed to files, not to directories. */
async function* walk(directory: string): AsyncGenerator<string> {
  const entries = await readdir(directory, { withFileTypes: true });
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const path = join(directory, entry.name);
    if (entry.name.startsWith('.')) continue;
    if (entry.isDirectory()) yield* walk(path);
    else if (entry.isFile() || (entry.isSymbolicLink() && (await stat(path)).isFile())) yield path;
  }
}
