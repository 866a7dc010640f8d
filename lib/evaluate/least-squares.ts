import { inverse, Matrix, QrDecomposition } from 'ml-matrix';
import { checkFiniteArray, checkInteger, checkLength, invalid } from '../check.ts';

/** Columns of observations with mean 0 and mean square 1, and what they were. */
export interface Standardized {
  /** One a column [n]. */
  columns: Float64Array[];
  means: number[];
  /** With denominator n. 0 marks a column that does not vary, whose standardised values are all 0. */
  deviations: number[];
}

/** Deviations below this share of a column's largest value are rounding. */
const ROUNDING = 1e-12;

/**
 * Columns of equal length, each brought to mean 0 and mean square 1.
 * @throws GradfoldError INVALID_DATA naming a value that is not finite.
 */
export function standardize(columns: readonly ArrayLike<number>[]): Standardized {
  const means: number[] = [];
  const deviations: number[] = [];
  const standardized = columns.map((column, j) => {
    checkLength(`columns[${j}]`, column, columns[0].length, 'as columns[0] has');
    checkFiniteArray(`columns[${j}]`, column);
    const values = Float64Array.from(column);
    const largest = values.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
    const square = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length;
    const deviation = Math.sqrt(square) > ROUNDING * largest ? Math.sqrt(square) : 0;
    means.push(mean);
    deviations.push(deviation);
    return values.map((x) => (deviation === 0 ? 0 : (x - mean) / deviation));
  });
  return { columns: standardized, means, deviations };
}

/** The dot product over the number of values: the correlation of two standardised columns. */
export function meanProduct(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum / a.length;
}

/** A regression on all of some columns at once. */
export interface LeastSquares {
  /** Of each column; null where it was left out. */
  coefficients: (number | null)[];
  /** Of each coefficient; null where the column was left out or nothing is left to estimate the noise from. */
  standardErrors: (number | null)[];
  /** Columns that are sums of multiples of those before them: the fit is the same without them. */
  redundant: number[];
  /** Share of the variance that the fit explains, on the data it was made from. */
  r2: number;
  /** The same less what as many columns of noise would explain; null with no more observations than columns + 1. */
  adjustedR2: number | null;
}

/** A column is redundant when those before it leave less than this share of its length. */
const REDUNDANT = 1e-7;

/**
 * Ordinary least squares of y on standardised columns, with an intercept, by Householder QR decompositions. Columns that
 * those before them explain, or that are all 0, are left out, as are columns for which there are no observations left.
 * @param columns as `standardize` gives them
 * @param y standardised
 * @throws GradfoldError for fewer than two observations, or a y that does not vary.
 */
export function leastSquares(columns: readonly Float64Array[], y: Float64Array): LeastSquares {
  const n = checkInteger('y.length', y.length, 2);
  if (!(meanProduct(y, y) > 0)) throw invalid('y', 'values that differ', y[0], { code: 'INVALID_DATA' });
  // The triangle of [columns, y] has all their products, and no more rows than columns.
  const triangle = triangleOf([...columns, y]);
  const target = triangle.pop()!;
  const { kept, redundant } = independentColumns(triangle, n);
  const { solution, inverse } =
    kept.length > 0
      ? solveIndependent(
          kept.map((j) => triangle[j]),
          target,
        )
      : NOTHING;
  const residual = target.reduce((sum, value, i) => {
    return sum + (value - kept.reduce((fit, j, k) => fit + solution[k] * triangle[j][i], 0)) ** 2;
  }, 0);
  const r2 = Math.min(1, Math.max(0, 1 - residual / (n * meanProduct(y, y))));
  const freedom = n - kept.length - 1;
  const errors = freedom > 0 ? inverse.map((x) => Math.sqrt((x * residual) / freedom)) : null;
  const spread = (values: readonly number[] | null) =>
    columns.map((_, j) => (values && kept.includes(j) ? values[kept.indexOf(j)] : null));
  return {
    coefficients: spread(solution),
    standardErrors: spread(errors),
    redundant,
    r2,
    adjustedR2: freedom > 0 ? 1 - ((1 - r2) * (n - 1)) / freedom : null,
  };
}

const NOTHING = { solution: [] as number[], inverse: [] as number[] };

/** The columns of R where QR are the given ones. */
function triangleOf(columns: readonly Float64Array[]): number[][] {
  const rows = Math.max(columns[0].length, columns.length); // rows of zeros change no product
  const matrix = Matrix.zeros(rows, columns.length);
  columns.forEach((column, j) => column.forEach((value, i) => matrix.set(i, j, value)));
  const triangle = new QrDecomposition(matrix).upperTriangularMatrix;
  return columns.map((_, j) => triangle.getColumn(j));
}

/** Which columns those before them do not explain; at most n − 1 of them, the intercept being one more. */
function independentColumns(columns: number[][], n: number): { kept: number[]; redundant: number[] } {
  const kept: number[] = [];
  const redundant: number[] = [];
  columns.forEach((column, j) => {
    const length = Math.hypot(...column);
    if (length === 0) return;
    const basis = Matrix.zeros(column.length, kept.length + 1);
    [...kept, j].forEach((k, at) => basis.setColumn(at, columns[k]));
    const left = new QrDecomposition(basis).upperTriangularMatrix.get(kept.length, kept.length);
    (kept.length < n - 1 && Math.abs(left) > REDUNDANT * length ? kept : redundant).push(j);
  });
  return { kept, redundant };
}

/** Coefficients of the target on independent columns, and the diagonal of the inverse of their products. */
export function solveIndependent(columns: number[][], target: number[]): { solution: number[]; inverse: number[] } {
  const qr = new QrDecomposition(new Matrix(columns).transpose());
  const root = inverse(qr.upperTriangularMatrix).to2DArray();
  return {
    solution: qr.solve(Matrix.columnVector(target)).to1DArray(),
    inverse: root.map((row) => row.reduce((sum, x) => sum + x * x, 0)),
  };
}
