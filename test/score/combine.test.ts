import { describe, expect, it } from 'vitest';
import { combineScores, type WeightedScores } from '../../lib/score/combine.ts';

const part = (name: string, weight: number, rows: number[], scores: number[]): WeightedScores => ({
  name,
  weight,
  rows: Uint32Array.from(rows),
  scores: Float64Array.from(scores),
});

describe('combineScores', () => {
  it('adds up standardised columns over the rows they share, by hand', () => {
    const { rows, scores } = combineScores([
      part('a', 1, [4, 2, 9, 7], [3, 1, 2, 50]), // over 2, 4, 9: mean 2, deviation 1
      part('b', -0.5, [2, 4, 9], [10, 20, 60]), // mean 30, deviation √700
    ]);
    expect(Array.from(rows)).toEqual([2, 4, 9]);
    const sd = Math.sqrt((20 ** 2 + 10 ** 2 + 30 ** 2) / 2);
    const expected = [-1 - 0.5 * (-20 / sd), 1 - 0.5 * (-10 / sd), 0 - 0.5 * (30 / sd)];
    scores.forEach((score, i) => expect(score).toBeCloseTo(expected[i], 12));
  });

  it('does not depend on the scale or the offset of a column', () => {
    const a = part('a', 1, [0, 1, 2, 3], [1, 5, 2, 8]);
    const b = part('b', 2, [0, 1, 2, 3], [0.3, 0.1, 0.2, 0.9]);
    const moved = { ...b, scores: b.scores.map((x) => 1000 * x - 7) };
    const [one, other] = [combineScores([a, b]).scores, combineScores([a, moved]).scores];
    one.forEach((score, i) => expect(other[i]).toBeCloseTo(score, 9));
  });

  it.each([
    ['parts: expected at least one column of scores', []],
    ['scores of a: expected values that differ, got 2; leave the column out', [part('a', 1, [0, 1], [2, 2])]],
    ['score of row 1 in a: expected a finite number, got Infinity', [part('a', 1, [0, 1], [2, Infinity])]],
    ['rows of a: expected each row once, got 1', [part('a', 1, [1, 1], [2, 3])]],
    ['weight of a: expected a finite number, got NaN', [part('a', NaN, [0, 1], [2, 3])]],
    ['rows: expected some that a, b all score, got "none"', [part('a', 1, [0], [1]), part('b', 1, [1], [1])]],
  ])('%s', (message, parts) => {
    expect(() => combineScores(parts)).toThrow(message);
  });
});
