import { basename } from 'node:path';
import { stat } from 'node:fs/promises';
import { show } from '../check.ts';
import { lines } from '../data/readers/lines.ts';
import { contents } from '../data/readers/source.ts';
import { GradfoldError } from '../errors.ts';
import { fileError } from '../files.ts';

/** One line of an ARPA file's lists. */
export interface ArpaEntry {
  words: string[];
  /** log10 of the last word's probability after the others. */
  logProbability: number;
  /** log10 of the weight with which shorter n-grams count after these words; 0 where none is given. */
  backoff: number;
}

/**
 * Reads the n-grams of an ARPA file (plain, .gz or .zst), shortest first, as SRILM, KenLM, IRSTLM and others write them.
 * @throws GradfoldError NOT_FOUND; INVALID_FILE naming the line that is wrong, or for a file that ends too early.
 */
export async function* readArpa(path: string): AsyncGenerator<ArpaEntry> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const size = await stat(path).then(
    (stats) => stats.size,
    (cause: unknown) => {
      throw fileError('read', path, cause);
    },
  );
  const counts: number[] = [];
  let order = 0;
  let left = 0;
  let started = false;
  let number = 0;
  const wrong = (expected: string, got: string) =>
    new GradfoldError('INVALID_FILE', `${path}:${number}: expected ${expected}, got ${show(got)}`);
  for await (const bytes of lines(contents({ path, name: basename(path), size }, () => undefined))) {
    number++;
    let line: string;
    try {
      line = decoder.decode(bytes).replace(/[ \t\r]+$/, '');
    } catch {
      throw wrong('UTF-8', 'bytes that are not');
    }
    if (!started) {
      started = line === '\\data\\'; // anything may stand before it
      continue;
    }
    if (line === '') continue;
    if (!line.startsWith('\\')) {
      if (order > 0) {
        if (left === 0) throw wrong(`no more than ${counts[order - 1]} ${order}-grams`, line);
        left--;
        yield entryOf(line, order, wrong);
        continue;
      }
      const [, of, count] = /^ngram (\d+) *= *(\d+)$/.exec(line) ?? [];
      if (Number(of) !== counts.length + 1) throw wrong(`"ngram ${counts.length + 1}=COUNT"`, line);
      counts.push(Number(count));
      continue;
    }
    const next = order === counts.length && order > 0 ? '\\end\\' : `\\${order + 1}-grams:`;
    if (left > 0) throw wrong(`${left} more ${order}-grams`, line);
    if (line !== next || counts.length === 0) throw wrong(counts.length > 0 ? next : '"ngram 1=COUNT"', line);
    if (line === '\\end\\') return;
    left = counts[order++];
  }
  throw new GradfoldError(
    'INVALID_FILE',
    `${path}: expected an ARPA file from \\data\\ to \\end\\, got ${started ? 'one that ends before' : 'none'}`,
  );
}

function entryOf(line: string, order: number, wrong: (expected: string, got: string) => Error): ArpaEntry {
  const fields = line.split(/[ \t]+/);
  const logProbability = Number(fields[0]);
  const backoff = Number(fields[order + 1] ?? 0);
  if (fields.length < order + 1 || fields.length > order + 2 || Number.isNaN(logProbability + backoff)) {
    throw wrong(`a log probability, ${order} words and perhaps a back-off weight`, line);
  }
  return { words: fields.slice(1, order + 1), logProbability, backoff };
}
