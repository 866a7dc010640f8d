import { describe, expect, it } from 'vitest';
import { leastSquares, standardize } from '../../lib/evaluate/least-squares.ts';
import { regressionCase } from '../support/regression-case.ts';

const { columns, y } = regressionCase();
const [target] = standardize([y]).columns;
const near = (values: readonly (number | null)[], expected: number[]) =>
  values.forEach((value, i) => expect(value).toBeCloseTo(expected[i], 12));

describe('standardize', () => {
  it('gives mean 0 and mean square 1, and zeros for a column that varies by rounding alone', () => {
    const {
      columns: out,
      means,
      deviations,
    } = standardize([
      [1, 2, 3, 6],
      [0.1 + 0.2, 0.3, 0.3, 0.3],
    ]);
    expect(means[0]).toBe(3);
    expect(deviations).toEqual([Math.sqrt(3.5), 0]);
    expect(out[0].reduce((sum, x) => sum + x * x, 0)).toBeCloseTo(4, 12);
    expect([...out[1]]).toEqual([0, 0, 0, 0]);
  });

  it('names a value that is not finite', () => {
    expect(() =>
      standardize([
        [1, 2],
        [3, NaN],
      ]),
    ).toThrow('columns[1][1]: expected a finite number');
  });
});

describe('leastSquares', () => {
  it('agrees with numpy', () => {
    const fit = leastSquares(standardize(columns).columns, target);
    // numpy.linalg.lstsq on the same columns
    near(fit.coefficients, [0.5168149246402614, -0.015220551120151804, -0.5604374771777162, 0.15441444431898485]);
    near(fit.standardErrors, [0.038154851494253204, 0.02573020085872849, 0.0364101615733905, 0.022670334783633374]);
    near([fit.r2, fit.adjustedR2], [0.9907120443456029, 0.9887566852604667]);
    expect(fit.redundant).toEqual([]);
  });

  it('leaves out what others determine, and fits as well without it', () => {
    const sum = columns[0].map((x, i) => 3 - 2 * x + columns[2][i]);
    const constant = columns[0].map(() => 7);
    const data = standardize([columns[0], constant, columns[2], sum, columns[1], columns[3]]).columns;
    const fit = leastSquares(data, target);
    expect(fit.redundant).toEqual([3]);
    expect(fit.coefficients.map((x) => x === null)).toEqual([false, true, false, true, false, false]);
    expect(fit.r2).toBeCloseTo(0.9907120443456029, 12);
    expect(fit.adjustedR2).toBeCloseTo(0.9887566852604667, 12);
  });

  it('has no adjusted R² and no errors when there are as many columns as observations', () => {
    const few = columns.map((column) => column.slice(0, 4));
    const fit = leastSquares(standardize(few).columns, standardize([y.slice(0, 4)]).columns[0]);
    expect(fit.redundant).toEqual([3]); // three and the intercept are four already
    expect(fit.r2).toBeCloseTo(1, 12);
    expect([fit.adjustedR2, ...fit.standardErrors]).toEqual([null, null, null, null, null]);
  });

  it('explains nothing by columns that do not vary, and refuses a y that does not', () => {
    expect(leastSquares(standardize([[1, 1, 1]]).columns, Float64Array.of(1, 0, -1))).toMatchObject({
      coefficients: [null],
      r2: 0,
    });
    expect(() => leastSquares([], new Float64Array(3))).toThrow('y: expected values that differ');
  });
});
