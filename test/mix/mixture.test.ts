import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { descendMixture } from '../../lib/mix/mixture-descent.ts';
import { optimizeMixture, type MixtureProblem } from '../../lib/mix/mixture.ts';
import type { ScalingLaw } from '../../lib/mix/scaling-law.ts';
import { numbers, someLaws } from './laws.ts';

interface Case {
  fits: ScalingLaw[];
  amounts: number[];
  weights: number[];
  multiplier: number;
  at_lower_bound: boolean[];
  objective: number;
  objective_at_start: number;
}
const read = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../fixtures/autoscale/${name}.json`, import.meta.url), 'utf8'));
const { ddo } = read('input') as { ddo: { name: string; lower_bound: number; total: number }[] };
const expected = (read('expected') as { ddo: Record<string, Case> }).ddo;

const total = (values: readonly number[]) => values.reduce((sum, x) => sum + x, 0);

test.each(ddo)('fixture $name', ({ name, lower_bound, total: budget }) => {
  const { fits, amounts, weights, multiplier, at_lower_bound, objective, objective_at_start } = expected[name];
  const found = optimizeMixture({ quantities: fits.map(() => 1), laws: fits, floor: lower_bound, total: budget });
  amounts.forEach((n, d) => expect(found.quantities[d]).toBeCloseTo(n, 12));
  weights.forEach((w, d) => expect(found.weights[d]).toBeCloseTo(w, 12));
  expect(found.multiplier).toBeCloseTo(multiplier, 13);
  expect(found.objective).toBeCloseTo(objective, 12);
  expect(found.baseObjective).toBeCloseTo(objective_at_start, 12);
  expect(found.atFloor).toEqual(at_lower_bound);
  expect(found.kktResidual).toBeLessThan(1e-14);
});

/** Another way to the optimum: amounts move between pairs of domains, each move a golden section, until none gains. */
function byExchange({ quantities, laws, floor, caps, importance, total: budget }: Required<MixtureProblem>): number[] {
  const [q, low, high, w] = [quantities, floor, caps, importance].map((list) => Array.from(list as number[]));
  const m = q.length;
  // A feasible start: fill from the floors up.
  const x = [...low];
  let rest = budget - total(q.map((each, d) => each * x[d]));
  for (let d = 0; d < m; d++) {
    const more = Math.min(high[d] - x[d], rest / q[d]);
    x[d] += more;
    rest -= more * q[d];
  }
  const term = (d: number, value: number) => w[d] * (value + laws[d].a) ** -laws[d].b;
  const golden = (Math.sqrt(5) - 1) / 2;
  for (let sweep = 0; sweep < 400; sweep++) {
    let moved = 0;
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < i; j++) {
        const f = (s: number) => term(i, x[i] + s / q[i]) + term(j, x[j] - s / q[j]);
        let from = Math.max((low[i] - x[i]) * q[i], (x[j] - high[j]) * q[j]);
        let to = Math.min((high[i] - x[i]) * q[i], (x[j] - low[j]) * q[j]);
        for (let k = 0; k < 70; k++) {
          const [p, r] = [to - golden * (to - from), from + golden * (to - from)];
          if (f(p) < f(r)) to = r;
          else from = p;
        }
        const s = (from + to) / 2;
        if (f(s) >= f(0)) continue;
        x[i] += s / q[i];
        x[j] -= s / q[j];
        moved = Math.max(moved, Math.abs(s));
      }
    }
    if (moved < 1e-9 * budget) break;
  }
  return x;
}

const bounded = (between: (low: number, high: number) => number, domains: number): Required<MixtureProblem> => {
  const quantities = Array.from({ length: domains }, () => between(0.3, 3));
  const floor = quantities.map(() => between(0, 0.5));
  const caps = quantities.map(() => between(0.9, 4));
  const least = total(quantities.map((q, d) => q * floor[d]));
  const most = total(quantities.map((q, d) => q * caps[d]));
  return {
    quantities,
    laws: someLaws(domains, between),
    floor,
    caps,
    importance: quantities.map(() => between(0.5, 2)),
    total: between(least * 1.01, most * 0.99),
  };
};

test('random problems: optimal to 1e-10, within bounds, and as good as by another way', () => {
  const between = numbers('mixtures');
  let bound = 0;
  for (let i = 0; i < 40; i++) {
    const problem = bounded(between, 2 + (i % 7));
    const found = optimizeMixture(problem);
    expect(found.kktResidual).toBeLessThan(1e-10);
    expect(total(found.quantities)).toBeCloseTo(problem.total, 10);
    expect(total(found.weights)).toBeCloseTo(1, 12);
    const [floor, caps] = [problem.floor as number[], problem.caps as number[]];
    found.multiples.forEach((x, d) => {
      expect(x).toBeGreaterThanOrEqual(floor[d]);
      expect(x).toBeLessThanOrEqual(caps[d]);
    });
    bound += found.atFloor.filter(Boolean).length + found.atCap.filter(Boolean).length;
    const other = byExchange(problem);
    const objective = (x: number[]) =>
      total(problem.laws.map(({ a, b }, d) => (problem.importance as number[])[d] * (x[d] + a) ** -b));
    expect(found.objective).toBeLessThanOrEqual(objective(other) + 1e-13);
    other.forEach((x, d) => expect(found.multiples[d]).toBeCloseTo(x, 4));
  }
  expect(bound).toBeGreaterThan(20); // the bounds are not idle
});

test('many domains, extreme laws and budgets stay optimal', () => {
  const between = numbers('extreme mixtures');
  for (const budget of [1e-6, 1, 1e3, 1e9]) {
    const laws = Array.from({ length: 200 }, () => ({ a: 10 ** between(-6, 6), b: 10 ** between(-4, 1.5) }));
    const quantities = laws.map(() => 10 ** between(-3, 3));
    const found = optimizeMixture({ quantities, laws, total: budget });
    expect(found.kktResidual).toBeLessThan(1e-10);
    expect(total(found.quantities) / budget).toBeCloseTo(1, 12);
  }
});

test('neither the order of the domains nor the unit matters', () => {
  const between = numbers('invariance');
  for (let i = 0; i < 10; i++) {
    const problem = bounded(between, 6);
    const found = optimizeMixture(problem);
    const order = [4, 0, 5, 2, 1, 3];
    const pick = <T>(list: ArrayLike<T>) => order.map((d) => list[d]);
    const permuted = optimizeMixture({
      quantities: pick(problem.quantities),
      laws: pick(problem.laws),
      floor: pick(problem.floor as number[]),
      caps: pick(problem.caps as number[]),
      importance: pick(problem.importance),
      total: problem.total,
    });
    pick(found.weights).forEach((w, d) => expect(permuted.weights[d]).toBeCloseTo(w, 12));
    const scaled = optimizeMixture({
      ...problem,
      quantities: Array.from(problem.quantities, (q) => q * 1e9),
      total: problem.total * 1e9,
    });
    found.weights.forEach((w, d) => expect(scaled.weights[d]).toBeCloseTo(w, 12));
    found.multiples.forEach((x, d) => expect(scaled.multiples[d]).toBeCloseTo(x, 10));
  }
});

test('equal laws and base amounts share equally; a floor moves only what it must', () => {
  const law = { a: 2, b: 1.5 };
  expect(optimizeMixture({ quantities: [1, 1, 1], laws: [law, law, law] }).weights).toEqual([1 / 3, 1 / 3, 1 / 3]);
  const laws = [law, law, { a: 50, b: 1.5 }];
  const free = optimizeMixture({ quantities: [1, 1, 1], laws });
  expect(free.multiples[2]).toBe(0);
  const held = optimizeMixture({ quantities: [1, 1, 1], laws, floor: [0, 0, 0.6] });
  expect(held.multiples[2]).toBe(0.6);
  expect(held.multiples[0]).toBeCloseTo(1.2, 14);
  const idle = optimizeMixture({ quantities: [1, 1, 1], laws: [law, law, law], floor: 0.2 });
  expect(idle.atFloor).toEqual([false, false, false]);
});

test('bounds that leave no choice', () => {
  const laws = someLaws(3, numbers('no choice'));
  const quantities = [1, 2, 3];
  const least = optimizeMixture({ quantities, laws, floor: 0.5, total: 3 });
  expect(least.multiples).toEqual([0.5, 0.5, 0.5]);
  expect(least.kktResidual).toBeLessThan(1e-10);
  const most = optimizeMixture({ quantities, laws, caps: 2, total: 12 });
  expect(most.multiples).toEqual([2, 2, 2]);
  expect(most.kktResidual).toBeLessThan(1e-10);
});

describe('refused', () => {
  const laws = someLaws(2, numbers('refused'));
  test.each([
    [
      { quantities: [1, 1], laws, floor: 0.6, total: 1 },
      /total: expected at least 1\.2, which the floors add up to, got 1/,
    ],
    [
      { quantities: [1, 1], laws, caps: 0.4, total: 1 },
      /total: expected at most 0\.8, which the caps add up to, got 1/,
    ],
    [{ quantities: [1, 1], laws, floor: 0.5, caps: 0.4 }, /caps\[0\]: expected a multiple >= its floor 0\.5, got 0\.4/],
    [{ quantities: [1, 0], laws }, /quantities\[1\]: expected a finite number > 0, got 0/],
    [{ quantities: [1, 1, 1], laws }, /laws: expected 3 values/],
    [{ quantities: [1, 1], laws: [laws[0], { a: -1, b: 1 }] }, /laws\[1\]\.a: expected a finite number > 0, got -1/],
    [{ quantities: [1, 1], laws: [laws[0], { a: 1, b: NaN }] }, /laws\[1\]\.b: expected a finite number > 0, got NaN/],
    [{ quantities: [1, 1], laws, importance: [1, 0] }, /importance\[1\]/],
    [{ quantities: [], laws: [] }, /quantities: expected an amount for each domain/],
  ])('%#', (problem: MixtureProblem, message) => {
    expect(() => optimizeMixture(problem)).toThrow(message);
  });
});

test('the published descent comes near the optimum, and nearer with more steps', () => {
  const { fits } = expected.seven;
  const problem = { quantities: fits.map(() => 1), laws: fits, floor: 0.2, total: 7 };
  const exact = optimizeMixture(problem);
  const distance = (steps: number) => {
    const { multiples, atFloor } = descendMixture({ ...problem, steps });
    expect(atFloor).toEqual(exact.atFloor);
    expect(total(multiples)).toBeCloseTo(7, 10);
    return Math.max(...multiples.map((x, d) => Math.abs(x - exact.multiples[d])));
  };
  expect(distance(10_000)).toBeLessThan(1e-9);
  expect(distance(3000)).toBeGreaterThan(distance(10_000));
  expect(distance(3000)).toBeLessThan(1e-2);
});

test('the descent means the same in every unit', () => {
  const { fits } = expected.three;
  const problem = { quantities: [1, 1, 1], laws: fits, floor: 0.2, total: 3, steps: 500 };
  const plain = descendMixture(problem);
  const scaled = descendMixture({ ...problem, quantities: [4e8, 4e8, 4e8], total: 12e8 });
  plain.weights.forEach((w, d) => expect(scaled.weights[d]).toBeCloseTo(w, 12));
});
