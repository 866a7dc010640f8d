import { describe, expect, test } from 'vitest';
import { argsort } from '../../lib/order/argsort.ts';
import { foldOrder, foldPartitions } from '../../lib/order/fold.ts';
import { jitterOrder } from '../../lib/order/jitter.ts';
import { orderBy, type OrderMethod } from '../../lib/order/methods.ts';
import { segmentOrder } from '../../lib/order/segments.ts';
import { shuffleOrder } from '../../lib/order/shuffle.ts';
import { zigzagOrder } from '../../lib/order/zigzag.ts';
import { FILLS, firstDifference } from './forms.ts';

const METHODS: OrderMethod[] = [
  { method: 'sort' },
  { method: 'sort', descending: true },
  { method: 'fold', layers: 4 },
  { method: 'zigzag', layers: 4 },
  { method: 'jitter', window: 7, seed: 5 },
  { method: 'segments', segments: 6, seed: 5 },
  { method: 'shuffle', seed: 5 },
];

/** Each kind of scores at sizes below and above those at which the addon takes over. */
const SCORES = Object.entries(FILLS).flatMap(([name, fill]) =>
  [0, 1, 2, 29, 3001].map((n) => {
    const scores = new Float64Array(n);
    fill(scores, 9);
    return [`${name}, ${n} rows`, scores] as const;
  }),
);

const order = (scores: Float64Array, method: OrderMethod) => orderBy(scores.length, () => scores, method);

describe.each(SCORES)('%s', (_, scores) => {
  const n = scores.length;

  test.each(METHODS)('$method is a permutation with one layer a row, the same again', (method) => {
    const { places, layers } = order(scores, method);
    expect(
      firstDifference(
        places.slice().sort(),
        Uint32Array.from({ length: n }, (_, i) => i),
      ),
    ).toBe(-1);
    expect(layers).toHaveLength(n);
    const again = order(scores, method);
    expect(firstDifference(again.places, places)).toBe(-1);
    expect(firstDifference(again.layers, layers)).toBe(-1);
  });

  test('one layer, one segment and windows of one are the ascending sort', () => {
    const sorted = argsort(scores);
    const same: OrderMethod[] = [
      { method: 'sort' },
      { method: 'fold', layers: 1 },
      { method: 'zigzag', layers: 1 },
      { method: 'jitter', window: 1, seed: 3 },
      { method: 'segments', segments: 1, seed: 3 },
    ];
    for (const method of same) {
      const { places, layers } = order(scores, method);
      expect(firstDifference(places, sorted), method.method).toBe(-1);
      expect(layers.every((layer) => layer === 0)).toBe(true);
    }
  });

  test('zigzag is the fold with every second layer turned round, in the same layers', () => {
    const zigzag = order(scores, { method: 'zigzag', layers: 3 });
    const expected = foldPartitions(scores, { layers: 3 }).flatMap((layer, i) =>
      i % 2 === 1 ? [...layer].reverse() : [...layer],
    );
    expect(firstDifference(zigzag.places, expected)).toBe(-1);
    expect(firstDifference(zigzag.layers, order(scores, { method: 'fold', layers: 3 }).layers)).toBe(-1);
  });

  test('jitter leaves every row in its window of the sorted order', () => {
    const window = 7;
    const placeInSort = new Uint32Array(n);
    argsort(scores).forEach((row, place) => (placeInSort[row] = place));
    jitterOrder(scores, { window, seed: 1 }).forEach((row, position) => {
      expect(Math.floor(placeInSort[row] / window)).toBe(Math.floor(position / window));
    });
  });

  test('segments are contiguous parts of the sorted order, their sizes at most one apart', () => {
    const { places, segments } = segmentOrder(scores, { segments: 6, seed: 2 });
    const sorted = argsort(scores);
    const count = Math.min(6, n);
    const inOrder = Array.from({ length: count }, (_, segment) => [
      ...places.filter((_, i) => segments[i] === segment),
    ]);
    expect(firstDifference(inOrder.flat(), sorted)).toBe(-1);
    const sizes = inOrder.map(({ length }) => length);
    if (count > 0) expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
    // Once a segment is left it does not come again.
    expect(segments.filter((segment, i) => i === 0 || segment !== segments[i - 1])).toHaveLength(count);
  });
});

