import type { PackedDocument, Packer, Piece } from './piece.ts';

/**
 * Documents one after the other, and what does not fit into a row any more either begins the next one or is dropped.
 * Memory holds one row.
 */
export class ConsecutivePacker<T> implements Packer<T> {
  readonly #length: number;
  readonly #overflow: 'continue' | 'drop';
  #row: Piece<T>[] = [];
  #used = 0;

  constructor(length: number, overflow: 'continue' | 'drop') {
    this.#length = length;
    this.#overflow = overflow;
  }

  *add(document: PackedDocument<T>): Generator<Piece<T>[]> {
    for (let from = 0; from < document.inputIds.length;) {
      const to = Math.min(document.inputIds.length, from + this.#length - this.#used);
      this.#row.push({ document, from, to });
      this.#used += to - from;
      if (this.#used === this.#length) yield this.#take();
      if (this.#overflow === 'drop') return;
      from = to;
    }
  }

  *finish(): Generator<Piece<T>[]> {
    if (this.#used > 0) yield this.#take();
  }

  #take(): Piece<T>[] {
    const row = this.#row;
    this.#row = [];
    this.#used = 0;
    return row;
  }
}
