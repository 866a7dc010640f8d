import { expect, test } from 'vitest';
import { proportionalWeights, uniformWeights } from '../../lib/mix/baselines.ts';
import { randomMixtures, regressionMixture } from '../../lib/mix/regression.ts';

const dot = (w: readonly number[], t: readonly number[]) => w.reduce((sum, x, d) => sum + x * t[d], 0);

test('random mixtures are uniform over all mixtures, and each its own function of the seed', () => {
  const drawn = randomMixtures({ domains: 3, count: 20_000, seed: 4 });
  const sums = drawn.map((w) => w.reduce((sum, x) => sum + x, 0));
  expect(Math.max(...sums.map((sum) => Math.abs(sum - 1)))).toBeLessThan(1e-12);
  const first = drawn.map(([w]) => w);
  const mean = first.reduce((sum, w) => sum + w, 0) / first.length;
  const second = first.reduce((sum, w) => sum + w * w, 0) / first.length;
  // A weight of Dirichlet(1, 1, 1) is Beta(1, 2): mean 1/3, mean square 1/6.
  expect(mean).toBeCloseTo(1 / 3, 2);
  expect(second).toBeCloseTo(1 / 6, 2);
  expect(randomMixtures({ domains: 3, count: 5, seed: 4 })).toEqual(drawn.slice(0, 5));
  expect(randomMixtures({ domains: 3, count: 5, seed: 5 })).not.toEqual(drawn.slice(0, 5));
});

test.each(['linear', 'log-linear'] as const)('%s losses are explained, and the cheap domain is preferred', (form) => {
  const slopes = [2, 1, 1.5, 1.8];
  const weights = randomMixtures({ domains: 4, count: 30, seed: 1 });
  const losses = weights.map((w) => (form === 'linear' ? dot(w, slopes) : Math.exp(dot(w, slopes))));
  const found = regressionMixture({ weights, losses, form, candidates: 5000, top: 20 });
  expect(found.r2).toBeCloseTo(1, 12);
  const truth = dot(found.weights, slopes);
  expect(found.predicted).toBeCloseTo(form === 'linear' ? truth : Math.exp(truth), 8);
  expect(found.weights[1]).toBeGreaterThan(0.85);
  expect(found.weights.reduce((sum, x) => sum + x, 0)).toBeCloseTo(1, 12);
  expect(regressionMixture({ weights, losses, form, candidates: 5000, top: 20 })).toEqual(found);
});

test('more noise explains less', () => {
  const weights = randomMixtures({ domains: 3, count: 40, seed: 2 });
  const noise = randomMixtures({ domains: 2, count: 40, seed: 3 }).map(([u]) => u - 0.5);
  const r2 = (size: number) =>
    regressionMixture({
      weights,
      losses: weights.map((w, i) => 3 + dot(w, [0.5, 0.2, 0.1]) + size * noise[i]),
      candidates: 100,
      top: 10,
    }).adjustedR2!;
  expect(r2(0.1)).toBeLessThan(r2(0.01));
});

test.each([
  [
    [
      [0.5, 0.6],
      [1, 0],
    ],
    [1, 2],
    /weights\[0\]: expected weights >= 0 that sum to 1/,
  ],
  [[[0.5, 0.5], [1]], [1, 2], /weights\[1\]: expected 2 values/],
  [
    [
      [0.5, 0.5],
      [1, 0],
    ],
    [1, -2],
    /losses\[1\]: expected a loss > 0/,
  ],
  [
    [
      [0.5, 0.5],
      [1, 0],
    ],
    [1],
    /losses: expected 2 values/,
  ],
  [[[1, 0]], [1], /weights\.length/],
])('refused: %j', (weights, losses, message) => {
  expect(() => regressionMixture({ weights, losses })).toThrow(message);
});

test('baselines', () => {
  expect(uniformWeights(4)).toEqual([0.25, 0.25, 0.25, 0.25]);
  expect(proportionalWeights([1, 3, 0])).toEqual([0.25, 0.75, 0]);
  expect(() => proportionalWeights([0, 0])).toThrow(/sizes: expected a domain that is not empty/);
  expect(() => uniformWeights(0)).toThrow(/domains/);
});
