import { hash } from 'node:crypto';

const WORDS = 4;
const FIRST_SLOTS = 1024;
/** Share of slots in use beyond which there are twice as many. */
const FULLEST = 0.6;

/**
 * Remembers texts by 128 bits of their SHA-256, in 16 bytes a slot: a Set ends at 2²⁴ entries and keeps the texts. With
 * 10⁹ texts the chance that two different ones count as the same is below 10⁻²⁰.
 */
export class DigestSet {
  /** Four words a slot; all zero: empty. */
  #slots = new Uint32Array(WORDS * FIRST_SLOTS);
  #size = 0;
  /** The digest being looked for. */
  readonly #words = new Uint32Array(WORDS);

  get size(): number {
    return this.#size;
  }

  /** Takes a text in; false when it was there already. */
  add(text: string): boolean {
    const digest = hash('sha256', text, 'buffer');
    for (let w = 0; w < WORDS; w++) this.#words[w] = digest.readUInt32LE(4 * w);
    this.#words[0] ||= 1; // no digest looks like an empty slot
    if (!this.#insert(this.#words, 0)) return false;
    this.#size++;
    if (this.#size > (FULLEST * this.#slots.length) / WORDS) this.#grow();
    return true;
  }

  /** Puts the digest that begins at `from` into a slot of its own; false when one holds it already. */
  #insert(digests: Uint32Array, from: number): boolean {
    const slots = this.#slots;
    let at = (digests[from + 1] % (slots.length / WORDS)) * WORDS;
    for (; slots[at] !== 0; at = (at + WORDS) % slots.length) {
      let w = 0;
      while (w < WORDS && slots[at + w] === digests[from + w]) w++;
      if (w === WORDS) return false;
    }
    for (let w = 0; w < WORDS; w++) slots[at + w] = digests[from + w];
    return true;
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Uint32Array(2 * old.length);
    for (let at = 0; at < old.length; at += WORDS) if (old[at] !== 0) this.#insert(old, at);
  }
}
