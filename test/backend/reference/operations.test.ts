import { describe, expect, it } from 'vitest';
import { gradient } from '../../../lib/backend/reference/gradient.ts';
import * as op from '../../../lib/backend/reference/operations.ts';
import { constant, leaf, type Variable } from '../../../lib/backend/reference/tape.ts';
import { relativeError } from '../../support/fixtures.ts';
import { pseudoNormals } from './support.ts';

type Shape = [rows: number, columns: number];

const indices = Int32Array.of(3, 0, 3, 1);
const positive = (x: Variable): Variable => op.shift(op.multiply(x, x), 0.5);
const masked = (x: Variable): Variable =>
  op.add(x, constant(3, 3, Float64Array.of(0, -Infinity, -Infinity, 0, 0, -Infinity, 0, 0, 0)));

const OPERATIONS: [name: string, inputs: Shape[], apply: (...x: Variable[]) => Variable][] = [
  ['add', [[2, 3], [2, 3]], op.add], // prettier-ignore
  ['subtract', [[2, 3], [2, 3]], op.subtract], // prettier-ignore
  ['multiply', [[2, 3], [2, 3]], op.multiply], // prettier-ignore
  ['multiply by itself', [[2, 3]], (x) => op.multiply(x, x)],
  ['scale', [[2, 3]], (x) => op.scale(x, -1.7)],
  ['shift', [[2, 3]], (x) => op.shift(x, 0.3)],
  ['power', [[2, 3]], (x) => op.power(positive(x), -0.5)],
  ['sigmoid', [[2, 3]], op.sigmoid],
  ['tanh', [[2, 3]], op.tanh],
  ['normalCdf', [[2, 3]], op.normalCdf],
  ['normalPdf', [[2, 3]], op.normalPdf],
  ['matmul', [[2, 3], [3, 4]], op.matmul], // prettier-ignore
  ['transpose', [[2, 3]], op.transpose],
  ['sumRows', [[3, 4]], op.sumRows],
  ['repeatRow', [[1, 4]], (x) => op.repeatRow(x, 3)],
  ['sumColumns', [[3, 4]], op.sumColumns],
  ['repeatColumn', [[3, 1]], (x) => op.repeatColumn(x, 4)],
  ['sum', [[3, 4]], op.sum],
  ['softmax', [[3, 4]], op.softmax],
  ['masked softmax', [[3, 3]], (x) => op.softmax(masked(x))],
  ['logSumExp', [[3, 4]], op.logSumExp],
  ['gatherRows', [[4, 3]], (x) => op.gatherRows(x, indices)],
  ['scatterRows', [[4, 3]], (x) => op.scatterRows(x, indices, 5)],
  ['sliceColumns', [[2, 5]], (x) => op.sliceColumns(x, 1, 3)],
  ['placeColumns', [[2, 3]], (x) => op.placeColumns(x, 1, 5)],
  ['pick', [[4, 5]], (x) => op.pick(x, indices)],
  ['place', [[4, 1]], (x) => op.place(x, indices, 5)],
];

/** f = ½ Σ c ∘ y ∘ y: curved in the output, so that linear operations have second derivatives to get right too. */
function curved(y: Variable): Variable {
  const weights = constant(y.rows, y.columns, pseudoNormals(y.data.length, 1, 7));
  return op.scale(op.sum(op.multiply(weights, op.multiply(y, y))), 0.5);
}

describe.each(OPERATIONS)('%s', (_name, shapes, apply) => {
  const sizes = shapes.map(([rows, columns]) => rows * columns);
  const length = sizes.reduce((a, b) => a + b);
  const point = pseudoNormals(length, 1);
  const direction = pseudoNormals(length, 1, 3);

  const split = (flat: Float64Array, kind: typeof leaf): Variable[] => {
    let offset = 0;
    return shapes.map(([rows, columns], k) => kind(rows, columns, flat.subarray(offset, (offset += sizes[k]))));
  };
  const flatten = (parts: Variable[]): Float64Array => Float64Array.from(parts.flatMap(({ data }) => [...data]));
  const value = (at: Float64Array): number => curved(apply(...split(at, leaf))).data[0];
  const slope = (leaves: Variable[]): Variable => {
    const derivative = gradient(curved(apply(...leaves)), leaves);
    return derivative.map((g, k) => op.sum(op.multiply(g, split(direction, constant)[k]))).reduce(op.add);
  };
  const differences = (f: (at: Float64Array) => number): Float64Array =>
    point.map((_, i) => {
      const step = 1e-5;
      const shifted = (by: number): Float64Array => point.with(i, point[i] + by);
      return (f(shifted(step)) - f(shifted(-step))) / (2 * step);
    });

  it('has the gradient that central differences give', () => {
    const leaves = split(point, leaf);
    const exact = flatten(gradient(curved(apply(...leaves)), leaves));
    expect(relativeError(exact, differences(value))).toBeLessThan(1e-8);
  });

  it('has the second derivative that central differences of the gradient give', () => {
    const leaves = split(point, leaf);
    const exact = flatten(gradient(slope(leaves), leaves));
    expect(
      relativeError(
        exact,
        differences((at) => slope(split(at, leaf)).data[0]),
      ),
    ).toBeLessThan(1e-8);
  });
});

describe('values', () => {
  it('multiplies matrices', () => {
    const a = constant(2, 3, Float64Array.of(1, 2, 3, 4, 5, 6));
    const b = constant(3, 2, Float64Array.of(1, 0, 0, 1, 2, -1));
    expect([...op.matmul(a, b).data]).toEqual([7, -1, 16, -1]);
  });

  it('keeps softmax and logSumExp finite for large scores', () => {
    const x = constant(1, 3, Float64Array.of(1000, 1000, -Infinity));
    expect([...op.softmax(x).data]).toEqual([0.5, 0.5, 0]);
    expect(op.logSumExp(x).data[0]).toBe(1000 + Math.log(2));
  });

  it('adds what lands on the same row', () => {
    const x = constant(3, 1, Float64Array.of(1, 2, 4));
    expect([...op.scatterRows(x, Int32Array.of(1, 0, 1), 3).data]).toEqual([2, 5, 0]);
  });

  it.each([
    ['add', op.add],
    ['multiply', op.multiply],
    ['matmul', op.matmul],
  ])('%s refuses shapes that do not fit', (_name, apply) => {
    expect(() => apply(constant(2, 3, new Float64Array(6)), constant(2, 2, new Float64Array(4)))).toThrow(RangeError);
  });
});

describe('gradient', () => {
  it('is zero for a leaf that the output does not use', () => {
    const used = leaf(1, 2, Float64Array.of(1, 2));
    const unused = leaf(1, 2, Float64Array.of(3, 4));
    expect(gradient(op.sum(used), [used, unused]).map(({ data }) => [...data])).toEqual([
      [1, 1],
      [0, 0],
    ]);
  });

  it('is refused for anything but a scalar', () => {
    const x = leaf(1, 2, Float64Array.of(1, 2));
    expect(() => gradient(x, [x])).toThrow(RangeError);
  });

  it('records nothing for constants', () => {
    const x = constant(1, 2, Float64Array.of(1, 2));
    expect(op.sum(op.multiply(x, x)).inputs).toEqual([]);
  });

  it('takes a graph deeper than the call stack', () => {
    const x = leaf(1, 1, Float64Array.of(2));
    let y: Variable = x;
    for (let k = 0; k < 50_000; k++) y = op.shift(y, 1);
    expect(gradient(y, [x])[0].data[0]).toBe(1);
  });
});
