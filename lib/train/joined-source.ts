import type { TokenRow } from '../data/batch.ts';
import { rowOf, type TokenSource } from '../data/token-source.ts';

/** Several sources as one: row r of the second is row r + starts[1] of the whole. */
export class JoinedSource implements TokenSource {
  /** Where the rows of each source begin. */
  readonly starts: readonly number[];
  readonly #sources: readonly TokenSource[];
  /** Where one source tells documents apart, all rows of a batch must. */
  readonly #packed: boolean;
  readonly row?: (row: number, epoch: number) => TokenRow;

  /** @param parts each with the number of its rows, or at least of those that will be asked for */
  constructor(parts: readonly { samples: TokenSource; count: number }[]) {
    this.#sources = parts.map(({ samples }) => samples);
    let end = 0;
    this.starts = parts.map(({ count }) => (end += count) - count);
    this.#packed = parts.some(({ samples, count }) => count > 0 && rowOf(samples, 0).documentIds !== undefined);
    if (parts.some(({ samples }) => samples.row)) this.row = (row, epoch) => this.#row(row, epoch);
  }

  tokens(row: number): ArrayLike<number> {
    const part = this.#partOf(row);
    return this.#sources[part].tokens(row - this.starts[part]);
  }

  prefetch(rows: ArrayLike<number>): void {
    this.#sources.forEach((source, part) => {
      const own = Array.from(rows).filter((row) => this.#partOf(row) === part);
      if (own.length > 0) source.prefetch?.(own.map((row) => row - this.starts[part]));
    });
  }

  #partOf(row: number): number {
    return this.starts.findLastIndex((start) => start <= row);
  }

  #row(row: number, epoch: number): TokenRow {
    const part = this.#partOf(row);
    const own = rowOf(this.#sources[part], row - this.starts[part], epoch);
    if (!this.#packed || own.documentIds) return own;
    return { ...own, documentIds: new Int32Array(own.inputIds.length) };
  }
}
