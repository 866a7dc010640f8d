import { describe, expect, it } from 'vitest';
import { areaWithError } from '../../lib/evaluate/roc.ts';
import { areaUnderCurve } from '../../lib/evaluate/statistics.ts';
import { randomNormals, randomUniform } from '../../lib/random.ts';

function normals(count: number, stream: number, shift: number): Float64Array {
  const values = new Float64Array(count);
  randomNormals(values, 3, stream);
  return values.map((x) => x + shift);
}

describe('the area under a curve with its error', () => {
  it('is the share of won comparisons, ties counting half', () => {
    const positives = [3, 1, 2, 2];
    const negatives = [2, 0, 3, 1, 1];
    const won = positives.flatMap((x) => negatives.map((y) => (x > y ? 1 : x === y ? 0.5 : 0)));
    expect(areaWithError(positives, negatives).area).toBeCloseTo(
      won.reduce<number>((a, b) => a + b, 0) / won.length,
      15,
    );
    const [x, y] = [normals(300, 1, 0.7), normals(200, 2, 0)];
    expect(areaWithError(x, y).area).toBeCloseTo(areaUnderCurve(x, y), 12);
  });

  it('has the error that resampling both sides gives', () => {
    const [x, y] = [normals(400, 4, 0.7), normals(150, 5, 0)];
    let drawn = 0;
    const resample = (values: Float64Array): Float64Array =>
      values.map(() => values[Math.floor(randomUniform(11, 0, drawn++) * values.length)]);
    const areas = Array.from({ length: 400 }, () => areaUnderCurve(resample(x), resample(y)));
    const center = areas.reduce((sum, area) => sum + area, 0) / areas.length;
    const deviation = Math.sqrt(areas.reduce((sum, area) => sum + (area - center) ** 2, 0) / (areas.length - 1));
    const { standardError } = areaWithError(x, y);
    // The deviation of 400 resamples is itself known to 3.5%.
    expect(Math.abs(standardError / deviation - 1)).toBeLessThan(0.12);
  });

  it('says nothing about its error for a single value, and refuses none or one that is not finite', () => {
    expect(areaWithError([2], [1, 3])).toEqual({ area: 0.5, standardError: NaN });
    expect(areaWithError([2, 4], [1, 1])).toEqual({ area: 1, standardError: 0 });
    expect(() => areaWithError([], [1])).toThrow(/positives: expected at least one value/);
    expect(() => areaWithError([1], [1, NaN])).toThrow(/negatives\[1\]: expected a finite number/);
  });
});
