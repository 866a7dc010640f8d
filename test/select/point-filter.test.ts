import { describe, expect, it } from 'vitest';
import { splitOf } from '../../lib/data/splits.ts';
import { randomUniforms } from '../../lib/random.ts';
import { PointFilter } from '../../lib/select/point-filter.ts';
import { bestOfWindows } from '../../lib/select/batch-windows.ts';
import { acceptProbability } from '../../lib/weight/accept.ts';

const uniforms = (n: number, stream: number) =>
  randomUniforms(
    9,
    stream,
    Uint32Array.from({ length: n }, (_, i) => i),
  );

describe('PointFilter', () => {
  it.each([
    [4, 1],
    [32, 16],
    [256, 25],
    [10, 10],
  ])('keeps K of B rows on average (B %i, K %i)', (batch, keep) => {
    const reference = uniforms(10_000, 0);
    const filter = new PointFilter({ reference, batch, keep });
    // Over the reference itself, the probabilities are a midpoint rule for ∫ P(p) dp = K / B.
    const expected = reference.reduce((sum, score) => sum + filter.probability(score), 0) / reference.length;
    expect(expected).toBeCloseTo(keep / batch, 4);
    const scores = uniforms(20_000, 1);
    const ids = Uint32Array.from(scores.keys());
    const share = filter.places(ids, scores).length / scores.length;
    expect(Math.abs(share - keep / batch)).toBeLessThan(0.02);
  });

  it('takes the quantile of the reference, equal scores counting half', () => {
    const filter = new PointFilter({ reference: [3, 1, 2, 2], batch: 8, keep: 3 });
    expect([0, 1, 1.5, 2, 2.5, 3, 4].map((score) => filter.quantile(score))).toEqual([
      0, 0.125, 0.25, 0.5, 0.75, 0.875, 1,
    ]);
    expect(filter.probability(2)).toBe(acceptProbability(0.5, { batch: 8, keep: 3 }));
    expect(filter.probability(9)).toBe(1);
  });

  it('agrees with choosing the K best of random batches', () => {
    const [batch, keep, rounds] = [8, 3, 4000];
    const reference = uniforms(500, 2);
    const filter = new PointFilter({ reference, batch, keep });
    const score = reference.toSorted()[350];
    const others = uniforms(rounds * (batch - 1), 3);
    let kept = 0;
    for (let round = 0; round < rounds; round++) {
      const rivals = others.subarray(round * (batch - 1), (round + 1) * (batch - 1));
      if (rivals.filter((u) => reference[Math.floor(u * 500)] > score).length < keep) kept++;
    }
    expect(Math.abs(kept / rounds - filter.probability(score))).toBeLessThan(0.03);
  });

  it('decides by seed, id and score alone', () => {
    const reference = uniforms(300, 4);
    const make = (seed: number) => new PointFilter({ reference, batch: 16, keep: 8, seed });
    const ids = Uint32Array.from({ length: 300 }, (_, i) => 7 * i);
    const whole = Array.from(make(1).places(ids, reference), (place) => ids[place]);
    // In two parts, the second first, by another object.
    const half = (begin: number, end: number) => {
      const part = ids.subarray(begin, end);
      return Array.from(make(1).places(part, reference.subarray(begin, end)), (place) => part[place]);
    };
    const second = half(120, 300);
    expect([...half(0, 120), ...second]).toEqual(whole);
    expect(Array.from(make(2).places(ids, reference), (place) => ids[place])).not.toEqual(whole);
  });

  it('takes names of rows, whose draws have nothing to do with those of their splits', () => {
    const reference = uniforms(4000, 6);
    const filter = new PointFilter({ reference, batch: 8, keep: 4, seed: 1 });
    const ids = Array.from(reference, (_, i) => `doc-${i}`);
    const kept = new Set(filter.places(ids, reference));
    expect(Math.abs(kept.size / ids.length - 0.5)).toBeLessThan(0.03);
    const again = new PointFilter({ reference, batch: 8, keep: 4, seed: 1 });
    expect(ids.map((id, i) => again.keeps(id, reference[i]))).toEqual(ids.map((_, i) => kept.has(i)));
    const other = new PointFilter({ reference, batch: 8, keep: 4, seed: 2 }).places(ids, reference);
    expect(new Set(other)).not.toEqual(kept);
    const fractions = { train: 0.5, proxy: 0, target: 0, validation: 0.5 };
    const train = ids.flatMap((id, i) => (splitOf(id, 1, fractions) === 'train' ? [kept.has(i)] : []));
    expect(Math.abs(train.filter(Boolean).length / train.length - 0.5)).toBeLessThan(0.05);
  });

  it('says what is wrong', () => {
    expect(() => new PointFilter({ reference: [], batch: 2, keep: 1 })).toThrow(
      'reference: expected at least one score',
    );
    expect(() => new PointFilter({ reference: [1, NaN], batch: 2, keep: 1 })).toThrow('reference[1]');
    expect(() => new PointFilter({ reference: [1], batch: 2, keep: 3 })).toThrow('keep: expected an integer in [1, 2]');
    expect(() => new PointFilter({ reference: [1], batch: 2, keep: 1 }).keeps(0, Infinity)).toThrow('score');
  });
});

describe('bestOfWindows', () => {
  it('keeps the best of each window, in training order', () => {
    const scores = uniforms(103, 5);
    const order = bestOfWindows(scores, { candidates: 1, keep: 1, seed: 3 });
    const kept = bestOfWindows(scores, { candidates: 10, keep: 4, seed: 3 });
    expect(new Set(order).size).toBe(103);
    expect(kept).toHaveLength(10 * 4 + 1);
    for (let window = 0; window < 10; window++) {
      const members = Array.from(order.subarray(10 * window, 10 * (window + 1)));
      const best = members.toSorted((a, b) => scores[b] - scores[a]).slice(0, 4);
      const mine = members.filter((place) => best.includes(place));
      expect(Array.from(kept.subarray(4 * window, 4 * (window + 1)))).toEqual(mine);
    }
  });
});
