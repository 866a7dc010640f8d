import { describe, expect, test } from 'vitest';
import { acceptProbability } from '../../lib/weight/accept.ts';
import { orderFixture } from '../order/forms.ts';

const { input, expected } = orderFixture();

/** |a − b| / b, where the exact value is not below the double range. */
const closeTo = (actual: number, exact: number, tolerance: number) =>
  expect(Math.abs(actual - exact), `${actual} beside ${exact}`).toBeLessThanOrEqual(tolerance * exact);

test.each(input.p_accept.map((entry, i) => ({ ...entry, exact: expected.p_accept[i] })))(
  'fixture p=$p B=$B K=$K',
  ({ p, B, K, exact }) => closeTo(acceptProbability(p, { batch: B, keep: K }), exact, 1e-12),
);

describe('small batches equal the sum written out', () => {
  const chooseRow = (n: number) => {
    const row = [1];
    for (let s = 0; s < n; s++) row.push((row[s] * (n - s)) / (s + 1));
    return row;
  };
  test.each([2, 5, 16, 31, 50])('B = %i', (batch) => {
    const choose = chooseRow(batch - 1);
    for (let keep = 1; keep <= batch; keep++) {
      for (const p of [0, 1e-6, 0.1, 0.37, 0.5, 0.8, 0.999999, 1]) {
        let direct = 0;
        for (let s = 0; s < keep; s++) direct += choose[s] * (1 - p) ** s * p ** (batch - 1 - s);
        closeTo(acceptProbability(p, { batch, keep }), Math.min(1, direct), 1e-12);
      }
    }
  });
});

describe('a batch of a million', () => {
  const batch = 1_000_000;
  test('rises with p from 0 to 1, steeply where the kept fraction lies', () => {
    const at = (p: number) => acceptProbability(p, { batch, keep: 250_000 });
    const grid = Array.from({ length: 1001 }, (_, i) => at(i / 1000));
    for (let i = 1; i < grid.length; i++) expect(grid[i]).toBeGreaterThanOrEqual(grid[i - 1]);
    expect(at(0.75)).toBeCloseTo(0.5, 3);
    expect(at(0.74)).toBeLessThan(1e-100);
    expect(at(0.76)).toBe(1);
  });
  test('averages to the kept fraction over uniform p', () => {
    // ∫ P(p) dp = K / B exactly; the midpoint rule on a smooth step that is resolved by the grid.
    const cells = 20_000;
    let mean = 0;
    for (let i = 0; i < cells; i++) mean += acceptProbability((i + 0.5) / cells, { batch, keep: 250_000 }) / cells;
    expect(mean).toBeCloseTo(0.25, 9);
  });
  test('keeping one is p to the number of others', () => {
    closeTo(acceptProbability(1 - 1e-6, { batch, keep: 1 }), Math.exp(999_999 * Math.log1p(-1e-6)), 1e-10);
  });
});

test.each([
  [NaN, 4, 2, 'p:'],
  [1.1, 4, 2, 'p:'],
  [0.5, 0, 1, 'batch:'],
  [0.5, 4, 0, 'keep:'],
  [0.5, 4, 5, 'keep: expected an integer in [1, 4], got 5'],
])('p = %d, batch %i, keep %i is refused', (p, batch, keep, message) => {
  expect(() => acceptProbability(p, { batch, keep })).toThrow(message);
});
