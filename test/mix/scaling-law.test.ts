import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { lawErrors } from '../../lib/mix/law-least-squares.ts';
import { lawGain, lawJacobian, lawValue } from '../../lib/mix/law.ts';
import { DIAGNOSES, FALLBACKS, fitScalingLaw, type ScalingLaw } from '../../lib/mix/scaling-law.ts';
import { numbers, someLaws } from './laws.ts';

interface Input {
  ddo: { name: string; x: number[] }[];
}
interface Expected {
  ddo: Record<string, { fits: (ScalingLaw & { y: number[] })[] }>;
}
const read = <T>(name: string): T =>
  JSON.parse(readFileSync(new URL(`../fixtures/autoscale/${name}.json`, import.meta.url), 'utf8')) as T;
const input = read<Input>('input');
const expected = read<Expected>('expected');

const far = (x: number, of: number): number => Math.abs(x / of - 1);

describe('three points', () => {
  test.each(input.ddo)('fixture $name: exactly', ({ name, x }) => {
    for (const { y, a, b, c } of expected.ddo[name].fits) {
      const fit = fitScalingLaw(x, y);
      expect(fit).toMatchObject({ method: 'exact', diagnosis: null, fallback: null, standardErrors: null });
      expect(far(fit.a, a)).toBeLessThan(1e-12);
      expect(far(fit.b, b)).toBeLessThan(1e-12);
      expect(far(fit.c, c)).toBeLessThan(1e-12);
      expect(fit.residual).toBeLessThan(1e-15);
    }
  });

  test('the other law through the same points goes through them too, with a smaller b', () => {
    const { x } = input.ddo[0];
    for (const { y } of expected.ddo.seven.fits) {
      const { b, alternative } = fitScalingLaw(x, y);
      expect(alternative!.b).toBeLessThan(b);
      x.forEach((amount, i) => expect(lawValue(alternative!, amount)).toBeCloseTo(y[i], 14));
    }
  });

  test('random laws: every fit goes through its points, and is the law or the steeper of the two', () => {
    const between = numbers('three points');
    for (const law of someLaws(60, between)) {
      const x = [between(0, 0.6), 1, between(1.6, 6)];
      const y = x.map((amount) => lawValue(law, amount));
      const fit = fitScalingLaw(x, y);
      expect(fit.method).toBe('exact');
      expect(fit.residual).toBeLessThan(1e-14);
      const nearest = [fit, fit.alternative ?? fit].sort((p, q) => far(p.b, law.b) - far(q.b, law.b))[0];
      expect(far(nearest.b, law.b)).toBeLessThan(1e-7);
      expect(fit.b).toBeGreaterThanOrEqual(nearest.b);
    }
  });

  test('neither the order of the points nor repeated ones matter', () => {
    const { x } = input.ddo[0];
    const { y } = expected.ddo.seven.fits[0];
    const plain = fitScalingLaw(x, y);
    expect(fitScalingLaw([x[2], x[0], x[1]], [y[2], y[0], y[1]])).toEqual(plain);
    const noisy = fitScalingLaw([...x, x[0]], [y[0] - 1e-3, y[1], y[2], y[0] + 1e-3]);
    expect(far(noisy.a, plain.a)).toBeLessThan(1e-9);
    expect(noisy.residual).toBeCloseTo(Math.sqrt(2e-6 / 4), 12);
  });

  test('errors follow from the Jacobian and the stated σ', () => {
    const { x } = input.ddo[0];
    const { y } = expected.ddo.seven.fits[0];
    const sigma = [0.001, 0.0005, 0.002];
    const { standardErrors, ...law } = fitScalingLaw(x, y, { sigma });
    // Three points: each parameter is a function of the values, so its variance is Σ (∂/∂y_i)² σ_i².
    const variance = { a: 0, b: 0, c: 0 };
    const step = 1e-6;
    x.forEach((_, i) => {
      const moved = (by: number) =>
        fitScalingLaw(
          x,
          y.map((value, j) => (i === j ? value + by : value)),
        );
      const [up, down] = [moved(step), moved(-step)];
      for (const name of ['a', 'b', 'c'] as const) {
        variance[name] += (((up[name] - down[name]) / (2 * step)) * sigma[i]) ** 2;
      }
    });
    for (const name of ['a', 'b', 'c'] as const) {
      expect(far(standardErrors![name], Math.sqrt(variance[name]))).toBeLessThan(1e-4);
    }
    expect(law.method).toBe('exact');
  });
});

