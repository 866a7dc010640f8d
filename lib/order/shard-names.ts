import { GradfoldError } from '../errors.ts';
import type { PlanFile } from './plan-file.ts';
import type { ScorePiece } from './score-files.ts';

const ROW_NUMBERS = 2 ** 32;
/** Rows whose shards are looked up at a time. */
const STEP = 1 << 20;
const LOOKUP_BITS = 16;

/**
 * One number for every row of several files, while they are sorted: the rows of a file follow those of the one before.
 */
export class ShardNames {
  /** Row numbers of each file: one more than its greatest. */
  readonly #spans: number[];
  /** The first number of each file, and at last the end. */
  #bases: number[] = [];
  /** By the upper bits of a number, a file at or before its own. */
  #lookup = new Uint32Array(0);
  #rows = new Uint32Array(0);
  #shards = new Uint32Array(0);

  /** @param counts rows of each file */
  constructor(counts: readonly number[]) {
    this.#spans = [...counts];
  }

  /** Takes note of rows that a file names. */
  see(file: number, names: Uint32Array): void {
    let most = this.#spans[file] - 1;
    for (const name of names) if (name > most) most = name;
    this.#spans[file] = most + 1;
  }

  /** To be called when all names were seen. @throws GradfoldError UNSUPPORTED for more numbers than uint32 has. */
  settle(): void {
    this.#bases = [0];
    for (const span of this.#spans) this.#bases.push(this.#bases[this.#bases.length - 1] + span);
    const end = this.#bases[this.#spans.length];
    if (end > ROW_NUMBERS) {
      throw new GradfoldError(
        'UNSUPPORTED',
        `scores: expected row numbers of ${this.#spans.length} files below ${ROW_NUMBERS} together, got ${end}; order them in parts`,
      );
    }
    if (this.#spans.length === 1) return;
    const step = Math.min(STEP, end);
    this.#rows = new Uint32Array(step);
    this.#shards = new Uint32Array(step);
    let file = 0;
    this.#lookup = Uint32Array.from({ length: 1 << LOOKUP_BITS }, (_, upper) => {
      while (file + 1 < this.#spans.length && this.#bases[file + 1] <= upper * 2 ** (32 - LOOKUP_BITS)) file++;
      return file;
    });
  }

  /** What is added to the names of a piece, or to its rows' positions. */
  offset({ file, names, start }: ScorePiece): number {
    return names ? this.#bases[file] : start;
  }

  /** Writes numbers to a plan as rows of their files. */
  async write(plan: PlanFile, position: number, numbers: Uint32Array): Promise<void> {
    if (this.#spans.length === 1) return plan.write(position, numbers);
    const bases = this.#bases;
    for (let begin = 0; begin < numbers.length; begin += STEP) {
      const count = Math.min(STEP, numbers.length - begin);
      for (let i = 0; i < count; i++) {
        const number = numbers[begin + i];
        let file = this.#lookup[number >>> (32 - LOOKUP_BITS)];
        while (number >= bases[file + 1]) file++;
        this.#rows[i] = number - bases[file];
        this.#shards[i] = file;
      }
      await plan.write(position + begin, this.#rows.subarray(0, count), this.#shards.subarray(0, count));
    }
  }
}
