import { detached, type PackedDocument, type Packer, type Piece } from './piece.ts';

/**
 * Best-fit-decreasing bins (Johnson 1973; for documents: Ding et al. 2024, "Fewer truncations improve language modeling"):
 * from the longest item to the shortest, each goes where least room is left over. Of equally good bins the one filled
 * last is taken, of equally long items the first. Time: items × length / 32 at worst.
 * @param lengths between 1 and `capacity`
 * @returns the items of each bin, ascending; bins in the order of their first items
 */
export function bestFitDecreasing(lengths: readonly number[], capacity: number): number[][] {
  const order = lengths.map((_, i) => i).sort((a, b) => lengths[b] - lengths[a] || a - b);
  const bins: number[][] = [];
  const byRoom = new RoomIndex(capacity);
  for (const item of order) {
    const length = lengths[item];
    const room = byRoom.smallestFrom(length);
    const bin = room === null ? bins.push([]) - 1 : byRoom.pop(room);
    bins[bin].push(item);
    byRoom.push((room ?? capacity) - length, bin);
  }
  for (const bin of bins) bin.sort((a, b) => a - b);
  return bins.sort((a, b) => a[0] - b[0]);
}

/** Bins by the room that they have left; which amounts of room occur is kept as bits. */
class RoomIndex {
  readonly #bins: number[][];
  readonly #words: Uint32Array;

  constructor(capacity: number) {
    this.#bins = Array.from({ length: capacity + 1 }, () => []);
    this.#words = new Uint32Array((capacity >>> 5) + 1);
  }

  push(room: number, bin: number): void {
    this.#bins[room].push(bin);
    this.#words[room >>> 5] |= 1 << (room & 31);
  }

  pop(room: number): number {
    const bins = this.#bins[room];
    const bin = bins.pop()!;
    if (bins.length === 0) this.#words[room >>> 5] &= ~(1 << (room & 31));
    return bin;
  }

  /** The least room of at least `least` that some bin has. */
  smallestFrom(least: number): number | null {
    let word = least >>> 5;
    let bits = this.#words[word] & (-1 << (least & 31));
    while (bits === 0) {
      if (++word === this.#words.length) return null;
      bits = this.#words[word];
    }
    return 32 * word + 31 - Math.clz32(bits & -bits);
  }
}

/**
 * Documents longer than a row are cut into full rows and a rest; rests and short documents wait in a buffer until it holds
 * `bufferTokens`, and then go into rows by best-fit-decreasing. While all of them fit into the buffer, this is the method
 * over all documents.
 */
export class BestFitPacker<T> implements Packer<T> {
  readonly #length: number;
  readonly #bufferTokens: number;
  #waiting: Piece<T>[] = [];
  #tokens = 0;

  constructor(length: number, bufferTokens: number) {
    this.#length = length;
    this.#bufferTokens = bufferTokens;
  }

  *add(document: PackedDocument<T>): Generator<Piece<T>[]> {
    const { length } = document.inputIds;
    const rest = length % this.#length;
    for (let from = 0; from < length - rest; from += this.#length) {
      yield [{ document, from, to: from + this.#length }];
    }
    if (rest === 0) return;
    if (this.#tokens + rest > this.#bufferTokens) yield* this.finish();
    const piece = { document, from: length - rest, to: length };
    this.#waiting.push(rest === length ? piece : detached(piece));
    this.#tokens += rest;
  }

  *finish(): Generator<Piece<T>[]> {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#tokens = 0;
    const bins = bestFitDecreasing(
      waiting.map(({ from, to }) => to - from),
      this.#length,
    );
    for (const bin of bins) yield bin.map((item) => waiting[item]);
  }
}
