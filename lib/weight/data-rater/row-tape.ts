import { randomPermutation, streamOf } from '../../random.ts';

/**
 * Rows as an endless tape: passes over all of them, each in an order of its own. What lies at a position depends on the
 * seed and the tape's name alone, so a run that knows its position can be gone on with.
 */
export class RowTape {
  /** Where `next` goes on. */
  position = 0;
  readonly #rows: Uint32Array;
  readonly #seed: number;
  readonly #name: string;
  #pass = -1;
  #order: Uint32Array = new Uint32Array(0);

  constructor(name: string, rows: Uint32Array, seed: number) {
    this.#name = name;
    this.#rows = rows;
    this.#seed = seed;
  }

  /** The `count` rows from a position on. */
  read(position: number, count: number): Uint32Array {
    return Uint32Array.from({ length: count }, (_, i) => this.#at(position + i));
  }

  /** The next `count` rows. */
  next(count: number): Uint32Array {
    this.position += count;
    return this.read(this.position - count, count);
  }

  #at(position: number): number {
    const length = this.#rows.length;
    const pass = Math.floor(position / length);
    if (pass !== this.#pass) {
      this.#pass = pass;
      this.#order = randomPermutation(length, this.#seed, streamOf(`${this.#name}/pass ${pass}`));
    }
    return this.#rows[this.#order[position % length]];
  }
}
