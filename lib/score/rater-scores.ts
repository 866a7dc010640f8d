import { checkInteger } from '../check.ts';
import { collate, type TokenRow } from '../data/batch.ts';
import { rowOf, type TokenSource } from '../data/token-source.ts';
import type { SequenceRater } from '../model/sequence-rater.ts';

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
  const read = Array.from(rows, (row) => encodedRow(samples, row, reencode));
  const byLength = Array.from(read.keys()).sort((a, b) => read[a].inputIds.length - read[b].inputIds.length);
  const scores = new Float64Array(read.length);
  for (let start = 0; start < byLength.length; start += batchSize) {
    signal?.throwIfAborted();
    const members = byLength.slice(start, start + batchSize);
    const found = await rater.score(collate(members.map((i) => read[i])), { signal });
    members.forEach((i, slot) => (scores[i] = found[slot]));
    onProgress?.({ done: start + members.length, total: read.length });
  }
  return scores;
}

/** A row as a rater reads it. */
export function encodedRow(samples: TokenSource, row: number, reencode: Reencode | undefined): TokenRow {
  return reencode ? { inputIds: reencode(samples.tokens(row)) } : rowOf(samples, row);
}
