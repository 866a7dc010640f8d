import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { predictMixture } from '../../lib/mix/predict.ts';
import { numbers } from './laws.ts';

interface Amounts {
  amounts: number[];
  total: number;
  weights: number[];
}
const read = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../fixtures/autoscale/${name}.json`, import.meta.url), 'utf8'));
const { autoscale } = read('input') as { autoscale: { name: string; n1: number[]; n2: number[] }[] };
const expected = (read('expected') as { autoscale: Record<string, { predictions: Amounts[]; midpoint: Amounts }> })
  .autoscale;

const total = (values: readonly number[]) => values.reduce((sum, x) => sum + x, 0);
const far = (x: number, of: number) => Math.abs(x / of - 1);

describe.each(autoscale)('fixture $name', ({ name, n1, n2 }) => {
  const { predictions, midpoint } = expected[name];
  const scales = [{ quantities: n1 }, { quantities: n2 }];

  test('next scales and the middle', () => {
    [midpoint, ...predictions].forEach((wanted, k) => {
      const found = predictMixture({ scales, target: wanted.total });
      wanted.amounts.forEach((n, d) => expect(far(found.quantities[d], n)).toBeLessThan(1e-12));
      wanted.weights.forEach((w, d) => expect(found.weights[d]).toBeCloseTo(w, 12));
      expect(found.t).toBeCloseTo(k === 0 ? 0.5 : k + 1, 12);
      expect(found.residual).toBeLessThan(1e-14);
      expect(found.warnings).toHaveLength(k > 1 ? 1 : 0);
    });
  });

  test('the scales themselves, given in any order', () => {
    for (const each of [n1, n2]) {
      const found = predictMixture({ scales: [scales[1], scales[0]], target: total(each) });
      each.forEach((n, d) => expect(far(found.quantities[d], n)).toBeLessThan(1e-13));
    }
  });

  test('scales that lie on one curve are the curve, however many', () => {
    const more = [...scales, { quantities: predictions[0].amounts }, { quantities: predictions[1].amounts }];
    const found = predictMixture({ scales: more, target: predictions[3].total });
    predictions[3].amounts.forEach((n, d) => expect(far(found.quantities[d], n)).toBeLessThan(1e-12));
    expect(found.residual).toBeLessThan(1e-14);
    expect(found.t).toBeCloseTo(5, 12);
  });
});

test('more than two scales off the curve: residuals are least, and no line near by is better', () => {
  const between = numbers('prediction');
  const scales = [1, 3, 10, 30].map((scale) => ({
    quantities: [0.2, 0.3, 0.5].map((share, d) => share * scale ** (0.8 + 0.2 * d) * between(0.9, 1.1)),
  }));
  const { residual, residuals } = predictMixture({ scales, target: 100 });
  expect(residual).toBeGreaterThan(1e-3);
  expect(residuals).toHaveLength(4);
  for (let d = 0; d < 3; d++) expect(total(residuals.map((row) => row[d]))).toBeCloseTo(0, 12);
  // The squares of a rank-one fit: sum of the squared smaller singular values, here by the eigenvalues of the 3 × 3 products.
  const logs = scales.map(({ quantities }) => quantities.map(Math.log));
  const centered = logs.map((row) => row.map((x, d) => x - total(logs.map((other) => other[d])) / 4));
  let axis = [1, 1, 1];
  for (let i = 0; i < 200; i++) {
    const places = centered.map((row) => total(row.map((x, d) => x * axis[d])));
    const next = axis.map((_, d) => total(centered.map((row, s) => row[d] * places[s])));
    axis = next.map((x) => x / Math.hypot(...next));
  }
  const kept = total(centered.map((row) => total(row.map((x, d) => x * axis[d])) ** 2));
  const left = total(centered.flat().map((x) => x * x)) - kept;
  expect(residual).toBeCloseTo(Math.sqrt(left / 12), 10);
});

test('any target: between, below, far above; amounts sum to it', () => {
  const scales = [{ quantities: [3, 5, 2] }, { quantities: [20, 18, 4] }];
  let last = -Infinity;
  for (const target of [1e-3, 1, 10, 25, 42, 1e3, 1e9]) {
    const found = predictMixture({ scales, target });
    expect(far(total(found.quantities), target)).toBeLessThan(1e-14);
    expect(total(found.weights)).toBeCloseTo(1, 12);
    expect(found.t).toBeGreaterThan(last);
    last = found.t;
  }
});

test('neither the order of the domains nor the unit matters', () => {
  const [n1, n2, order] = [
    [3, 5, 2],
    [20, 18, 4],
    [2, 0, 1],
  ];
  const plain = predictMixture({ scales: [{ quantities: n1 }, { quantities: n2 }], target: 300 });
  const permuted = predictMixture({
    scales: [{ quantities: order.map((d) => n1[d] * 1e9) }, { quantities: order.map((d) => n2[d] * 1e9) }],
    target: 300e9,
  });
  order.forEach((d, i) => expect(permuted.weights[i]).toBeCloseTo(plain.weights[d], 12));
  expect(permuted.t).toBeCloseTo(plain.t, 11);
});

test('warnings: beyond one step, and domains that would be repeated', () => {
  const scales = [{ quantities: [1, 1] }, { quantities: [4, 2] }];
  const near = predictMixture({ scales, target: 20, sizes: [100, 3], domains: ['prose', 'code'] });
  expect(near.epochs).toEqual([16 / 100, 4 / 3].map((x) => expect.closeTo(x, 12) as number));
  expect(near.warnings).toEqual(['the amount of code is 1.33 times what there is, so it would be repeated']);
  expect(near.growth.map((x) => Number(x.toFixed(10)))).toEqual([4, 2]);
  expect(predictMixture({ scales, target: 272 }).warnings).toEqual([
    expect.stringMatching(/3\.0 steps of extrapolation above/),
  ]);
  expect(predictMixture({ scales, target: 0.1 }).warnings).toEqual([
    expect.stringMatching(/steps of extrapolation below/),
  ]);
});

test('a domain that shrinks leaves a least total, below which there is nothing', () => {
  const scales = [{ quantities: [8, 1] }, { quantities: [4, 16] }];
  const found = predictMixture({ scales, target: 12 });
  expect(found.quantities[0]).toBeCloseTo(8 * 2 ** -found.t, 12);
  expect(found.quantities[1]).toBeCloseTo(16 ** found.t, 12);
  expect(found.t).toBeGreaterThan(0.5);
  expect(() => predictMixture({ scales, target: 1 })).toThrow(/target: expected at least [\d.]+, the least total/);
});

test.each([
  [{ scales: [{ quantities: [1, 2] }], target: 5 }, /scales: expected the best amounts at two or more scales/],
  [{ scales: [{ quantities: [1, 2] }, { quantities: [2, 1] }], target: 5 }, /totals that differ, got "3 each"/],
  [{ scales: [{ quantities: [1, 2] }, { quantities: [1, 2] }], target: 5 }, /totals that differ/],
  [
    { scales: [{ quantities: [1, 0] }, { quantities: [2, 3] }], target: 5 },
    /scales\[0\]\.quantities\[1\]: expected an amount > 0, got 0; .*floor/,
  ],
  [
    { scales: [{ quantities: [1, 2] }, { quantities: [2, 3, 4] }], target: 5 },
    /scales\[1\]\.quantities: expected 2 values/,
  ],
  [{ scales: [{ quantities: [1, 2] }, { quantities: [2, 3] }], target: 0 }, /target: expected a finite number > 0/],
  [{ scales: [{ quantities: [1, 2] }, { quantities: [2, 3] }], target: 5, sizes: [1] }, /sizes: expected 2 values/],
])('refused: %j', (problem, message) => {
  expect(() => predictMixture(problem)).toThrow(message);
});
