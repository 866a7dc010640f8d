import type { BatchList } from './batch-list.ts';
import { collate, type Batch, type TokenRow } from './batch.ts';

/** Where a sample's tokens are found. */
export interface TokenSource {
  tokens(row: number): ArrayLike<number>;
  /**
   * The whole row, where there is more to it than tokens: labels, document ids, token types. `epoch` counts how often
   * training has read the row before, so that masks may be drawn anew each time.
   */
  row?(row: number, epoch: number): TokenRow;
  /** Says that the labels of `row` are next tokens, which a model of masked tokens cannot take. */
  readonly objective?: 'next-token';
  /** Told of rows whose tokens will be wanted soon; must not wait for them. */
  prefetch?(rows: ArrayLike<number>): void;
}

/** Whether the rows of a source only make sense to a model that predicts the next token. */
export function needsNextToken(samples: TokenSource): boolean {
  return samples.row === undefined || samples.objective === 'next-token';
}

/** A row of a source; without `row` its tokens are all there is. */
export function rowOf(samples: TokenSource, row: number, epoch = 0): TokenRow {
  return samples.row?.(row, epoch) ?? { inputIds: samples.tokens(row) };
}

/** Rows of a source as batches of `size` rows, the last one smaller, each made when it is asked for. */
export function sampleBatches(samples: TokenSource, rows: ArrayLike<number>, size: number): BatchList {
  return new RowBatches(samples, rows, size);
}

class RowBatches implements BatchList {
  readonly length: number;
  readonly #samples: TokenSource;
  readonly #rows: ArrayLike<number>;
  readonly #size: number;

  constructor(samples: TokenSource, rows: ArrayLike<number>, size: number) {
    this.length = Math.ceil(rows.length / size);
    this.#samples = samples;
    this.#rows = rows;
    this.#size = size;
  }

  at(index: number): Batch | undefined {
    const start = index * this.#size;
    const count = Math.min(this.#size, this.#rows.length - start);
    if (count <= 0) return undefined;
    return collate(Array.from({ length: count }, (_, i) => rowOf(this.#samples, this.#rows[start + i])));
  }

  *[Symbol.iterator](): Generator<Batch> {
    for (let i = 0; i < this.length; i++) yield this.at(i)!;
  }
}
