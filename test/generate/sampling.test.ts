import { describe, expect, it } from 'vitest';
import { candidates, drawToken, resolveSampling } from '../../lib/generate/sampling.ts';
import { randomNormals, randomUniform } from '../../lib/random.ts';

const LOGITS = Float32Array.from([1, 3, 2, 0, 3]);

/** exp(x / t) / Σ exp(x / t), written out. */
function softmax(logits: ArrayLike<number>, temperature: number): number[] {
  const weights = Array.from(logits, (x) => Math.exp(x / temperature));
  const total = weights.reduce((sum, x) => sum + x, 0);
  return weights.map((x) => x / total);
}

describe('candidates', () => {
  it('are all tokens by probability, equal ones by id', () => {
    const found = candidates(LOGITS, resolveSampling({}));
    expect(found.map(({ id }) => id)).toEqual([1, 4, 2, 0, 3]);
    const expected = softmax(LOGITS, 1);
    for (const { id, probability } of found) expect(probability).toBeCloseTo(expected[id], 12);
  });

  it('temperature divides the logits, and 0 leaves the first of the largest', () => {
    const expected = softmax(LOGITS, 0.5);
    for (const { id, probability } of candidates(LOGITS, resolveSampling({ temperature: 0.5 })))
      expect(probability).toBeCloseTo(expected[id], 12);
    expect(candidates(LOGITS, resolveSampling({ temperature: 0 }))).toEqual([{ id: 1, probability: 1 }]);
  });

  it('topK keeps the k most probable and scales them up', () => {
    const found = candidates(LOGITS, resolveSampling({ topK: 3 }));
    expect(found.map(({ id }) => id)).toEqual([1, 4, 2]);
    expect(found.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1, 12);
    expect(found[0].probability / found[2].probability).toBeCloseTo(Math.E, 12);
  });

  it('topP keeps the fewest tokens that reach the probability', () => {
    const logits = new Float64Array(40);
    randomNormals(logits, 5, 0);
    const expected = softmax(logits, 1);
    for (const topP of [0.1, 0.5, 0.9, 1]) {
      const kept = candidates(logits, resolveSampling({ topP })).map(({ id }) => expected[id]);
      const sum = kept.reduce((total, x) => total + x, 0);
      expect(sum).toBeGreaterThanOrEqual(topP - 1e-12);
      expect(sum - kept.at(-1)!).toBeLessThan(topP);
      expect(kept.at(-1)).toBeGreaterThanOrEqual(Math.max(0, ...expected.filter((x) => !kept.includes(x))));
    }
  });

  it('topP is taken of what topK has left', () => {
    // Of 0.4, 0.3, 0.2, 0.1 the two first are 4/7 and 3/7: the first alone reaches a half.
    const logits = Float64Array.from([0.4, 0.3, 0.2, 0.1], Math.log);
    expect(candidates(logits, resolveSampling({ topK: 2, topP: 0.5 }))).toEqual([{ id: 0, probability: 1 }]);
    expect(candidates(logits, resolveSampling({ topP: 0.5 }))).toHaveLength(2);
  });

  it('wrong settings are refused by name', () => {
    expect(() => resolveSampling({ temperature: -1 })).toThrow('temperature: expected a finite number >= 0');
    expect(() => resolveSampling({ topK: 0 })).toThrow('topK: expected an integer >= 1');
    expect(() => resolveSampling({ topP: 0 })).toThrow('topP: expected a finite number > 0 and <= 1');
  });
});

describe('drawToken', () => {
  it('draws each token as often as its probability says', () => {
    const among = candidates(LOGITS, resolveSampling({}));
    const draws = 20_000;
    const counts = new Array<number>(LOGITS.length).fill(0);
    for (let i = 0; i < draws; i++) counts[drawToken(among, randomUniform(3, 0, i))]++;
    for (const { id, probability } of among) {
      const spread = Math.sqrt((probability * (1 - probability)) / draws);
      expect(Math.abs(counts[id] / draws - probability)).toBeLessThan(4 * spread);
    }
  });

  it('takes the last token where rounding leaves a gap', () => {
    expect(
      drawToken(
        [
          { id: 7, probability: 0.3 },
          { id: 2, probability: 0.6999 },
        ],
        0.99999,
      ),
    ).toBe(2);
  });
});