describe('more than three points', () => {
  const x = [0.1, 0.2, 0.5, 1, 2, 3, 5];

  test('points of a law give the law', () => {
    for (const law of someLaws(25, numbers('exact least squares'))) {
      const fit = fitScalingLaw(
        x,
        x.map((amount) => lawValue(law, amount)),
      );
      expect(fit.method).toBe('least-squares');
      expect(far(fit.a, law.a)).toBeLessThan(1e-6);
      expect(far(fit.b, law.b)).toBeLessThan(1e-6);
      expect(fit.residual).toBeLessThan(1e-12);
    }
  });

  test('noisy points: the gradient vanishes, and no law near by is better', () => {
    const between = numbers('noisy least squares');
    let checked = 0;
    for (const law of someLaws(15, between)) {
      const y = x.map((amount) => lawValue(law, amount) + between(-1e-3, 1e-3));
      const fit = fitScalingLaw(x, y);
      if (fit.method !== 'least-squares') continue; // some of these laws are too flat for the noise
      checked++;
      const residuals = x.map((amount, i) => y[i] - lawValue(fit, amount));
      const rows = x.map((amount) => lawJacobian(fit, amount));
      for (const k of [0, 1, 2]) {
        const product = rows.reduce((sum, row, i) => sum + row[k] * residuals[i], 0);
        const size = Math.sqrt(
          rows.reduce((sum, row) => sum + row[k] ** 2, 0) * residuals.reduce((s, r) => s + r * r, 0),
        );
        expect(Math.abs(product) / size).toBeLessThan(1e-6);
      }
      const squares = (candidate: ScalingLaw) => x.reduce((sum, v, i) => sum + (y[i] - lawValue(candidate, v)) ** 2, 0);
      for (const name of ['a', 'b', 'c'] as const) {
        for (const factor of [0.999, 1.001]) {
          expect(squares({ ...fit, [name]: fit[name] * factor })).toBeGreaterThan(squares(fit));
        }
      }
    }
    expect(checked).toBeGreaterThan(8);
  });

  test('standard errors are those of repeated experiments', () => {
    const between = numbers('coverage');
    const law = { a: 1.5, b: 0.9, c: 0.6 };
    const deviations: number[] = [];
    const claimed: number[] = [];
    for (let experiment = 0; experiment < 80; experiment++) {
      // The sum of twelve uniform numbers, less 6, is nearly normal.
      const noise = () => 5e-4 * (Array.from({ length: 12 }, () => between(0, 1)).reduce((s, u) => s + u, 0) - 6);
      const y = x.map((amount) => lawValue(law, amount) + noise());
      const fit = fitScalingLaw(x, y, { sigma: x.map(() => 5e-4) });
      expect(fit.method).toBe('least-squares');
      deviations.push(Math.log(fit.b / law.b));
      claimed.push(fit.standardErrors!.b / fit.b);
    }
    const spread = Math.sqrt(deviations.reduce((sum, e) => sum + e * e, 0) / deviations.length);
    const mean = claimed.reduce((sum, e) => sum + e, 0) / claimed.length;
    expect(spread / mean).toBeGreaterThan(0.75);
    expect(spread / mean).toBeLessThan(1.3);
  });

  test('points of small σ count for more', () => {
    const law = { a: 2, b: 1.2, c: 0.7 };
    const y = x.map((amount) => lawValue(law, amount));
    y[6] += 0.02;
    const sigma = x.map((_, i) => (i === 6 ? 1 : 1e-4));
    const weighted = fitScalingLaw(x, y, { sigma });
    expect(far(weighted.b, law.b)).toBeLessThan(1e-3);
    expect(far(fitScalingLaw(x, y).b, law.b)).toBeGreaterThan(0.05);
  });
});

test('the Jacobian is that of finite differences', () => {
  const between = numbers('jacobian');
  for (const law of someLaws(20, between)) {
    const x = between(0, 5);
    const step = 1e-6;
    const names = ['a', 'b', 'c'] as const;
    names.forEach((name, k) => {
      const at = (by: number) => lawValue({ ...law, [name]: law[name] + by }, x);
      expect(lawJacobian(law, x)[k]).toBeCloseTo((at(step) - at(-step)) / (2 * step), 8);
    });
    expect(lawGain(law, x)).toBeCloseTo((lawValue(law, x - step) - lawValue(law, x + step)) / (2 * step), 8);
  }
});

