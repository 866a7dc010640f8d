import type { ParameterLayout } from '../../model/layout.ts';
import { randomSigns, streamOf } from '../../random.ts';
import type { SketchRequest } from '../types.ts';

/** The signs of one tensor: [rows × a] on its left and, for a matrix, [columns × b] on its right. */
interface Projection {
  offset: number;
  rows: number;
  columns: number;
  left: Int8Array;
  right: Int8Array;
}

/** Projects flat gradients as SketchRequest says, tensor by tensor. */
export class Sketcher {
  readonly #dimensions: number;
  /** a and b: a matrix's share is [a × b]. */
  readonly #sides: [number, number];
  readonly #projections: Projection[];

  constructor(layout: ParameterLayout, { dimensions, seed }: SketchRequest) {
    this.#dimensions = dimensions;
    this.#sides = nearSquare(dimensions);
    const [a, b] = this.#sides;
    const signs = (length: number, stream: number): Int8Array => {
      const values = new Int8Array(length);
      randomSigns(values, seed, stream);
      return values;
    };
    this.#projections = layout.slots.map(({ name, shape, offset, size }) => {
      const stream = streamOf(name);
      const columns = shape[shape.length - 1];
      const rows = size / columns;
      // A vector is a column of n entries, whose right factor is one sign too many and left out.
      if (rows === 1) {
        return { offset, rows: size, columns: 1, left: signs(size * dimensions, 2 * stream), right: new Int8Array(0) };
      }
      return { offset, rows, columns, left: signs(rows * a, 2 * stream), right: signs(columns * b, 2 * stream + 1) };
    });
  }

  /** R g [dimensions] */
  sketch(g: Float64Array): Float64Array {
    const sketch = new Float64Array(this.#dimensions);
    for (const projection of this.#projections) {
      const isVector = projection.right.length === 0;
      const [a, b] = isVector ? [this.#dimensions, 1] : this.#sides;
      this.#addShare(sketch, g, projection, a, b);
    }
    return sketch.map((x) => x / Math.sqrt(this.#dimensions));
  }

  /** sketch[p·b + q] += Σ_r P[r, p] Σ_c g[r, c] Q[c, q] */
  #addShare(
    sketch: Float64Array,
    g: Float64Array,
    { offset, rows, columns, left, right }: Projection,
    a: number,
    b: number,
  ): void {
    const row = new Float64Array(b);
    for (let r = 0; r < rows; r++) {
      row.fill(0);
      for (let c = 0; c < columns; c++) {
        const value = g[offset + r * columns + c];
        for (let q = 0; q < b; q++) row[q] += value * (right.length === 0 ? 1 : right[c * b + q]);
      }
      for (let p = 0; p < a; p++) {
        const sign = left[r * a + p];
        for (let q = 0; q < b; q++) sketch[p * b + q] += sign * row[q];
      }
    }
  }
}

/** k = a · b with a the largest divisor of k that is at most √k. */
function nearSquare(k: number): [number, number] {
  let a = Math.floor(Math.sqrt(k));
  while (k % a !== 0) a--;
  return [a, k / a];
}
