import type { FloatArray } from '../backend/types.ts';
import { rejectNaN } from '../score/check.ts';

// Stable argsort of scores by least-significant-digit radix sort (Knuth, The Art of Computer Programming 3, §5.2.5), as
// native/order does it: scores become unsigned integers in the same order, and those are sorted 11 bits at a time.

const DIGIT_BITS = 11;
const DIGITS = 1 << DIGIT_BITS;
/** Rows handled between two yields. */
const ROWS_PER_STEP = 1 << 20;
/** Position of the high word of a float64 among its two words. */
const HIGH = new Uint32Array(new Float64Array([-0]).buffer)[1] !== 0 ? 1 : 0;

/**
 * The stable order of scores [n]: equal scores (-0 equals 0) keep input order, ascending and descending alike. A
 * generator that yields every million rows or so, for the caller to let others run or to stop.
 * @throws GradfoldError INVALID_DATA naming the index of a NaN.
 */
export function* radixArgsort(scores: FloatArray, descending: boolean): Generator<undefined, Uint32Array> {
  const n = scores.length;
  rejectNaN(scores);
  let rows = new Uint32Array(n);
  for (let i = 0; i < n; i++) rows[i] = i;
  let keys = new Uint32Array(n);
  let spareRows = new Uint32Array(n);
  let spareKeys = new Uint32Array(n);
  for (const word of keyWords(scores)) {
    let differing = 0;
    for (let begin = 0; begin < n; begin += ROWS_PER_STEP) {
      differing |= loadKeys(word, descending, rows, keys, begin, Math.min(n, begin + ROWS_PER_STEP));
      yield;
    }
    for (const shift of passShifts(differing)) {
      const places = new Uint32Array(DIGITS);
      countDigits(keys, shift, places);
      yield;
      for (let begin = 0; begin < n; begin += ROWS_PER_STEP) {
        moveRows(keys, rows, begin, Math.min(n, begin + ROWS_PER_STEP), shift, places, spareKeys, spareRows);
        yield;
      }
      [keys, spareKeys, rows, spareRows] = [spareKeys, keys, spareRows, rows];
    }
  }
  return rows;
}

/** 32 bits of every score: bits[row * stride + offset], of which `sign` is the sign bit, if it is among them. */
interface KeyWord {
  scores: FloatArray;
  bits: Uint32Array;
  stride: number;
  offset: number;
  sign: number;
}

/** The words of the keys, least significant first. */
function keyWords(scores: FloatArray): KeyWord[] {
  const stride = scores.BYTES_PER_ELEMENT / 4;
  const bits = new Uint32Array(scores.buffer, scores.byteOffset, scores.length * stride);
  const top = { scores, bits, stride, offset: stride === 1 ? 0 : HIGH, sign: 0x80000000 };
  return stride === 1 ? [top] : [{ ...top, offset: 1 - HIGH, sign: 0 }, top];
}

/** keys[i] = the word of row rows[i] for i in [begin, end); returns the bits in which they differ from row 0's. */
function loadKeys(
  word: KeyWord,
  descending: boolean,
  rows: Uint32Array,
  keys: Uint32Array,
  begin: number,
  end: number,
): number {
  const first = keyWordOf(word, descending, 0);
  let differing = 0;
  for (let i = begin; i < end; i++) {
    const key = keyWordOf(word, descending, rows[i]);
    keys[i] = key;
    differing |= key ^ first;
  }
  return differing;
}

/** Scores below 0 have all bits turned, others the sign bit set, so that words compare as scores do; -0 equals 0. */
function keyWordOf({ scores, bits, stride, offset, sign }: KeyWord, descending: boolean, row: number): number {
  const word = bits[row * stride + offset];
  const key = scores[row] < 0 ? ~word : word | sign;
  return descending ? ~key : key;
}

/** Lowest bits of the digits that together cover every bit in which the keys differ. */
function passShifts(differing: number): number[] {
  const shifts: number[] = [];
  let left = differing;
  while (left !== 0) {
    const shift = 31 - Math.clz32(left & -left);
    shifts.push(shift);
    const covered = shift + DIGIT_BITS;
    left = covered >= 32 ? 0 : (left >>> covered) << covered;
  }
  return shifts;
}

/** places[d] receives the number of keys with a digit below d. */
function countDigits(keys: Uint32Array, shift: number, places: Uint32Array): void {
  for (let i = 0; i < keys.length; i++) places[(keys[i] >>> shift) & (DIGITS - 1)]++;
  let total = 0;
  for (let digit = 0; digit < DIGITS; digit++) {
    const count = places[digit];
    places[digit] = total;
    total += count;
  }
}

/** Moves rows [begin, end) and their keys to the next free place of their digit. */
function moveRows(
  keys: Uint32Array,
  rows: Uint32Array,
  begin: number,
  end: number,
  shift: number,
  places: Uint32Array,
  toKeys: Uint32Array,
  toRows: Uint32Array,
): void {
  for (let i = begin; i < end; i++) {
    const key = keys[i];
    const place = places[(key >>> shift) & (DIGITS - 1)]++;
    toKeys[place] = key;
    toRows[place] = rows[i];
  }
}
