/*
 * The operations of the tape. Each computes its value in plain loops and states, per input, the vector-Jacobian
 * product in terms of other operations of this file. Shapes are [rows, columns]; nothing broadcasts by itself.
 */
import { normalCdf as cdf, normalPdf as pdf } from './normal.ts';
import { record, type Variable } from './tape.ts';

// ---- elementwise, equal shapes --------------------------------------------------------------------------------------

/** a + b */
export function add(a: Variable, b: Variable): Variable {
  checkSameShape(a, b);
  const y = new Float64Array(a.data.length);
  for (let i = 0; i < y.length; i++) y[i] = a.data[i] + b.data[i];
  return record(a.rows, a.columns, y, [a, b], [(g) => g, (g) => g]);
}

/** a − b */
export function subtract(a: Variable, b: Variable): Variable {
  return add(a, scale(b, -1));
}

/** a ∘ b */
export function multiply(a: Variable, b: Variable): Variable {
  checkSameShape(a, b);
  const y = new Float64Array(a.data.length);
  for (let i = 0; i < y.length; i++) y[i] = a.data[i] * b.data[i];
  return record(a.rows, a.columns, y, [a, b], [(g) => multiply(g, b), (g) => multiply(g, a)]);
}

/** factor · x */
export function scale(x: Variable, factor: number): Variable {
  const y = new Float64Array(x.data.length);
  for (let i = 0; i < y.length; i++) y[i] = factor * x.data[i];
  return record(x.rows, x.columns, y, [x], [(g) => scale(g, factor)]);
}

/** x + term, the same number everywhere */
export function shift(x: Variable, term: number): Variable {
  const y = new Float64Array(x.data.length);
  for (let i = 0; i < y.length; i++) y[i] = x.data[i] + term;
  return record(x.rows, x.columns, y, [x], [(g) => g]);
}

/** x^exponent, for x > 0 */
export function power(x: Variable, exponent: number): Variable {
  const y = new Float64Array(x.data.length);
  for (let i = 0; i < y.length; i++) y[i] = x.data[i] ** exponent;
  return record(x.rows, x.columns, y, [x], [(g) => multiply(g, scale(power(x, exponent - 1), exponent))]);
}

/** σ(x) = 1 / (1 + e^−x), with σ' = σ − σ² */
export function sigmoid(x: Variable): Variable {
  const y = new Float64Array(x.data.length);
  for (let i = 0; i < y.length; i++) y[i] = 1 / (1 + Math.exp(-x.data[i]));
  return record(x.rows, x.columns, y, [x], [(g, s) => multiply(g, subtract(s, multiply(s, s)))]);
}

/** tanh(x), with tanh' = 1 − tanh² */
export function tanh(x: Variable): Variable {
  const y = x.data.map((value) => Math.tanh(value));
  return record(x.rows, x.columns, y, [x], [(g, t) => subtract(g, multiply(g, multiply(t, t)))]);
}

/** Φ(x), the distribution function of the normal distribution, with Φ' = φ */
export function normalCdf(x: Variable): Variable {
  return record(x.rows, x.columns, x.data.map(cdf), [x], [(g) => multiply(g, normalPdf(x))]);
}

/** φ(x) = e^{−x²/2} / √(2π), with φ' = −xφ */
export function normalPdf(x: Variable): Variable {
  return record(x.rows, x.columns, x.data.map(pdf), [x], [(g, y) => multiply(g, multiply(scale(x, -1), y))]);
}

// ---- matrix product -------------------------------------------------------------------------------------------------

/** a [n, k] times b [k, m] */
export function matmul(a: Variable, b: Variable): Variable {
  if (a.columns !== b.rows) throw new RangeError(`${a.rows} x ${a.columns} times ${b.rows} x ${b.columns}`);
  const inner = a.columns;
  const columns = b.columns;
  const left = a.data;
  const right = b.data;
  const y = new Float64Array(a.rows * columns);
  for (let i = 0; i < a.rows; i++) {
    const row = y.subarray(i * columns, (i + 1) * columns);
    for (let k = 0; k < inner; k++) {
      const factor = left[i * inner + k];
      const start = k * columns;
      for (let j = 0; j < columns; j++) row[j] += factor * right[start + j];
    }
  }
  return record(a.rows, columns, y, [a, b], [(g) => matmul(g, transpose(b)), (g) => matmul(transpose(a), g)]);
}

/** x [n, m] → [m, n] */
export function transpose(x: Variable): Variable {
  const { rows, columns } = x;
  const y = new Float64Array(x.data.length);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) y[j * rows + i] = x.data[i * columns + j];
  }
  return record(columns, rows, y, [x], [transpose]);
}

// ---- sums and their adjoints, the broadcasts ------------------------------------------------------------------------

/** Sum of all rows: [n, m] → [1, m] */
export function sumRows(x: Variable): Variable {
  const y = new Float64Array(x.columns);
  for (let i = 0; i < x.rows; i++) {
    for (let j = 0; j < x.columns; j++) y[j] += x.data[i * x.columns + j];
  }
  return record(1, x.columns, y, [x], [(g) => repeatRow(g, x.rows)]);
}

/** One row written `rows` times: [1, m] → [rows, m] */
export function repeatRow(x: Variable, rows: number): Variable {
  const y = new Float64Array(rows * x.columns);
  for (let i = 0; i < rows; i++) y.set(x.data, i * x.columns);
  return record(rows, x.columns, y, [x], [sumRows]);
}

