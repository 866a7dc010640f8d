import { setImmediate } from 'node:timers/promises';
import { checkList, invalid } from '../check.ts';
import type { Corpus } from '../data/corpus.ts';
import type { Samples } from '../data/samples.ts';

export interface DocumentScoreOptions {
  signal?: AbortSignal;
  /** Counted in rows. */
  onProgress?: (progress: { done: number; total: number }) => void;
}

/** Milliseconds of work between two turns of the event loop. */
const SLICE = 50;

/**
 * What `scoreOf` says of the document that each row was cut from [rows]. Rows of one document that follow each other ask
 * for it once. The event loop gets its turn in between.
 * @throws GradfoldError INVALID_DATA for a row of a document that the corpus does not have; rejects with `signal.reason`
 *   on abort.
 */
export async function documentScores<T>(
  corpus: Pick<Corpus, 'count'>,
  samples: Pick<Samples, 'document'>,
  rows: ArrayLike<number>,
  scoreOf: (document: number) => T,
  { signal, onProgress }: DocumentScoreOptions = {},
): Promise<T[]> {
  checkList('rows', rows);
  const scores: T[] = [];
  let last: { document: number; score: T } | undefined;
  let sliceEnd = performance.now() + SLICE;
  for (let i = 0; i < rows.length; i++) {
    if (performance.now() >= sliceEnd) {
      onProgress?.({ done: i, total: rows.length });
      await setImmediate();
      signal?.throwIfAborted();
      sliceEnd = performance.now() + SLICE;
    }
    const document = samples.document(rows[i]);
    if (document >= corpus.count) {
      throw invalid(`document of row ${rows[i]}`, `a row of the corpus, below ${corpus.count}`, document, {
        code: 'INVALID_DATA',
        fix: 'give the corpus that the samples were made from',
      });
    }
    if (last?.document !== document) last = { document, score: scoreOf(document) };
    scores.push(last.score);
  }
  onProgress?.({ done: rows.length, total: rows.length });
  return scores;
}
