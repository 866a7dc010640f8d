import { describe, expect, it } from 'vitest';
import { areaUnderCurve, pairedDifference, spearman, summarize } from '../../lib/evaluate/statistics.ts';

describe('summarize', () => {
  it('has the n − 1 standard deviation', () => {
    const { mean, standardDeviation, count } = summarize(Float64Array.of(2, 4, 4, 4, 5, 5, 7, 9));
    expect({ mean, count }).toEqual({ mean: 5, count: 8 });
    expect(standardDeviation).toBeCloseTo(Math.sqrt(32 / 7), 14);
  });

  it('gives a single value no spread', () => {
    expect(summarize([3])).toEqual({ mean: 3, standardDeviation: NaN, count: 1 });
  });

  it('names the value that is not finite', () => {
    expect(() => summarize([1, NaN])).toThrow('values[1]: expected a finite number, got NaN');
    expect(() => summarize([])).toThrow('values: expected at least one value');
  });
});

describe('pairedDifference', () => {
  it('cancels what the pairs share', () => {
    const { differences, mean, standardDeviation } = pairedDifference([10.5, 20.25, 30.75], [10, 20, 30]);
    expect(Array.from(differences)).toEqual([0.5, 0.25, 0.75]);
    expect(mean).toBe(0.5);
    expect(standardDeviation).toBe(0.25);
  });

  it('asks for equally many values', () => {
    expect(() => pairedDifference([1, 2], [1])).toThrow('b: expected 2 values');
  });
});

describe('areaUnderCurve', () => {
  it.each([
    ['perfect', [3, 4], [1, 2], 1],
    ['inverted', [1, 2], [3, 4], 0],
    ['all tied', [1, 1, 1], [1, 1], 0.5],
    // Pairs: (1,1) ties, (1,2) loses, (3,1) and (3,2) win.
    ['one tie', [1, 3], [1, 2], 2.5 / 4],
    ['scikit-learn’s example', [0.35, 0.8], [0.1, 0.4], 0.75],
  ])('%s', (_, positives, negatives, expected) => {
    expect(areaUnderCurve(positives, negatives)).toBe(expected);
  });

  it('agrees with counting pairs', () => {
    const draw = (n: number, step: number) => Array.from({ length: n }, (_, i) => (i * step) % 13);
    const [positives, negatives] = [draw(40, 5), draw(29, 7)];
    let wins = 0;
    for (const p of positives) for (const n of negatives) wins += p > n ? 1 : p === n ? 0.5 : 0;
    expect(areaUnderCurve(positives, negatives)).toBeCloseTo(wins / (40 * 29), 14);
  });
});

describe('spearman', () => {
  it.each([
    ['any increasing relation', [1, 2, 3, 4], [1, 8, 27, 64], 1],
    ['any decreasing relation', [1, 2, 3, 4], [4, 3, 2, 1], -1],
    // 1 − 6·Σd²/(n(n² − 1)) with d = (−1, 1, 0, −1, 1)
    ['a textbook case', [1, 2, 3, 4, 5], [2, 1, 3, 5, 4], 0.8],
    // Mid-ranks 1.5, 1.5, 3 against 1, 2, 3: 1.5 / √(1.5 · 2)
    ['ties share their mean rank', [7, 7, 9], [1, 2, 3], 1.5 / Math.sqrt(3)],
  ])('%s', (_, a, b, expected) => {
    expect(spearman(a, b)).toBeCloseTo(expected, 14);
  });

  it('is undefined for a constant', () => {
    expect(spearman([1, 1, 1], [1, 2, 3])).toBeNaN();
  });
});