/** Sum along each row: [n, m] → [n, 1] */
export function sumColumns(x: Variable): Variable {
  const y = new Float64Array(x.rows);
  for (let i = 0; i < x.rows; i++) {
    let sum = 0;
    for (let j = 0; j < x.columns; j++) sum += x.data[i * x.columns + j];
    y[i] = sum;
  }
  return record(x.rows, 1, y, [x], [(g) => repeatColumn(g, x.columns)]);
}

/** One column written `columns` times: [n, 1] → [n, columns] */
export function repeatColumn(x: Variable, columns: number): Variable {
  const y = new Float64Array(x.rows * columns);
  for (let i = 0; i < x.rows; i++) y.fill(x.data[i], i * columns, (i + 1) * columns);
  return record(x.rows, columns, y, [x], [sumColumns]);
}

/** Sum of all elements, 1 × 1 */
export function sum(x: Variable): Variable {
  return sumRows(sumColumns(x));
}

// ---- softmax --------------------------------------------------------------------------------------------------------

/** Softmax along each row; −∞ (masked) becomes 0. Jacobian of a row: diag(p) − p pᵀ. */
export function softmax(x: Variable): Variable {
  const { rows, columns } = x;
  const y = new Float64Array(x.data.length);
  for (let i = 0; i < rows; i++) {
    const { weights, total } = shiftedExponentials(x, i);
    for (let j = 0; j < columns; j++) y[i * columns + j] = weights[j] / total;
  }
  return record(
    rows,
    columns,
    y,
    [x],
    [(g, p) => multiply(p, subtract(g, repeatColumn(sumColumns(multiply(g, p)), columns)))],
  );
}

/** log Σ_j e^{x_ij} of each row: [n, m] → [n, 1]; its gradient is the softmax. */
export function logSumExp(x: Variable): Variable {
  const { rows, columns } = x;
  const y = new Float64Array(rows);
  for (let i = 0; i < rows; i++) {
    const { largest, total } = shiftedExponentials(x, i);
    y[i] = largest + Math.log(total);
  }
  return record(rows, 1, y, [x], [(g) => multiply(repeatColumn(g, columns), softmax(x))]);
}

/** e^{x_ij − max_j x_ij} of one row, their sum, and that maximum: shifted so that nothing overflows. */
function shiftedExponentials(x: Variable, i: number): { weights: Float64Array; total: number; largest: number } {
  const weights = x.data.slice(i * x.columns, (i + 1) * x.columns);
  let largest = -Infinity;
  for (let j = 0; j < weights.length; j++) largest = Math.max(largest, weights[j]);
  let total = 0;
  for (let j = 0; j < weights.length; j++) {
    weights[j] = Math.exp(weights[j] - largest);
    total += weights[j];
  }
  return { weights, total, largest };
}

// ---- selections and their adjoints, the placements ------------------------------------------------------------------

/** Rows of a table by index: [n, m] → [indices, m] */
export function gatherRows(table: Variable, indices: Int32Array): Variable {
  const { columns } = table;
  const y = new Float64Array(indices.length * columns);
  for (let i = 0; i < indices.length; i++) {
    y.set(table.data.subarray(indices[i] * columns, (indices[i] + 1) * columns), i * columns);
  }
  return record(indices.length, columns, y, [table], [(g) => scatterRows(g, indices, table.rows)]);
}

/** Adds row i of x to row indices[i] of zeros: [indices, m] → [rows, m] */
export function scatterRows(x: Variable, indices: Int32Array, rows: number): Variable {
  const { columns } = x;
  const y = new Float64Array(rows * columns);
  for (let i = 0; i < indices.length; i++) {
    for (let j = 0; j < columns; j++) y[indices[i] * columns + j] += x.data[i * columns + j];
  }
  return record(rows, columns, y, [x], [(g) => gatherRows(g, indices)]);
}

/** Columns start … start + count − 1: [n, m] → [n, count] */
export function sliceColumns(x: Variable, start: number, count: number): Variable {
  const y = new Float64Array(x.rows * count);
  for (let i = 0; i < x.rows; i++) {
    const at = i * x.columns + start;
    y.set(x.data.subarray(at, at + count), i * count);
  }
  return record(x.rows, count, y, [x], [(g) => placeColumns(g, start, x.columns)]);
}

/** x as columns start … of a matrix of zeros: [n, count] → [n, columns] */
export function placeColumns(x: Variable, start: number, columns: number): Variable {
  const y = new Float64Array(x.rows * columns);
  for (let i = 0; i < x.rows; i++) {
    y.set(x.data.subarray(i * x.columns, (i + 1) * x.columns), i * columns + start);
  }
  return record(x.rows, columns, y, [x], [(g) => sliceColumns(g, start, x.columns)]);
}

/** One element of each row: y_i = x[i, columns_i], [n, m] → [n, 1] */
export function pick(x: Variable, columns: Int32Array): Variable {
  const y = new Float64Array(x.rows);
  for (let i = 0; i < x.rows; i++) y[i] = x.data[i * x.columns + columns[i]];
  return record(x.rows, 1, y, [x], [(g) => place(g, columns, x.columns)]);
}

/** Adjoint of pick: x_i at column columns_i of row i, zeros elsewhere, [n, 1] → [n, width] */
export function place(x: Variable, columns: Int32Array, width: number): Variable {
  const y = new Float64Array(x.rows * width);
  for (let i = 0; i < x.rows; i++) y[i * width + columns[i]] = x.data[i];
  return record(x.rows, width, y, [x], [(g) => pick(g, columns)]);
}

function checkSameShape(a: Variable, b: Variable): void {
  if (a.rows !== b.rows || a.columns !== b.columns) {
    throw new RangeError(`${a.rows} x ${a.columns} against ${b.rows} x ${b.columns}`);
  }
}
