import { checkInteger } from '../check.ts';
import { collate } from '../data/batch.ts';
import type { SequenceRater } from '../model/sequence-rater.ts';
import type { TokenSource } from '../train/sample-loader.ts';

/** A row's tokens as a rater wants them, where its vocabulary is another one than the samples'. */
export type Reencode = (tokens: ArrayLike<number>) => ArrayLike<number>;

export interface ScoreRowsOptions {
  /** Rows a pass; default 32. */
  batchSize?: number;
  /** Default: the samples' own tokens. */
  reencode?: Reencode;
  /** Counted in rows. */
  onProgress?: (progress: { done: number; total: number }) => void;
  signal?: AbortSignal;
}

/**
 * A rater's score of each of the rows. Batches are formed by length, so that a batch holds rows that cost alike.
 * @returns [rows], in their order
 */
export async function scoreRows(
  rater: Pick<SequenceRater, 'score'>,
  samples: TokenSource,
  rows: ArrayLike<number>,
  options: ScoreRowsOptions = {},
): Promise<Float64Array> {
  const { reencode, onProgress, signal } = options;
  const batchSize = checkInteger('batchSize', options.batchSize ?? 32, 1);
  const tokens = Array.from(rows, (row) => encoded(samples, row, reencode));
  const byLength = Array.from(tokens.keys()).sort((a, b) => tokens[a].length - tokens[b].length);
  const scores = new Float64Array(tokens.length);
  for (let start = 0; start < byLength.length; start += batchSize) {
    signal?.throwIfAborted();
    const members = byLength.slice(start, start + batchSize);
    const batch = collate(members.map((i) => ({ inputIds: tokens[i] })));
    const found = await rater.score(batch, { signal });
    members.forEach((i, slot) => (scores[i] = found[slot]));
    onProgress?.({ done: start + members.length, total: tokens.length });
  }
  return scores;
}

/** The tokens of a row for a rater. */
export function encoded(samples: TokenSource, row: number, reencode: Reencode | undefined): ArrayLike<number> {
  const tokens = samples.tokens(row);
  return reencode ? reencode(tokens) : tokens;
}
