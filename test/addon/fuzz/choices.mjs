// Seeded choices, and values that no caller should pass.
/* global structuredClone */

/**
 * Draws from a stream of a seed. Every call has a stream of its own: what an earlier one met with, which may hang on its
 * timing, does not change what is called later.
 */
export class Choices {
  #uint32;
  #seed;
  #stream = 0;
  #index = 0;

  /** @param randomUint32 lib/random.ts */
  constructor(randomUint32, seed) {
    this.#uint32 = randomUint32;
    this.#seed = seed;
  }

  /** Goes to the beginning of a stream. */
  turnTo(stream) {
    this.#stream = stream;
    this.#index = 0;
  }

  /** An integer in [0, n). */
  below(n) {
    return this.#uint32(this.#seed, this.#stream, this.#index++) % n;
  }
  chance(p) {
    return this.below(1 << 20) < p * (1 << 20);
  }
  of(values) {
    return values[this.below(values.length)];
  }
}

/** The reason of every abort and the error of every hostile getter: the only errors that calls may pass through. */
export const OWN = new Error('made by the fuzzer');

/** Sizes are tiny or absurd: one in between could be right, and take the machine's memory. */
const NUMBERS = [NaN, Infinity, -Infinity, -1, 0, -0, 0.5, 1, 3, 1e-320, 2 ** 53, -(2 ** 63), 1e308];
const SCALARS = [undefined, null, '', 'x', '__proto__', true, 10n, Symbol('odd')];
const ARRAYS = [Float32Array, Float64Array, Int32Array, Uint8Array];
const INTEGERS = [-1, 2 ** 31 - 1, -(2 ** 31), -100, 0, 255];

function detached(array) {
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
}

function shared(Type, length) {
  return new Type(new SharedArrayBuffer(length * Type.BYTES_PER_ELEMENT));
}

/** Over a resizable buffer that was shrunk below it. */
function outOfBounds(Type) {
  const buffer = new ArrayBuffer(64, { maxByteLength: 128 });
  const array = new Type(buffer, 0, 64 / Type.BYTES_PER_ELEMENT);
  buffer.resize(8);
  return array;
}

const OBJECTS = [
  () => ({}),
  () => [],
  () => [NaN, 'x', undefined],
  () => () => 1,
  () => new Date(NaN),
  () => new Proxy({}, {}),
  () => ({
    get length() {
      throw OWN;
    },
  }),
  () => new Float32Array(0),
  () => new Float64Array([1, NaN]),
  () => new Uint8Array(5),
  () => new BigInt64Array(3),
  () => new DataView(new ArrayBuffer(8)),
  () => detached(new Float32Array(4)),
  () => detached(new Int32Array(12)),
  () => shared(Float64Array, 3),
  () => shared(Int32Array, 12),
  () => outOfBounds(Float32Array),
  () => outOfBounds(Int32Array),
];

export function oddValue(choices) {
  const kind = choices.below(4);
  if (kind < 2) return choices.of(NUMBERS);
  return kind === 2 ? choices.of(SCALARS) : choices.of(OBJECTS)();
}

/** The arguments with one thing in them made wrong: an argument, a property at any depth, an array element, a length. */
export function spoiled(choices, values) {
  const copy = Array.isArray(values) ? [...values] : { ...values };
  const keys = Object.keys(copy);
  if (keys.length === 0) return copy;
  const key = choices.of(keys);
  copy[key] = spoiledValue(choices, copy[key]);
  return copy;
}

function spoiledValue(choices, value) {
  const deeper = choices.chance(0.8);
  // Of an array that is detached, out of bounds or empty there is nothing left to spoil.
  if (ARRAYS.includes(value?.constructor) && value.length > 0 && deeper) return spoiledArray(choices, value);
  const plain =
    value !== null &&
    typeof value === 'object' &&
    [Object.prototype, Array.prototype].includes(Object.getPrototypeOf(value)) &&
    !Object.values(Object.getOwnPropertyDescriptors(value)).some(({ get }) => get);
  return plain && deeper ? spoiled(choices, value) : oddValue(choices);
}

function spoiledArray(choices, array) {
  switch (choices.below(4)) {
    case 0:
      return array.slice(0, choices.below(array.length + 1));
    case 1:
      return detached(array.slice());
    case 2: {
      const copy = shared(array.constructor, array.length);
      copy.set(array);
      return copy;
    }
    default: {
      const copy = array.slice();
      const float = array instanceof Float32Array || array instanceof Float64Array;
      copy[choices.below(copy.length)] = choices.of(float ? NUMBERS : INTEGERS);
      return copy;
    }
  }
}

/** A value as a log line shows it. */
export function shown(value, depth = 2) {
  if (ArrayBuffer.isView(value)) return `${value.constructor.name}(${value.length ?? value.byteLength})`;
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value !== 'object' || value === null) return Object.is(value, -0) ? '-0' : String(value);
  if (Array.isArray(value)) {
    return depth ? `[${value.slice(0, 8).map((entry) => shown(entry, depth - 1))}]` : `Array(${value.length})`;
  }
  if (Object.getPrototypeOf(value) !== Object.prototype) return value.constructor?.name ?? 'Object';
  const entries = Object.entries(Object.getOwnPropertyDescriptors(value)).map(
    ([key, { get, value: entry }]) => `${key}: ${get ? '<getter>' : shown(entry, depth - 1)}`,
  );
  return depth ? `{${entries.join(', ')}}` : '{…}';
}
