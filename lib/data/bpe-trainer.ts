/** Learned merges: pairs of token ids in the order they apply. Ids below 256 are bytes. */
export interface Merges {
  pairs: [left: number, right: number][];
  /** The bytes of every token by id, 256 single bytes first, as strings of one character a byte. */
  tokens: string[];
}

const BYTES = 256;
/** Pair keys: left · 2²⁴ + right, exact in a double for any vocabulary below 2²⁴. */
const RADIX = 2 ** 24;

/**
 * Learns byte-pair merges (Sennrich et al. 2016, "Neural machine translation of rare words with subword units") from
 * counted pieces of text: again and again the pair of neighbours with the highest count becomes a token, the smaller
 * pair of ids on ties, until there are `size` tokens or no pair occurs twice. The outcome depends on the counts alone,
 * not on the order of pieces. `onMerge` is told the number of tokens after each merge.
 */
export function learnMerges(pieces: Map<string, number>, size: number, onMerge?: (tokens: number) => void): Merges {
  const words = new PairTable(pieces);
  const tokens = Array.from({ length: BYTES }, (_, byte) => String.fromCharCode(byte));
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const pairs: Merges['pairs'] = [];
  while (tokens.length < size) {
    const key = words.mostFrequent();
    if (key === undefined) break;
    const left = Math.floor(key / RADIX);
    const right = key % RADIX;
    const token = tokens[left] + tokens[right];
    // Two ways of merging may spell the same token, which keeps its first id.
    const id = ids.get(token) ?? tokens.push(token) - 1;
    ids.set(token, id);
    pairs.push([left, right]);
    words.merge(key, left, right, id);
    onMerge?.(tokens.length);
  }
  return { pairs, tokens };
}

/** All pieces as token ids, with the count of every pair of neighbours and where it occurs. */
class PairTable {
  readonly #words: number[][] = [];
  readonly #frequencies: number[] = [];
  readonly #counts = new Map<number, number>();
  /** Words in which a pair occurs, or did once. */
  readonly #occurrences = new Map<number, number[]>();
  readonly #queue = new PairQueue();

  constructor(pieces: Map<string, number>) {
    const encoder = new TextEncoder();
    for (const [piece, frequency] of pieces) {
      const word = this.#words.push([...encoder.encode(piece)]) - 1;
      this.#frequencies.push(frequency);
      this.#count(word, 1, () => true);
    }
    for (const [key, count] of this.#counts) this.#queue.push(count, key);
  }

  /** The pair with the highest count, the smaller key on ties; none when no pair occurs twice. */
  mostFrequent(): number | undefined {
    for (let entry = this.#queue.pop(); entry !== undefined; entry = this.#queue.pop()) {
      const count = this.#counts.get(entry.key) ?? 0;
      if (count === entry.count) return count > 1 ? entry.key : undefined;
      // Counts only fall once a pair is queued, so an entry that is too high is put back where it belongs.
      if (count > 1) this.#queue.push(count, entry.key);
    }
    return undefined;
  }

  merge(key: number, left: number, right: number, id: number): void {
    const born = new Set<number>();
    for (const word of this.#occurrences.get(key) ?? []) {
      const before = this.#words[word];
      const after = mergePair(before, left, right, id);
      if (after.length === before.length) continue;
      this.#count(word, -1, () => false);
      this.#words[word] = after;
      this.#count(word, 1, (pair) => {
        const isNew = Math.floor(pair / RADIX) === id || pair % RADIX === id;
        if (isNew) born.add(pair);
        return isNew;
      });
    }
    this.#occurrences.delete(key);
    this.#counts.delete(key);
    for (const pair of born) this.#queue.push(this.#counts.get(pair)!, pair);
  }

  #count(word: number, sign: 1 | -1, isNew: (pair: number) => boolean): void {
    const ids = this.#words[word];
    const change = sign * this.#frequencies[word];
    for (let i = 1; i < ids.length; i++) {
      const key = ids[i - 1] * RADIX + ids[i];
      this.#counts.set(key, (this.#counts.get(key) ?? 0) + change);
      if (!isNew(key)) continue;
      const words = this.#occurrences.get(key);
      if (words === undefined) this.#occurrences.set(key, [word]);
      else if (words[words.length - 1] !== word) words.push(word);
    }
  }
}

function mergePair(ids: number[], left: number, right: number, id: number): number[] {
  const merged: number[] = [];
  for (let i = 0; i < ids.length; i++) {
    const found = ids[i] === left && ids[i + 1] === right;
    merged.push(found ? id : ids[i]);
    if (found) i++;
  }
  return merged;
}

interface QueuedPair {
  count: number;
  key: number;
}

/** A binary heap with the highest count first, the smaller key on ties. */
class PairQueue {
  readonly #heap: QueuedPair[] = [];

  push(count: number, key: number): void {
    const heap = this.#heap;
    const entry = { count, key };
    let i = heap.push(entry) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!precedes(entry, heap[parent])) break;
      heap[i] = heap[parent];
      i = parent;
    }
    heap[i] = entry;
  }

  pop(): QueuedPair | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const entry = heap.pop();
    if (entry === undefined || heap.length === 0) return first;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && precedes(heap[child + 1], heap[child])) child++;
      if (!precedes(heap[child], entry)) break;
      heap[i] = heap[child];
      i = child;
    }
    heap[i] = entry;
    return first;
  }
}

function precedes(a: QueuedPair, b: QueuedPair): boolean {
  return a.count > b.count || (a.count === b.count && a.key < b.key);
}
