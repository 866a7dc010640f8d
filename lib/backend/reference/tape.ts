/**
 * The cotangent of one input, given the cotangent of the output and the output itself. It is written in recorded
 * operations, so that a gradient can be differentiated again.
 */
export type InputVjp = (cotangent: Variable, output: Variable) => Variable;

/** A float64 matrix, row-major, and how it was computed. Vectors are matrices of one row, scalars are 1 × 1. */
export class Variable {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float64Array;
  /** Whether a gradient may flow through it: a leaf declared as one, or a result of such leaves. */
  readonly tracked: boolean;
  readonly inputs: readonly Variable[];
  /** One an input. */
  readonly vjps: readonly InputVjp[];

  constructor(
    rows: number,
    columns: number,
    data: Float64Array,
    tracked: boolean,
    inputs: readonly Variable[] = [],
    vjps: readonly InputVjp[] = [],
  ) {
    if (data.length !== rows * columns) throw new RangeError(`${rows} x ${columns} matrix of ${data.length} values`);
    this.rows = rows;
    this.columns = columns;
    this.data = data;
    this.tracked = tracked;
    this.inputs = inputs;
    this.vjps = vjps;
  }
}

/** A leaf to differentiate by. `data` is shared, not copied. */
export function leaf(rows: number, columns: number, data: Float64Array): Variable {
  return new Variable(rows, columns, data, true);
}

/** A leaf that no gradient flows to. `data` is shared, not copied. */
export function constant(rows: number, columns: number, data: Float64Array): Variable {
  return new Variable(rows, columns, data, false);
}

/** The result of an operation. Its inputs are kept only when a gradient can flow to one of them. */
export function record(
  rows: number,
  columns: number,
  data: Float64Array,
  inputs: readonly Variable[],
  vjps: readonly InputVjp[],
): Variable {
  return inputs.some((input) => input.tracked)
    ? new Variable(rows, columns, data, true, inputs, vjps)
    : constant(rows, columns, data);
}
