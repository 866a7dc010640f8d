import { describe, expect, test } from 'vitest';
import { randomNormals, streamOf } from '../../lib/random.ts';
import { softmaxWeights, softmaxWeightsBackward } from '../../lib/weight/softmax.ts';
import { orderFixture } from '../order/forms.ts';

const { input, expected } = orderFixture();
const normals = (n: number, seed: number): Float64Array => {
  const out = new Float64Array(n);
  randomNormals(out, seed, streamOf('softmax'));
  return out;
};
const sum = (values: ArrayLike<number>): number => Array.from(values).reduce((a, b) => a + b, 0);

describe('fixture', () => {
  test.each(input.softmax)('$name', ({ name, scores, tau, d_weights }) => {
    const { weights, d_scores } = expected.softmax[name];
    const actual = softmaxWeights(Float64Array.from(scores), { temperature: tau });
    // exp multiplies the rounding of its argument by the argument: at most 1e4 / tau here where the result is not 0.
    weights.forEach((weight, i) => expect(Math.abs(actual[i] - weight)).toBeLessThanOrEqual(2e-13 * weight));
    const gradients = softmaxWeightsBackward(actual, Float64Array.from(d_weights), { temperature: tau });
    const scale = Math.max(...d_weights.map(Math.abs)) / tau;
    d_scores.forEach((d, i) =>
      expect(Math.abs(gradients[i] - d)).toBeLessThanOrEqual(1e-15 * scale + 2e-13 * Math.abs(d)),
    );
  });
});

test('weights sum to 1 for any finite scores', () => {
  const cases = [
    normals(100_000, 1),
    normals(1000, 2).map((x) => x * 1e4),
    Float64Array.of(1e4, -1e4, 1e4),
    Float64Array.of(-1e308, 1e308),
  ];
  for (const scores of cases) expect(Math.abs(sum(softmaxWeights(scores)) - 1)).toBeLessThan(1e-12);
  expect([...softmaxWeights(Float32Array.of(-1e4, -1e4))]).toEqual([0.5, 0.5]);
});

test('adding a constant to all scores changes nothing', () => {
  const scores = Float64Array.of(1, 2, 4, -8);
  expect(softmaxWeights(scores.map((s) => s + 1024))).toEqual(softmaxWeights(scores));
});

test('groups are softmaxes of their own, whatever their ids and order', () => {
  const scores = Float32Array.of(1, 5, 2, -3, 0.5);
  const groups = Int32Array.of(7, -2, 7, -2, 7);
  const weights = softmaxWeights(scores, { temperature: 0.7, groups });
  const gradient = normals(5, 3);
  const back = softmaxWeightsBackward(weights, gradient, { temperature: 0.7, groups });
  for (const rows of [
    [0, 2, 4],
    [1, 3],
  ]) {
    const own = softmaxWeights(
      Float32Array.from(rows, (i) => scores[i]),
      { temperature: 0.7 },
    );
    const ownGradient = softmaxWeightsBackward(
      own,
      Float64Array.from(rows, (i) => gradient[i]),
      { temperature: 0.7 },
    );
    rows.forEach((row, i) => {
      expect(weights[row]).toBe(own[i]);
      expect(back[row]).toBe(ownGradient[i]);
    });
  }
});

test.each([undefined, Int32Array.of(0, 1, 0, 1, 1, 0)])('backward is the derivative (groups %o)', (groups) => {
  const scores = normals(6, 4);
  const gradient = normals(6, 5);
  const options = { temperature: 0.5, groups };
  const objective = (s: Float64Array) => sum(softmaxWeights(s, options).map((w, i) => w * gradient[i]));
  const exact = softmaxWeightsBackward(softmaxWeights(scores, options), gradient, options);
  const step = 1e-5;
  exact.forEach((derivative, i) => {
    const moved = (by: number) => objective(scores.map((s, j) => (j === i ? s + by : s)));
    expect(Math.abs((moved(step) - moved(-step)) / (2 * step) - derivative)).toBeLessThan(1e-8);
  });
});

describe('arguments', () => {
  test.each([NaN, Infinity, -Infinity])('a score of %d is named by index', (bad) => {
    expect(() => softmaxWeights(Float64Array.of(0, bad))).toThrow('scores[1]: expected a finite number');
  });
  test.each([0, -1, NaN, Infinity])('temperature %d is refused', (temperature) => {
    expect(() => softmaxWeights(Float64Array.of(1), { temperature })).toThrow('temperature');
    expect(() => softmaxWeightsBackward([1], [1], { temperature })).toThrow('temperature');
  });
  test('lengths and types are checked', () => {
    expect(() => softmaxWeights([1] as unknown as Float32Array)).toThrow('scores: expected a Float32Array');
    expect(() => softmaxWeights(Float64Array.of(1), { groups: new Int32Array(2) })).toThrow(
      'groups: expected 1 values',
    );
    expect(() => softmaxWeightsBackward([1, 2], [1])).toThrow('weightGradients: expected 2 values');
  });
  test('no scores, no weights', () => {
    expect(softmaxWeights(new Float32Array(0))).toEqual(new Float64Array(0));
  });
});
