type Numbers = Int32Array | Uint32Array | Uint8Array;

const FIRST_CAPACITY = 1024;

/** A typed array of a length that is not known beforehand: a plain array takes twice the memory and ends at 2²⁷. */
export class GrowingArray<Values extends Numbers> {
  readonly #type: new (length: number) => Values;
  #values: Values;
  #length = 0;

  constructor(type: new (length: number) => Values) {
    this.#type = type;
    this.#values = new type(FIRST_CAPACITY);
  }

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    if (this.#length === this.#values.length) this.#grow(this.#length + 1);
    this.#values[this.#length++] = value;
  }

  append(values: ArrayLike<number>): void {
    if (this.#length + values.length > this.#values.length) this.#grow(this.#length + values.length);
    this.#values.set(values, this.#length);
    this.#length += values.length;
  }

  /** What was gathered; a view, not a copy. */
  values(): Values {
    return this.#values.subarray(0, this.#length) as Values;
  }

  #grow(least: number): void {
    const grown = new this.#type(Math.max(least, 2 * this.#values.length));
    grown.set(this.#values);
    this.#values = grown;
  }
}
