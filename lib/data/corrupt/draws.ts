import { philox4x32, streamOf } from '../../random.ts';

const TWO_32 = 2 ** 32;

/**
 * Random draws one after the other, a function of the seed and a name alone: the numbers of randomUniform at the name's
 * stream in order of index, made a block at a time.
 */
export class Draws {
  readonly #key: [number, number];
  readonly #stream: [number, number];
  readonly #words = new Uint32Array(4);
  #index = 0;

  constructor(seed: number, name: string) {
    this.#key = halves(seed);
    this.#stream = halves(streamOf(name));
  }

  /** In [low, high). */
  uniform(low = 0, high = 1): number {
    const half = this.#index % 2;
    if (half === 0) philox4x32(this.#words, [...halves(this.#index / 2), ...this.#stream], this.#key);
    this.#index++;
    const random = ((this.#words[2 * half] >>> 5) * 2 ** 26 + (this.#words[2 * half + 1] >>> 6)) / 2 ** 53;
    return low + (high - low) * random;
  }

  /** In 0 … n − 1. */
  integer(n: number): number {
    return Math.floor(this.uniform() * n);
  }

  pick<T>(items: ArrayLike<T>): T {
    return items[this.integer(items.length)];
  }

  /** Puts items into a random order, in place (Durstenfeld 1964). */
  shuffle<T>(items: T[]): void {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      [items[i], items[j]] = [items[j], items[i]];
    }
  }
}

/** Low and high word. */
function halves(value: number): [number, number] {
  return [value % TWO_32, Math.floor(value / TWO_32)];
}
