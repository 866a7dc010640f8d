import { collate, type Batch, type TokenRow } from './batch.ts';

/** Where a sample's tokens are found. */
export interface TokenSource {
  tokens(row: number): ArrayLike<number>;
  /**
   * The whole row, where there is more to it than tokens: labels, document ids, token types. `epoch` counts the passes
   * over the data completed before, so that masks may be drawn anew in each.
   */
  row?(row: number, epoch: number): TokenRow;
  /** Told of rows whose tokens will be wanted soon; must not wait for them. */
  prefetch?(rows: ArrayLike<number>): void;
}

/** A row of a source; without `row` its tokens are all there is. */
export function rowOf(samples: TokenSource, row: number, epoch = 0): TokenRow {
  return samples.row?.(row, epoch) ?? { inputIds: samples.tokens(row) };
}

/** Rows of a source as batches of `size` rows, the last one smaller, made when they are asked for. */
export function* sampleBatches(samples: TokenSource, rows: ArrayLike<number>, size: number): Generator<Batch> {
  for (let start = 0; start < rows.length; start += size) {
    const count = Math.min(size, rows.length - start);
    yield collate(Array.from({ length: count }, (_, i) => rowOf(samples, rows[start + i])));
  }
}
