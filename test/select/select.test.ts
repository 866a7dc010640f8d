import { describe, expect, test } from 'vitest';
import { aboveThreshold } from '../../lib/select/threshold.ts';
import { topK, topKAsync, topKKernel } from '../../lib/select/top-k.ts';
import { topRatio, topRatioAsync, topRatioKernel } from '../../lib/select/top-ratio.ts';
import { FILLS, describeForms, firstDifference, orderFixture, sortedByComparison } from '../order/forms.ts';

const { input, expected } = orderFixture();
const refused = expect.objectContaining({ code: 'INVALID_ARGUMENT' });

describeForms('selection', (run) => {
  test.each(input.arrays.filter(({ scores }) => scores.length > 0))('fixture $name', ({ name, scores }) => {
    const values = Float64Array.from(scores);
    for (const { k, indices } of expected.arrays[name].top_k) {
      if (indices) expect([...run(topKKernel(values, k))]).toEqual(indices);
      else expect(() => topKKernel(values, k)).toThrow(refused);
    }
    for (const { r, indices } of expected.arrays[name].top_r) {
      if (indices && r <= 1) expect([...run(topRatioKernel(values, r))]).toEqual(indices);
      else expect(() => topRatioKernel(values, r)).toThrow(refused);
    }
  });

  test.each(input.invalid)('fixture $name is an error that names the index', ({ scores }) => {
    const values = Float64Array.from(scores, Number);
    expect(() => run(topKKernel(values, 1))).toThrow(`scores[${scores.indexOf('NaN')}]`);
  });

  test.each(Object.entries(FILLS))('%s: the end of the stable order, ties at the cut included', (_, fill) => {
    for (const scores of [new Float32Array(140_001), new Float64Array(140_001)]) {
      fill(scores, 4);
      const sorted = Uint32Array.from(sortedByComparison(scores));
      for (const k of [1, 2, 1000, 23_456, 140_000, 140_001, 1e9]) {
        const end = sorted.subarray(-Math.min(k, scores.length));
        expect(firstDifference(run(topKKernel(scores, k)), end)).toBe(-1);
      }
    }
  });
});

test('of no scores no rows are selected', () => {
  const none = new Float32Array(0);
  expect([topK(none, 3), topRatio(none, 0.5), aboveThreshold(none, 0)].map((rows) => rows.length)).toEqual([0, 0, 0]);
});

test('a fractional k and the product r n are cut off, not rounded', () => {
  const scores = Float32Array.from({ length: 100 }, (_, i) => i);
  expect(topK(scores, 2.9)).toHaveLength(2);
  expect(topRatio(scores, 0.29)).toHaveLength(28);
});

test('asynchronous forms give the same and reject on abort', async () => {
  const scores = new Float32Array(200_000);
  FILLS.normal(scores, 2);
  expect(firstDifference(await topKAsync(scores, 777), topK(scores, 777))).toBe(-1);
  expect(firstDifference(await topRatioAsync(scores, 0.3), topRatio(scores, 0.3))).toBe(-1);
  const reason = new Error('enough');
  await expect(topKAsync(scores, 5, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  await expect(topRatioAsync(scores, 2)).rejects.toThrow(refused);
});

describe('arguments', () => {
  const scores = Float32Array.of(1, 2, 3);
  test.each([0, -2, 0.5, NaN, Infinity])('k = %d is refused', (k) => {
    expect(() => topK(scores, k)).toThrow('keeping nothing is not a selection');
  });
  test.each([0, -0.5, 1.7, NaN])('r = %d is refused', (r) => {
    expect(() => topRatio(scores, r)).toThrow('the ratio of rows to keep');
  });
  test('a ratio that keeps nothing says so', () => {
    expect(() => topRatio(scores, 0.3)).toThrow('r: expected a ratio that keeps something of 3 rows, got 0.3');
  });
});

describe('aboveThreshold', () => {
  test.each(input.arrays)('fixture $name', ({ name, scores }) => {
    for (const { threshold, indices } of expected.arrays[name].threshold) {
      expect([...aboveThreshold(Float64Array.from(scores), threshold)]).toEqual(indices);
    }
  });
  test('NaN is an error, as a score (named by index) and as the threshold', () => {
    expect(() => aboveThreshold(Float32Array.of(1, NaN), 0)).toThrow('scores[1]');
    expect(() => aboveThreshold(Float32Array.of(1), NaN)).toThrow('threshold');
  });
});
