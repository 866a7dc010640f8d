import { show } from '../../check.ts';
import { lines } from './lines.ts';
import { contents, type SourceFile, type SourceRow } from './source.ts';

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