test('the orders of ten rows, by hand', () => {
  const scores = Float64Array.from({ length: 10 }, (_, i) => i);
  expect([...zigzagOrder(scores, { layers: 3 })]).toEqual([0, 3, 6, 9, 7, 4, 1, 2, 5, 8]);
  expect([...zigzagOrder(scores, { layers: 1e9 })]).toEqual([...foldOrder(scores, { layers: 10 })]);
});

describe('by seed', () => {
  const scores = new Float64Array(200);
  FILLS.normal(scores, 1);
  const seeded: ((seed: number) => OrderMethod)[] = [
    (seed) => ({ method: 'jitter', window: 20, seed }),
    (seed) => ({ method: 'segments', segments: 20, seed }),
    (seed) => ({ method: 'shuffle', seed }),
  ];
  test('orders differ', () => {
    for (const method of seeded) {
      expect(firstDifference(order(scores, method(0)).places, order(scores, method(1)).places)).toBeGreaterThanOrEqual(
        0,
      );
    }
  });

  test('a row is equally often at every position of its window', () => {
    const few = Float64Array.of(0, 1, 2, 3, 4);
    const counts = Array.from({ length: 3 }, () => [0, 0, 0]);
    const trials = 3000;
    for (let seed = 0; seed < trials; seed++) {
      jitterOrder(few, { window: 3, seed })
        .subarray(0, 3)
        .forEach((row, position) => counts[row][position]++);
    }
    // Each count has a standard deviation of √(3000 · 2/9) ≈ 26.
    for (const count of counts.flat()) expect(Math.abs(count - trials / 3)).toBeLessThan(5 * 26);
  });

  test('as many segments as rows come in every order equally often', () => {
    const seen = new Map<string, number>();
    const trials = 3000;
    for (let seed = 0; seed < trials; seed++) {
      const key = segmentOrder(Float64Array.of(0, 1, 2), { segments: 3, seed }).places.join();
      seen.set(key, (seen.get(key) ?? 0) + 1);
    }
    expect(seen.size).toBe(6);
    for (const count of seen.values()) expect(Math.abs(count - trials / 6)).toBeLessThan(5 * 21);
  });

  // Computed apart from this library, by a generator written from its paper.
  test('these are the rows, on every platform', () => {
    const ten = Float64Array.from({ length: 10 }, (_, i) => i);
    expect([...jitterOrder(ten, { window: 4, seed: 7 })]).toEqual([2, 0, 3, 1, 7, 6, 4, 5, 9, 8]);
    expect([...segmentOrder(ten, { segments: 4, seed: 7 }).places]).toEqual([8, 9, 6, 7, 0, 1, 2, 3, 4, 5]);
    expect([...shuffleOrder(10, 7)]).toEqual([8, 7, 1, 0, 2, 4, 5, 6, 9, 3]);
  });
});

test.each<[string, OrderMethod]>([
  ['window: expected an integer >= 1, got 0', { method: 'jitter', window: 0, seed: 0 }],
  ['segments: expected an integer >= 1, got 0', { method: 'segments', segments: 0, seed: 0 }],
  ['layers: expected an integer', { method: 'zigzag', layers: 0 }],
  ['seed: expected an integer >= 0, got -1', { method: 'jitter', window: 1, seed: -1 }],
  ['seed: expected an integer >= 0, got 0.5', { method: 'segments', segments: 1, seed: 0.5 }],
  ['scores[1]', { method: 'zigzag' }],
  [
    'method: expected one of sort, fold, zigzag, jitter, segments, shuffle, got "random"',
    { method: 'random' } as unknown as OrderMethod,
  ],
])('%s', (message, method) => {
  expect(() => order(Float64Array.of(1, NaN), method)).toThrow(message);
});
