import { describe, expect, it } from 'vitest';
import { randomNormals } from '../../lib/random.ts';
import { greedyBatch } from '../../lib/select/greedy-batch.ts';

const normals = (count: number, seed: number) => {
  const values = new Float64Array(count);
  randomNormals(values, seed, 0);
  return values;
};

/** Candidates with random gradients of `size` numbers. */
function candidates(n: number, size: number, seed: number) {
  const gradients = Array.from({ length: n }, (_, i) => normals(size, seed + i));
  const target = normals(size, seed + n);
  const inner = (a: Float64Array, b: Float64Array) => a.reduce((sum, x, k) => sum + x * b[k], 0);
  return {
    dots: gradients.map((g) => inner(g, target)),
    gram: gradients.flatMap((a) => gradients.map((b) => inner(a, b))),
  };
}

describe('greedyBatch', () => {
  it('chooses by hand-computed gains', () => {
    // Candidates 0 and 1 are the same sample twice, 2 is weaker but orthogonal to them.
    const dots = [1, 1, 0.6];
    const gram = [1, 1, 0, 1, 1, 0, 0, 0, 1];
    const { places, gains } = greedyBatch({ dots, gram, lr: 0.5, count: 3 });
    expect(Array.from(places)).toEqual([0, 2, 1]);
    expect(Array.from(gains)).toEqual([0.5, 0.3, 0.25]); // 0.5·1, 0.5·0.6, 0.5·1 − 0.25·1
  });

  it('is the order of the dot products as the learning rate goes to 0', () => {
    const { dots, gram } = candidates(20, 5, 3);
    const { places } = greedyBatch({ dots, gram, lr: 1e-9, count: 20 });
    expect(Array.from(places)).toEqual(Array.from(dots.keys()).sort((a, b) => dots[b] - dots[a]));
  });

  it('takes the largest gain at every step, as the formula gives it', () => {
    const n = 12;
    const lr = 0.3;
    const { dots, gram } = candidates(n, 6, 11);
    const { places, gains } = greedyBatch({ dots, gram, lr, count: 8 });
    const chosen: number[] = [];
    places.forEach((place, k) => {
      const gain = (i: number) => lr * dots[i] - lr * lr * chosen.reduce((sum, j) => sum + gram[i * n + j], 0);
      const left = Array.from(dots.keys()).filter((i) => !chosen.includes(i));
      expect(gain(place)).toBeCloseTo(Math.max(...left.map(gain)), 12);
      expect(gains[k]).toBeCloseTo(gain(place), 12);
      chosen.push(place);
    });
    expect(new Set(places).size).toBe(8);
  });

  it.each([
    ['gram: expected 4 values', { dots: [1, 2], gram: [1], lr: 1, count: 1 }],
    ['count: expected an integer in [1, 2], got 3', { dots: [1, 2], gram: [1, 0, 0, 1], lr: 1, count: 3 }],
    ['dots[1]: expected a finite number, got NaN', { dots: [1, NaN], gram: [1, 0, 0, 1], lr: 1, count: 1 }],
  ])('%s', (message, options) => {
    expect(() => greedyBatch(options)).toThrow(message);
  });
});
