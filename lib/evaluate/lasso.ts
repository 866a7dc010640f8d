import { CholeskyDecomposition, Matrix } from 'ml-matrix';
import { checkFinite, checkInteger, invalid } from '../check.ts';
import { randomPermutation, streamOf } from '../random.ts';
import { meanProduct, standardize, type Standardized } from './least-squares.ts';

/** One point of a regularisation path. */
export interface LassoPoint {
  lambda: number;
  /** Of the standardised columns. */
  coefficients: Float64Array;
  /** By how much the optimality condition is missed that is missed most; 0 where all are met. */
  missed: number;
}

export interface LassoPathOptions {
  /** Penalties, falling. */
  lambdas: readonly number[];
  /** How far the optimality conditions may be missed; default 1e-9. */
  tolerance?: number;
}

/** Many more than are needed: a solution that is not reached by then says by how much it misses. */
const MOST_SWEEPS = 1000;

/**
 * Minimises (1/2n)‖y − Xβ‖² + λ‖β‖₁ for each penalty λ, by cyclic coordinate descent on the products of the columns, each
 * solution starting from that of the penalty before (Friedman, Hastie and Tibshirani 2010). The descent ends when every
 * coordinate meets its optimality condition: with g_j = x_jᵀ(y − Xβ)/n, g_j = λ sign β_j where β_j ≠ 0, and |g_j| ≤ λ
 * elsewhere. Columns that are almost the same make descent alone slow. So after each sweep the conditions of the
 * coefficients that are not 0 are solved for the signs that they have, and the lowest point on the way there is taken
 * (the feature-sign step of Lee, Battle, Raina and Ng 2007).
 * @param columns as `standardize` gives them; one that is all 0 keeps coefficient 0
 * @param y of mean 0
 */
export function lassoPath(
  columns: readonly Float64Array[],
  y: Float64Array,
  { lambdas, tolerance = 1e-9 }: LassoPathOptions,
): LassoPoint[] {
  const products: Products = {
    gram: columns.map((a) => Float64Array.from(columns, (b) => meanProduct(a, b))),
    target: Float64Array.from(columns, (column) => meanProduct(column, y)),
  };
  let coefficients = new Float64Array(columns.length);
  return lambdas.map((lambda, i) => {
    checkFinite(`lambdas[${i}]`, lambda, { min: 0 });
    coefficients = minimum(products, lambda, tolerance, coefficients);
    return { lambda, coefficients, missed: missedBy(products, lambda, coefficients) };
  });
}

/** XᵀX/n and Xᵀy/n */
interface Products {
  gram: Float64Array[];
  target: Float64Array;
}

function minimum(products: Products, lambda: number, tolerance: number, start: Float64Array<ArrayBuffer>) {
  const coefficients = start.slice();
  for (let sweep = 1; sweep <= MOST_SWEEPS; sweep++) {
    descend(products, lambda, coefficients);
    if (missedBy(products, lambda, coefficients) <= tolerance) return coefficients;
    stepTowardsSolution(products, lambda, coefficients);
  }
  return coefficients;
}

/** One sweep over the coordinates, in place. */
function descend(products: Products, lambda: number, coefficients: Float64Array): void {
  products.gram.forEach((row, j) => {
    if (row[j] === 0) return;
    coefficients[j] = shrink(gradient(products, coefficients, j) + row[j] * coefficients[j], lambda) / row[j];
  });
}

/** g_j = x_jᵀ(y − Xβ)/n */
function gradient({ gram, target }: Products, coefficients: Float64Array, j: number): number {
  const row = gram[j];
  let g = target[j];
  for (let k = 0; k < row.length; k++) g -= row[k] * coefficients[k];
  return g;
}

/** How far the optimality condition is missed that is missed most; at most 0 where all are met. */
function missedBy(products: Products, lambda: number, coefficients: Float64Array): number {
  return coefficients.reduce((most, x, j) => {
    const g = gradient(products, coefficients, j);
    return Math.max(most, x === 0 ? Math.abs(g) - lambda : Math.abs(g - lambda * Math.sign(x)));
  }, 0);
}

/**
 * Moves the coefficients that are not 0 towards the solution of their conditions with the signs that they have, as far as
 * the objective falls: there, or to where one of them becomes 0 on the way.
 */
function stepTowardsSolution(products: Products, lambda: number, coefficients: Float64Array): void {
  const { gram, target } = products;
  const active = [...coefficients.keys()].filter((j) => coefficients[j] !== 0);
  if (active.length === 0) return;
  const system = new CholeskyDecomposition(new Matrix(active.map((j) => active.map((k) => gram[j][k]))));
  if (!system.isPositiveDefinite()) return;
  const right = Matrix.columnVector(active.map((j) => target[j] - lambda * Math.sign(coefficients[j])));
  const solution = system.solve(right).to1DArray();
  const crossings = active.flatMap((j, i) => (solution[i] * coefficients[j] <= 0 ? [j] : []));
  const at = new Map(active.map((j, i) => [j, solution[i]]));
  const points = [undefined, ...crossings].map((zero) => {
    const share = zero === undefined ? 1 : coefficients[zero] / (coefficients[zero] - at.get(zero)!);
    return coefficients.map((x, j) => (j === zero ? 0 : x + share * ((at.get(j) ?? x) - x)));
  });
  const lowest = [coefficients.slice(), ...points].reduce((a, b) =>
    objective(products, lambda, b) < objective(products, lambda, a) ? b : a,
  );
  coefficients.set(lowest);
}

