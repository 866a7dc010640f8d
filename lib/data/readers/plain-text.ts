import { basename, dirname, resolve } from 'node:path';
import { contents, type SourceFile, type SourceRow } from './source.ts';

/** One document a file; its domain is the name of the folder it lies in. */
export async function* readPlainText(file: SourceFile, onBytes: (bytes: number) => void): AsyncGenerator<SourceRow> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of contents(file, onBytes)) chunks.push(chunk);
  const row = { index: 0, place: file.path };
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
    yield { ...row, fields: { text, domain: basename(dirname(resolve(file.path))) } };
  } catch {
    yield { ...row, problem: 'expected UTF-8 text, got bytes that are not' };
  }
}
