import { describe, expect, it } from 'vitest';
import {
  philox4x32,
  randomNormals,
  randomPermutation,
  randomSigns,
  randomUint32,
  randomUniform,
  randomUniforms,
  shuffleWindows,
  streamOf,
} from '../lib/random.ts';

// Known answers of the generator's authors (Random123, kat_vectors, "philox4x32 10").
const KNOWN_ANSWERS = [
  { counter: [0, 0, 0, 0], key: [0, 0], words: [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8] },
  {
    counter: [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    key: [0xffffffff, 0xffffffff],
    words: [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  },
  {
    counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    key: [0xa4093822, 0x299f31d0],
    words: [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  },
];

describe('philox4x32', () => {
  it.each(KNOWN_ANSWERS)('gives the known answer for counter $counter', ({ counter, key, words }) => {
    const out = new Uint32Array(4);
    philox4x32(out, counter, key);
    expect([...out]).toEqual(words);
  });
});

describe('randomUint32', () => {
  it('reads words of the blocks with counter (block, stream) and key seed', () => {
    expect([0, 1, 2, 3].map((i) => randomUint32(0, 0, i))).toEqual(KNOWN_ANSWERS[0].words);
    const out = new Uint32Array(4);
    philox4x32(out, [2, 1, 7, 3], [5, 6]);
    const index = 4 * (2 ** 32 + 2) + 3;
    expect(randomUint32(6 * 2 ** 32 + 5, 3 * 2 ** 32 + 7, index)).toBe(out[3]);
  });

  it('names a seed that is not a non-negative integer', () => {
    expect(() => randomUint32(-1, 0, 0)).toThrow('seed: expected an integer >= 0, got -1');
  });
});

describe('randomUniforms', () => {
  it('is randomUniform of each index, in any order', () => {
    const indices = Uint32Array.of(5, 4, 0xffffffff, 0, 1, 5);
    expect([...randomUniforms(3, 9, indices)]).toEqual(Array.from(indices, (index) => randomUniform(3, 9, index)));
  });
});

describe('shuffleWindows', () => {
  it('permutes within windows; one window of all is randomPermutation', () => {
    const identity = Uint32Array.from({ length: 11 }, (_, i) => i);
    const values = identity.slice();
    shuffleWindows(values, 4, 2, 3);
    expect([...values]).not.toEqual([...identity]);
    for (const begin of [0, 4, 8]) {
      expect([...values.slice(begin, begin + 4)].sort((a, b) => a - b)).toEqual([...identity.slice(begin, begin + 4)]);
    }
    const whole = identity.slice();
    shuffleWindows(whole, 100, 2, 3);
    expect([...whole]).toEqual([...randomPermutation(11, 2, 3)]);
  });
});

describe('randomUniform', () => {
  it('is uniform in [0, 1): mean, variance and a 16-cell chi-square', () => {
    const n = 20_000;
    const cells = new Float64Array(16);
    let [sum, squares] = [0, 0];
    for (let i = 0; i < n; i++) {
      const u = randomUniform(1, 2, i);
      expect(u >= 0 && u < 1).toBe(true);
      cells[Math.floor(u * 16)]++;
      sum += u;
      squares += (u - 0.5) ** 2;
    }
    expect(Math.abs(sum / n - 0.5)).toBeLessThan(4 / Math.sqrt(12 * n));
    expect(Math.abs(squares / n - 1 / 12)).toBeLessThan(0.002);
    const chiSquare = cells.reduce((total, count) => total + (count - n / 16) ** 2 / (n / 16), 0);
    expect(chiSquare).toBeLessThan(37.7); // 15 degrees of freedom, p = 0.001
  });
});

describe('randomNormals', () => {
  it('has the moments of a standard normal', () => {
    const x = new Float64Array(100_000);
    randomNormals(x, 3, 4);
    const moment = (k: number) => x.reduce((total, value) => total + value ** k, 0) / x.length;
    expect(Math.abs(moment(1))).toBeLessThan(0.0127); // four standard errors
    expect(Math.abs(moment(2) - 1)).toBeLessThan(0.018);
    expect(Math.abs(moment(3))).toBeLessThan(0.05);
    expect(Math.abs(moment(4) - 3)).toBeLessThan(0.13);
  });

  it('does not depend on how the stream is cut', () => {
    const whole = new Float64Array(11);
    randomNormals(whole, 9, 1);
    const tail = new Float64Array(7);
    randomNormals(tail, 9, 1, 4);
    expect([...tail]).toEqual([...whole.subarray(4)]);
  });
});

describe('randomSigns', () => {
  it('reads the bits of the blocks, lowest first, −1 for a set bit', () => {
    const signs = new Int8Array(256);
    randomSigns(signs, 5, 7);
    signs.forEach((sign, i) => {
      const word = randomUint32(5, 7, Math.floor(i / 32));
      expect(sign).toBe((word >>> (i % 32)) & 1 ? -1 : 1);
    });
    const tail = new Int8Array(100);
    randomSigns(tail, 5, 7, 131);
    expect([...tail]).toEqual([...signs.subarray(131, 231)]);
  });

  it('are fair and uncorrelated, within and between streams', () => {
    const n = 2 ** 16;
    const [a, b] = [new Int8Array(n), new Int8Array(n)];
    randomSigns(a, 1, 2);
    randomSigns(b, 1, 3);
    const bound = 4 / Math.sqrt(n); // four standard errors
    const mean = (f: (i: number) => number) => Math.abs(a.reduce((sum, _, i) => sum + f(i), 0) / n);
    expect(mean((i) => a[i])).toBeLessThan(bound);
    expect(mean((i) => a[i] * b[i])).toBeLessThan(bound);
    expect(mean((i) => a[i] * a[(i + 1) % n])).toBeLessThan(bound);
    expect(mean((i) => a[i] * a[(i + 128) % n])).toBeLessThan(bound);
  });
});

describe('randomPermutation', () => {
  it('is a permutation, equal for equal seeds, other for other streams', () => {
    const a = randomPermutation(1000, 5, 6);
    expect([...a].sort((x, y) => x - y)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    expect(randomPermutation(1000, 5, 6)).toEqual(a);
    expect(randomPermutation(1000, 5, 7)).not.toEqual(a);
    expect(randomPermutation(0, 5, 6)).toHaveLength(0);
  });

  it('gives each of the 6 orders of 3 about equally often', () => {
    const counts = new Map<string, number>();
    for (let seed = 0; seed < 6000; seed++) {
      const order = randomPermutation(3, seed, 0).join();
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(120);
  });
});

describe('streamOf', () => {
  it('is the first 48 bits of the SHA-256 of the name', () => {
    expect(streamOf('')).toBe(0xe3b0c44298fc);
    expect(streamOf('a')).not.toBe(streamOf('b'));
  });
});
