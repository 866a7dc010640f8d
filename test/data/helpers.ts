import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

/** A directory of this test file's own, removed when its tests have run. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'gradfold-data-'));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** Text with most of what trips tokenizers and files: accents, other scripts, emoji, controls, runs of spaces. */
export const UNICODE_TEXTS = [
  'Plain words, and numbers: 3.14159 and 42.',
  "It's they'll we've — “quoted” …",
  'naïve café Ångström Straße',
  'Привет, мир! 你好，世界。 こんにちは 안녕하세요 שלום مرحبا',
  '👩‍👩‍👧‍👦 🇫🇮 e\u0301 \u{1f600}\u{10ffff}',
  '  leading, trailing  \t\ttabs\r\n\n\n  lines \u00a0\u2028\u0000\u007f',
  '',
];
