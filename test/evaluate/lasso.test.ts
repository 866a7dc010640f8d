import { describe, expect, it } from 'vitest';
import { crossValidatedLasso, lassoPath } from '../../lib/evaluate/lasso.ts';
import { leastSquares, meanProduct, standardize } from '../../lib/evaluate/least-squares.ts';
import { randomNormals } from '../../lib/random.ts';
import { regressionCase } from '../support/regression-case.ts';

const small = regressionCase();
const inputs = standardize(small.columns).columns;
const [target] = standardize([small.y]).columns;

/** Columns that share a common part, so that coordinate descent has to work. */
function correlated(n: number, p: number, share: number) {
  const noise = (stream: number) => {
    const values = new Float64Array(n);
    randomNormals(values, 3, stream);
    return values;
  };
  const common = noise(99);
  const columns = Array.from({ length: p }, (_, j) => noise(j).map((x, i) => (1 - share) * x + share * common[i]));
  const y = noise(100).map((x, i) => columns[0][i] - 2 * columns[1][i] + 0.5 * x);
  return { columns, y };
}

describe('lassoPath', () => {
  it('shrinks the correlations where columns are orthogonal', () => {
    const columns = [
      [1, 1, -1, -1],
      [1, -1, 1, -1],
      [1, -1, -1, 1],
    ].map((column) => Float64Array.from(column));
    const y = Float64Array.of(3, 1, -1.5, -2.5); // products 2, 0.75, 0.25
    const [strict, loose, none] = lassoPath(columns, y, { lambdas: [1, 0.5, 0] });
    expect([...strict.coefficients]).toEqual([1, 0, 0]);
    expect([...loose.coefficients]).toEqual([1.5, 0.25, 0]);
    expect([...none.coefficients]).toEqual([2, 0.75, 0.25]);
  });

  it('is the least-squares fit without a penalty', () => {
    const [{ coefficients }] = lassoPath(inputs, target, { lambdas: [0], tolerance: 1e-13 });
    leastSquares(inputs, target).coefficients.forEach((x, j) => expect(coefficients[j]).toBeCloseTo(x!, 10));
  });

  it('agrees with an exact solution found by going through all sign patterns', () => {
    // By solving the optimality conditions for each of the 3⁴ patterns with numpy.
    const expected = [
      [0.5, [0.24320288061000597, 0, -0.238073552892652, 0]],
      [0.2, [0.41104211195164275, 0, -0.4059127842342886, 0]],
      [0.05, [0.48678939982434694, 0, -0.5150356700839264, 0.09146494980064346]],
      [0.01, [0.5047281041479954, 0, -0.5511066595120093, 0.14115600096905329]],
    ] as const;
    const path = lassoPath(inputs, target, { lambdas: expected.map(([lambda]) => lambda), tolerance: 1e-12 });
    path.forEach(({ coefficients }, i) => coefficients.forEach((x, j) => expect(x).toBeCloseTo(expected[i][1][j], 10)));
  });

  it.each([0.5, 0.9, 0.99, 0.999])(
    'meets the optimality conditions with columns that share %d of themselves',
    (share) => {
      const { columns, y } = correlated(200, 12, share);
      const x = standardize(columns).columns;
      const [t] = standardize([y]).columns;
      for (const { lambda, coefficients } of lassoPath(x, t, { lambdas: [0.3, 0.1, 0.03, 0.001] })) {
        const residual = t.map((value, i) => coefficients.reduce((r, b, j) => r - b * x[j][i], value));
        x.forEach((column, j) => {
          const g = meanProduct(column, residual);
          if (coefficients[j] === 0) expect(Math.abs(g)).toBeLessThanOrEqual(lambda + 1e-8);
          else expect(g).toBeCloseTo(lambda * Math.sign(coefficients[j]), 8);
        });
      }
    },
  );
});

describe('crossValidatedLasso', () => {
  it('finds the columns that matter and predicts with them', () => {
    const { columns, y } = correlated(300, 10, 0.3);
    const { path, best, oneStandardError, folds } = crossValidatedLasso(columns, y);
    expect(folds).toBe(10);
    expect(path).toHaveLength(100);
    expect([...path[0].coefficients].every((x) => x === 0)).toBe(true);
    expect(path[0].error).toBeGreaterThan(0.9);
    expect(oneStandardError).toBeLessThan(best);
    const chosen = path[oneStandardError];
    expect(chosen.error).toBeLessThanOrEqual(path[best].error + path[best].standardError);
    expect(path[oneStandardError - 1].error).toBeGreaterThan(path[best].error + path[best].standardError);
    expect(chosen.error).toBeLessThan(0.2);
    expect(chosen.coefficients[0]).toBeGreaterThan(0.2);
    expect(chosen.coefficients[1]).toBeLessThan(-0.5);
    expect([...chosen.coefficients].slice(2).every((x) => Math.abs(x) < 0.1)).toBe(true);
  });

  it('chooses nothing where there is nothing to find', () => {
    const { columns, y } = correlated(200, 6, 0);
    const noise = crossValidatedLasso(
      columns.slice(2),
      y.map((_, i) => Math.sin(i * i)),
      { seed: 5 },
    );
    expect([...noise.path[noise.oneStandardError].coefficients]).toEqual([0, 0, 0, 0]);
  });

  it('gives the same for the same seed, and other folds for another', () => {
    const { columns, y } = correlated(60, 4, 0.3);
    const first = crossValidatedLasso(columns, y, { folds: 5, seed: 1 });
    expect(crossValidatedLasso(columns, y, { folds: 5, seed: 1 })).toEqual(first);
    expect(crossValidatedLasso(columns, y, { folds: 5, seed: 2 }).path[50].error).not.toBe(first.path[50].error);
  });

  it('stays finite with a column that varies in one observation only', () => {
    const { columns, y } = correlated(30, 3, 0.3);
    const rare = y.map((_, i) => Number(i === 7));
    const { path } = crossValidatedLasso([...columns, rare, new Float64Array(30)], y, { folds: 30 });
    for (const { error, standardError, coefficients } of path) {
      expect([error, standardError, ...coefficients].every(Number.isFinite)).toBe(true);
      expect(coefficients[4]).toBe(0);
    }
  });

  it('needs as many observations as folds, and a y that varies', () => {
    expect(() => crossValidatedLasso([[1, 2]], [1, 2], { folds: 3 })).toThrow('folds: expected an integer in [2, 2]');
    expect(() => crossValidatedLasso([[1, 2, 3]], [4, 4, 4], { folds: 3 })).toThrow('y: expected values that differ');
  });
});
