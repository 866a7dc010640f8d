import { show } from '../../check.ts';
import { contents, type SourceFile, type SourceRow } from './source.ts';

const NEWLINE = 0x0a;

/** One JSON object a line; empty lines are passed over. `index` and `place` count lines from 0 and 1. */
export async function* readJsonLines(file: SourceFile, onBytes: (bytes: number) => void): AsyncGenerator<SourceRow> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let index = -1;
  for await (const line of lines(contents(file, onBytes))) {
    index++;
    const place = `${file.path}:${index + 1}`;
    let text: string;
    try {
      text = decoder.decode(line);
    } catch {
      yield { index, place, problem: 'expected UTF-8, got bytes that are not' };
      continue;
    }
    if (text.trim() !== '') yield { index, place, ...parseObject(text) };
  }
}

function parseObject(text: string): { fields: Record<string, unknown> } | { problem: string } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const hint = text.trimStart().startsWith('[') ? ' (a JSON array? write its elements one a line)' : '';
    return { problem: `expected one JSON object, got ${show(text)}: ${(error as Error).message}${hint}` };
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { problem: `expected one JSON object, got ${show(value)}` };
  return { fields: value as Record<string, unknown> };
}

/**
 * Splits at line feeds only: node:readline also splits at U+2028 and U+2029, which JSON strings may hold unescaped.
 */
async function* lines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let begun: Uint8Array[] = [];
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      const rest = chunk.subarray(start, end);
      yield begun.length > 0 ? Buffer.concat([...begun, rest]) : rest;
      begun = [];
      start = end + 1;
    }
    if (start < chunk.length) begun.push(chunk.subarray(start));
  }
  if (begun.length > 0) yield Buffer.concat(begun);
}