test('errors scale with the scatter when σ is not known', () => {
  const law = { a: 1, b: 1, c: 0.5 };
  const points = (size: number) =>
    [0, 0.5, 1, 2, 4].map((x, i) => ({ x, y: lawValue(law, x) + size * (-1) ** i, weight: 1 }));
  const [one, two] = [1e-4, 2e-4].map((size) => lawErrors(points(size), law, false)!);
  expect(two.a / one.a).toBeCloseTo(2, 10);
  expect(lawErrors(points(1e-4).slice(0, 3), law, false)).toBeNull();
});

describe('data of another shape', () => {
  test.each([
    ['flat', [0.2, 1, 3], [1, 1, 1], 'no-effect'],
    ['increasing', [0.2, 1, 3], [0.95, 1, 1.1], 'no-effect'],
    ['increasing', [1, 3], [1, 1.1], 'no-effect'],
    ['non-monotone', [0.2, 1, 3], [1.1, 1, 1.02], 'fixed-exponent'],
    ['non-monotone', [0.2, 1, 3], [0.98, 1, 1.02 - 0.06], 'fixed-exponent'],
    ['concave', [0.2, 1, 3], [1.02, 1, 0.8], 'fixed-exponent'],
    ['concave', [1, 2, 3], [1, 0.9, 0.8], 'fixed-exponent'],
    ['too-steep', [0.2, 1, 3], [30, 20, 12], 'fixed-exponent'],
    ['too-few-points', [1, 3], [1, 0.9], 'fixed-exponent'],
    ['too-few-points', [1], [1], 'no-effect'],
    ['non-monotone', [0.3, 1, 2, 3], [1.1, 1, 1.04, 0.99], 'fixed-exponent'],
    ['undetermined', [0.3, 1, 2, 3], [1.01, 1, 0.97, 0.9], 'fixed-exponent'],
  ] as const)('%s: %j, %j', (diagnosis, x, y, fallback) => {
    const fit = fitScalingLaw(x, y);
    expect(fit).toMatchObject({ method: 'fallback', diagnosis, fallback, standardErrors: null, alternative: null });
    expect(fit.a).toBeGreaterThan(0);
    expect(fit.b).toBe(1.5);
    for (const value of [fit.a, fit.c, fit.residual]) expect(Number.isFinite(value)).toBe(true);
    expect(DIAGNOSES[diagnosis]).toMatch(/\w/);
    expect(FALLBACKS[fallback]).toMatch(/\w/);
  });

  test('two points, as of an experiment without reductions: the law goes through them', () => {
    const fit = fitScalingLaw([1, 3], [1, 0.9]);
    expect(lawValue(fit, 1)).toBeCloseTo(1, 14);
    expect(lawValue(fit, 3)).toBeCloseTo(0.9, 14);
  });

  test('the fallback is the best of its kind', () => {
    const [x, y] = [
      [0.2, 1, 3],
      [1.1, 1, 1.02],
    ];
    const fit = fitScalingLaw(x, y);
    const squares = (a: number) => {
      const c = x.reduce((sum, v, i) => sum + (y[i] - (v + a) ** -1.5) / 3, 0);
      return x.reduce((sum, v, i) => sum + (y[i] - (v + a) ** -1.5 - c) ** 2, 0);
    };
    for (const a of [0.5, 0.9, 0.999, 1.001, 1.1, 3]) expect(squares(fit.a * a)).toBeGreaterThan(squares(fit.a));
  });
});

test.each([
  [[1, NaN, 3], [1, 1, 1], undefined, /x\[1\]: expected a finite number, got NaN/],
  [[1, 2, 3], [1, Infinity, 1], undefined, /y\[1\]: expected a finite number, got Infinity/],
  [[1, -2, 3], [1, 1, 1], undefined, /x\[1\]: expected an amount >= 0, got -2/],
  [[1, 2, 3], [1, 1], undefined, /y: expected 3 values/],
  [[], [], undefined, /x: expected at least one amount/],
  [[1, 2, 3], [3, 2, 1], [1, 0, 1], /sigma\[1\]: expected a number > 0, got 0/],
])('refused: %j %j', (x, y, sigma, message) => {
  expect(() => fitScalingLaw(x, y, { sigma })).toThrow(message);
});