/** The objective without ‖y‖²/2n, which no coefficient changes. */
function objective({ gram, target }: Products, lambda: number, coefficients: Float64Array): number {
  return coefficients.reduce((sum, x, j) => {
    if (x === 0) return sum;
    const half = gram[j].reduce((total, product, k) => total + product * coefficients[k], 0) / 2;
    return sum + x * (half - target[j]) + lambda * Math.abs(x);
  }, 0);
}

/** Soft thresholding: towards 0 by `by`, and no further. */
function shrink(x: number, by: number): number {
  if (Math.abs(x) <= by) return 0;
  return x > 0 ? x - by : x + by;
}

/** A regularisation path with its error on data that it was not fitted to. */
export interface CrossValidatedLasso {
  /** From the smallest penalty that leaves no column in, down. Coefficients in standard deviations of y. */
  path: (LassoPoint & {
    /** Mean squared error of held-out observations, in variances of y. */
    error: number;
    /** Of `error`, from its spread between folds. */
    standardError: number;
  })[];
  /** Index of the point of least error. */
  best: number;
  /** Index of the largest penalty whose error is within one standard error of the least. */
  oneStandardError: number;
  folds: number;
}

export interface CrossValidationOptions {
  /** Default 10. */
  folds?: number;
  /** Of the assignment to folds; default 0. */
  seed?: number;
  /** Points of the path; default 100. */
  points?: number;
}

/** The smallest penalty as a share of the largest. */
const PATH_END = 1e-3;

/**
 * Lasso with the penalty chosen by k-fold cross-validation. Columns are standardised anew within each fold's training
 * part, so that nothing of what is held out is known.
 * @param columns one array a column [n], as they are
 * @param y [n], as it is
 * @throws GradfoldError for fewer observations than folds, or a y that does not vary.
 */
export function crossValidatedLasso(
  columns: readonly ArrayLike<number>[],
  y: ArrayLike<number>,
  options: CrossValidationOptions = {},
): CrossValidatedLasso {
  const n = y.length;
  const folds = checkInteger('folds', options.folds ?? 10, 2, n);
  const points = checkInteger('points', options.points ?? 100, 2);
  const whole = standardizedData(columns, y);
  if (whole.target.deviations[0] === 0) {
    throw invalid('y', 'values that differ', y[0], { code: 'INVALID_DATA' });
  }
  const most = Math.max(...whole.inputs.columns.map((column) => Math.abs(meanProduct(column, whole.y))), 0);
  const lambdas = Array.from({ length: points }, (_, i) => most * PATH_END ** (i / (points - 1)));
  const order = randomPermutation(n, options.seed ?? 0, streamOf('lasso folds'));
  const errors = Array.from({ length: folds }, (_, fold) =>
    foldErrors(columns, y, { lambdas, heldOut: order.filter((_, i) => i % folds === fold), scale: whole.target }),
  );
  const path = lassoPath(whole.inputs.columns, whole.y, { lambdas }).map((point, i) => {
    const ofFolds = errors.map((fold) => fold[i]);
    const error = ofFolds.reduce((sum, x) => sum + x, 0) / folds;
    const variance = ofFolds.reduce((sum, x) => sum + (x - error) ** 2, 0) / (folds - 1);
    return { ...point, error, standardError: Math.sqrt(variance / folds) };
  });
  const best = path.reduce((least, { error }, i) => (error < path[least].error ? i : least), 0);
  const within = path[best].error + path[best].standardError;
  return { path, best, oneStandardError: path.findIndex(({ error }) => error <= within), folds };
}

function standardizedData(columns: readonly ArrayLike<number>[], y: ArrayLike<number>) {
  const target = standardize([y]);
  return { inputs: standardize(columns), target, y: target.columns[0] };
}

/** Mean squared error of the held-out observations at each penalty, in variances of all of y. */
function foldErrors(
  columns: readonly ArrayLike<number>[],
  y: ArrayLike<number>,
  { lambdas, heldOut, scale }: { lambdas: number[]; heldOut: Uint32Array; scale: Standardized },
): number[] {
  const out = new Set(heldOut);
  const training = Uint32Array.from({ length: y.length }, (_, i) => i).filter((i) => !out.has(i));
  const part = (values: ArrayLike<number>) => Float64Array.from(training, (i) => values[i]);
  const mean = part(y).reduce((sum, x) => sum + x, 0) / training.length;
  const [deviation] = scale.deviations;
  const { columns: inputs, means, deviations } = standardize(columns.map(part));
  const path = lassoPath(
    inputs,
    part(y).map((value) => (value - mean) / deviation),
    { lambdas },
  );
  return path.map(({ coefficients }) => {
    const slopes = coefficients.map((x, j) => (deviations[j] === 0 ? 0 : x / deviations[j]));
    let sum = 0;
    for (const i of heldOut) {
      const fit = slopes.reduce((total, slope, j) => total + slope * (columns[j][i] - means[j]), 0);
      sum += ((y[i] - mean) / deviation - fit) ** 2;
    }
    return sum / heldOut.length;
  });
}
