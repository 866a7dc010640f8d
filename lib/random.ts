import { createHash } from 'node:crypto';
import { checkInteger } from './check.ts';

// Counter-based randomness: a number is a pure function of (seed, stream, index), so results depend neither on the
// order of calls nor on how work is divided. Generator: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers:
// as easy as 1, 2, 3"). Counter words: block low, block high, stream low, stream high; key words: seed low, seed high.

const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;
const ROUNDS = 10;
const TWO_32 = 2 ** 32;

/** One block of Philox4x32-10: four 32-bit words from a counter of four words and a key of two, into `out`. */
export function philox4x32(out: Uint32Array, counter: ArrayLike<number>, key: ArrayLike<number>): void {
  block(out, counter[0], counter[1], counter[2], counter[3], key[0], key[1]);
}

function block(out: Uint32Array, c0: number, c1: number, c2: number, c3: number, k0: number, k1: number): void {
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = multiplyHigh(c0, MULTIPLIER_0);
    const low0 = Math.imul(c0, MULTIPLIER_0);
    const high1 = multiplyHigh(c2, MULTIPLIER_1);
    const low1 = Math.imul(c2, MULTIPLIER_1);
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0;
    k0 = (k0 + WEYL_0) | 0;
    k1 = (k1 + WEYL_1) | 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/** The upper 32 bits of a 64-bit product of unsigned words; every intermediate is exact in a double. */
function multiplyHigh(a: number, b: number): number {
  const upper = a * (b >>> 16);
  const lower = a * (b & 0xffff);
  return Math.floor((upper + Math.floor(lower / 65536)) / 65536);
}

/** The blocks of one (seed, stream); `words` holds the block last asked for. */
class BlockStream {
  readonly words = new Uint32Array(4);
  readonly #stream: [number, number];
  readonly #key: [number, number];
  #loaded = -1;

  constructor(seed: number, stream: number) {
    this.#key = split(checkInteger('seed', seed, 0));
    this.#stream = split(checkInteger('stream', stream, 0));
  }

  load(index: number): void {
    if (index === this.#loaded) return;
    this.#loaded = index;
    const [low, high] = this.#stream;
    block(this.words, index % TWO_32, Math.floor(index / TWO_32), low, high, this.#key[0], this.#key[1]);
  }

  /** 53 random bits in [0, 1) from words 2 half and 2 half + 1. */
  uniform(half: number): number {
    return ((this.words[2 * half] >>> 5) * 2 ** 26 + (this.words[2 * half + 1] >>> 6)) / 2 ** 53;
  }
}

function split(value: number): [number, number] {
  return [value % TWO_32, Math.floor(value / TWO_32)];
}

/** A uniform 32-bit word: word `index` of the stream. seed, stream and index are integers in [0, 2⁵³). */
export function randomUint32(seed: number, stream: number, index: number): number {
  const blocks = new BlockStream(seed, stream);
  blocks.load(Math.floor(checkInteger('index', index, 0) / 4));
  return blocks.words[index % 4];
}

/** A uniform number in [0, 1) with 53 random bits: words 2 index and 2 index + 1 of the stream. */
export function randomUniform(seed: number, stream: number, index: number): number {
  const blocks = new BlockStream(seed, stream);
  blocks.load(Math.floor(checkInteger('index', index, 0) / 2));
  return blocks.uniform(index % 2);
}

/** randomUniform of many indices: element i is number indices[i] of the stream. */
export function randomUniforms(seed: number, stream: number, indices: Uint32Array): Float64Array {
  const blocks = new BlockStream(seed, stream);
  const out = new Float64Array(indices.length);
  for (let i = 0; i < out.length; i++) {
    blocks.load(Math.floor(indices[i] / 2));
    out[i] = blocks.uniform(indices[i] % 2);
  }
  return out;
}

/**
 * Fills `out` with standard normal numbers, element i being number `offset + i` of the stream (Box and Muller 1958; a
 * pair of numbers from a block).
 * @param offset even
 */
export function randomNormals(out: Float32Array | Float64Array, seed: number, stream: number, offset = 0): void {
  const blocks = new BlockStream(seed, stream);
  for (let i = 0; i < out.length; i += 2) {
    blocks.load((offset + i) / 2);
    const radius = Math.sqrt(-2 * Math.log(1 - blocks.uniform(0)));
    const angle = 2 * Math.PI * blocks.uniform(1);
    out[i] = radius * Math.cos(angle);
    if (i + 1 < out.length) out[i + 1] = radius * Math.sin(angle);
  }
}

const BLOCK_BITS = 128;

/**
 * Fills `out` with fair signs, element i being sign `offset + i` of the stream: +1 where bit (index mod 128) of block
 * ⌊index / 128⌋ is 0, else −1; bit j of a block is bit (j mod 32) of its word ⌊j / 32⌋.
 */
export function randomSigns(out: Int8Array, seed: number, stream: number, offset = 0): void {
  const blocks = new BlockStream(seed, stream);
  for (let i = 0; i < out.length; i++) {
    const bit = (offset + i) % BLOCK_BITS;
    blocks.load(Math.floor((offset + i) / BLOCK_BITS));
    out[i] = (blocks.words[bit >>> 5] >>> (bit & 31)) & 1 ? -1 : 1;
  }
}

/** A uniform permutation of 0 … n − 1 (Fisher and Yates; Durstenfeld 1964). */
export function randomPermutation(n: number, seed: number, stream: number): Uint32Array {
  checkInteger('n', n, 0, TWO_32);
  const permutation = Uint32Array.from({ length: n }, (_, i) => i);
  shuffleWindows(permutation, Math.max(1, n), seed, stream);
  return permutation;
}

/**
 * Permutes `values` uniformly within each window of `window` places, the last one shorter. Number i of the stream
 * decides with which place of its window place i changes, so a window of all places is randomPermutation.
 */
export function shuffleWindows(values: Uint32Array, window: number, seed: number, stream: number): void {
  checkInteger('window', window, 1);
  const blocks = new BlockStream(seed, stream);
  for (let begin = 0; begin < values.length; begin += window) {
    for (let i = Math.min(values.length, begin + window) - 1; i > begin; i--) {
      blocks.load(Math.floor(i / 2));
      const j = begin + Math.floor(blocks.uniform(i % 2) * (i - begin + 1));
      const chosen = values[j];
      values[j] = values[i];
      values[i] = chosen;
    }
  }
}

/** The stream number of a name: the first 48 bits of its SHA-256. */
export function streamOf(name: string): number {
  return createHash('sha256').update(name).digest().readUIntBE(0, 6);
}
