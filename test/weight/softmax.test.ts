import { describe, expect, test } from 'vitest';
import { randomNormals, streamOf } from '../../lib/random.ts';
import { addonReason, loadAddon } from '../../lib/backend/addon.ts';
import type { FloatArray } from '../../lib/backend/types.ts';
import { runPortable } from '../../lib/order/kernel.ts';
import {
  softmaxBackwardKernel,
  softmaxKernel,
  softmaxWeights,
  softmaxWeightsAsync,
  softmaxWeightsBackward,
  softmaxWeightsBackwardAsync,
  type SoftmaxOptions,
} from '../../lib/weight/softmax.ts';
import { FILLS, describeForms, firstDifference, orderFixture, runNative } from '../order/forms.ts';

const { input, expected } = orderFixture();
const normals = (n: number, seed: number): Float64Array => {
  const out = new Float64Array(n);
  randomNormals(out, seed, streamOf('softmax'));
  return out;
};
/** Compensated (Kahan 1965), so that it is not the test that rounds. */
const sum = (values: Float64Array): number => {
  let total = 0;
  let lost = 0;
  for (const value of values) {
    const wanted = value - lost;
    const next = total + wanted;
    lost = next - total - wanted;
    total = next;
  }
  return total;
};

/** Fixed-point numbers of so many bits after the point: enough for 100 of exp(-200) to count. */
const EXACT_BITS = 400;

/** A float64 as it is. */
const fixed = (x: number): bigint => {
  // Powers of two are exact, and so is a mantissa of 53 bits as an integer.
  const exponent = x === 0 ? 0 : Math.max(-1000, Math.floor(Math.log2(Math.abs(x))) - 53);
  const mantissa = BigInt(x * 2 ** -exponent);
  return exponent < 0
    ? (mantissa << BigInt(EXACT_BITS)) >> BigInt(-exponent)
    : mantissa << BigInt(EXACT_BITS + exponent);
};

/** exp of a fixed-point number, by the series of its 1024th part, squared ten times. */
const fixedExp = (x: bigint): bigint => {
  const bits = BigInt(EXACT_BITS);
  const part = x >> 10n;
  let term = 1n << bits;
  let total = term;
  for (let k = 1n; term > 1n || term < -1n; k++) {
    term = (term * part) / (k << bits);
    total += term;
  }
  for (let square = 0; square < 10; square++) total = (total * total) >> bits;
  return total;
};

describeForms('exact weights', (run) => {
  const bits = BigInt(EXACT_BITS);
  const cases: Record<string, { scores: FloatArray; temperature?: number; slack?: number }> = {
    'float32, normal': { scores: Float32Array.from(normals(3001, 20)) },
    'float32, nearly equal': { scores: Float32Array.from(normals(3001, 21), (x) => 1 + 1e-6 * x) },
    'float32, two values': { scores: Float32Array.from(normals(3001, 22), (x) => (x > 0 ? 0.7 : -0.3)) },
    'float32, wide': { scores: Float32Array.from(normals(3001, 23), (x) => 20 * x) },
    // The quotient by τ is rounded where the addon multiplies by two words of 1 / τ.
    'float32, temperature': { scores: Float32Array.from(normals(3001, 24)), temperature: 0.37, slack: 1.2e-16 },
    // And so is the difference of float64.
    float64: { scores: normals(3001, 25), slack: 1.2e-16 },
    'float64, wide': { scores: normals(3001, 26).map((x) => 20 * x), slack: 1.2e-16 },
  };

  test.each(Object.keys(cases))('%s', (name) => {
    const { scores, temperature = 1, slack = 0 } = cases[name];
    const highest = Math.max(...scores);
    const argumentsOf = [...scores].map((s) => ((fixed(s) - fixed(highest)) << bits) / fixed(temperature));
    const exponentials = argumentsOf.map(fixedExp);
    const total = exponentials.reduce((a, b) => a + b);
    const weights = run(softmaxKernel(scores, { temperature }));
    weights.forEach((weight, i) => {
      const exact = (exponentials[i] << bits) / total;
      const error = Number(fixed(weight) - exact) / 2 ** EXACT_BITS;
      const argument = Number(argumentsOf[i]) / 2 ** EXACT_BITS;
      const allowed = (6e-16 + slack * Math.abs(argument)) * (Number(exact) / 2 ** EXACT_BITS);
      expect(Math.abs(error)).toBeLessThanOrEqual(allowed);
    });
  });
});

describeForms('fixture', (run) => {
  test.each(input.softmax)('$name', ({ name, scores, tau, d_weights }) => {
    const { weights, d_scores } = expected.softmax[name];
    const actual = run(softmaxKernel(Float64Array.from(scores), { temperature: tau }));
    // exp multiplies the rounding of its argument by the argument: at most 1e4 / tau here where the result is not 0.
    weights.forEach((weight, i) => expect(Math.abs(actual[i] - weight)).toBeLessThanOrEqual(2e-13 * weight));
    const gradients = run(softmaxBackwardKernel(actual, d_weights, { temperature: tau }));
    const scale = Math.max(...d_weights.map(Math.abs)) / tau;
    d_scores.forEach((d, i) =>
      expect(Math.abs(gradients[i] - d)).toBeLessThanOrEqual(1e-15 * scale + 2e-13 * Math.abs(d)),
    );
  });
});

describeForms('softmax', (run) => {
  const weightsOf = (scores: FloatArray, options?: SoftmaxOptions) => run(softmaxKernel(scores, options));
  const backwardOf = (weights: Float64Array, gradient: ArrayLike<number>, options?: SoftmaxOptions) =>
    run(softmaxBackwardKernel(weights, gradient, options));

  test('weights sum to 1 for any finite scores', () => {
    const cases = [
      normals(100_000, 1),
      normals(1000, 2).map((x) => x * 1e4),
      Float64Array.of(1e4, -1e4, 1e4),
      Float64Array.of(-1e308, 1e308),
      Float64Array.of(5e-324, -5e-324, 0),
      new Float64Array(300_007).fill(-3),
    ];
    for (const scores of cases) expect(Math.abs(sum(weightsOf(scores)) - 1)).toBeLessThan(1e-14);
    expect([...weightsOf(Float32Array.of(-1e4, -1e4))]).toEqual([0.5, 0.5]);
  });

  test('temperatures at both ends', () => {
    const scores = Float64Array.of(1, 3, 3, -1e300);
    expect([...weightsOf(scores, { temperature: 1e-290 })]).toEqual([0, 0.5, 0.5, 0]);
    for (const weight of weightsOf(scores, { temperature: 1e308 })) expect(Math.abs(weight - 0.25)).toBeLessThan(1e-7);
  });

  test('adding a constant to all scores changes nothing', () => {
    const scores = Float64Array.of(1, 2, 4, -8);
    expect(weightsOf(scores.map((s) => s + 1024))).toEqual(weightsOf(scores));
  });

  test('equal scores weigh the same wherever they stand', () => {
    const scores = normals(20_000, 6);
    const weights = weightsOf(Float64Array.of(...scores, ...scores.subarray(3)));
    expect(firstDifference(weights.subarray(20_000), weights.subarray(3, 20_000))).toBe(-1);
  });

  test('groups are softmaxes of their own, whatever their ids and order', () => {
    const scores = Float32Array.of(1, 5, 2, -3, 0.5);
    const gradient = normals(5, 3);
    for (const [a, b] of [
      [7, -2],
      [2 ** 31 - 1, -(2 ** 31)],
    ]) {
      const groups = Int32Array.of(a, b, a, b, a);
      const weights = weightsOf(scores, { temperature: 0.7, groups });
      const back = backwardOf(weights, gradient, { temperature: 0.7, groups });
      for (const rows of [
        [0, 2, 4],
        [1, 3],
      ]) {
        const own = weightsOf(
          Float32Array.from(rows, (i) => scores[i]),
          { temperature: 0.7 },
        );
        const ownGradient = backwardOf(
          own,
          Float64Array.from(rows, (i) => gradient[i]),
          { temperature: 0.7 },
        );
        rows.forEach((row, i) => {
          expect(Math.abs(weights[row] - own[i])).toBeLessThan(1e-15);
          expect(Math.abs(back[row] - ownGradient[i])).toBeLessThan(1e-15);
        });
      }
    }
  });

  test.each([undefined, Int32Array.of(0, 1, 0, 1, 1, 0)])('backward is the derivative (groups %o)', (groups) => {
    const scores = normals(6, 4);
    const gradient = normals(6, 5);
    const options = { temperature: 0.5, groups };
    const objective = (s: Float64Array) => sum(weightsOf(s, options).map((w, i) => w * gradient[i]));
    const exact = backwardOf(weightsOf(scores, options), gradient, options);
    const step = 1e-5;
    exact.forEach((derivative, i) => {
      const moved = (by: number) => objective(scores.map((s, j) => (j === i ? s + by : s)));
      expect(Math.abs((moved(step) - moved(-step)) / (2 * step) - derivative)).toBeLessThan(1e-8);
    });
  });

  test.each([NaN, Infinity, -Infinity])('a score of %d is named by index', (bad) => {
    expect(() => weightsOf(Float64Array.of(0, bad))).toThrow('scores[1]: expected a finite number');
    const many = new Float32Array(100_000);
    many[70_001] = bad;
    many[99_999] = bad;
    expect(() => weightsOf(many, { groups: new Int32Array(100_000) })).toThrow(`scores[70001]`);
    expect(() => backwardOf(Float64Array.from(many), many)).toThrow('weights[70001]');
    expect(() => backwardOf(new Float64Array(100_000), many)).toThrow('weightGradients[70001]');
  });

  test('no scores, no weights', () => {
    expect(weightsOf(new Float32Array(0))).toEqual(new Float64Array(0));
    expect(backwardOf(new Float64Array(0), [], { groups: new Int32Array(0) })).toEqual(new Float64Array(0));
  });
});

describe.skipIf(addonReason())('the compiled form beside the TypeScript one', () => {
  const ROWS = 20_001;
  const everyRow = (id: (row: number) => number) => Int32Array.from({ length: ROWS }, (_, row) => id(row));
  const GROUPS: Record<string, Int32Array | undefined> = {
    'one group': undefined,
    'seven groups': everyRow((row) => row % 7),
    'runs of 64': everyRow((row) => row >> 6),
    'a group a row': everyRow((row) => -row),
    'ids far apart': everyRow((row) => Math.imul(row % 5000, 0x9e3779b1)),
  };
  const FILLED: Record<string, (scores: FloatArray) => void> = {
    normal: (scores) => FILLS.normal(scores, 1),
    ties: (scores) => FILLS['many ties'](scores, 2),
    equal: (scores) => scores.fill(0.1),
    'within ±1e4': (scores) => scores.set(normals(ROWS, 8).map((x) => Math.max(-1e4, Math.min(1e4, 4000 * x)))),
    'within ±1e30': (scores) => scores.set(normals(ROWS, 9).map((x) => 1e30 * x)),
  };

  describe.each(Object.keys(GROUPS))('%s', (name) => {
    const groups = GROUPS[name];
    test.each(Object.keys(FILLED))('%s', (fill) => {
      for (const scores of [new Float32Array(ROWS), new Float64Array(ROWS)]) {
        FILLED[fill](scores);
        const options = { temperature: 0.7, groups };
        const kernel = softmaxKernel(scores, options);
        const [native, portable] = [runNative(kernel), runPortable(kernel)];
        const gradient = normals(ROWS, 10);
        const backward = softmaxBackwardKernel(portable, gradient, options);
        const [nativeBack, portableBack] = [runNative(backward), runPortable(backward)];
        let worst = 0;
        let worstBack = 0;
        for (let i = 0; i < ROWS; i++) {
          // Rounding of the argument, which is at most 745, is what the two may differ by; and three subnormal steps.
          const allowed = portable[i] * (1e-15 + 2.3e-16 * Math.abs(Math.log(portable[i] || 1))) + 1.5e-323;
          worst = Math.max(worst, Math.abs(native[i] - portable[i]) / allowed);
          const scale = (portable[i] / 0.7) * (Math.abs(gradient[i]) + 5) * 1e-14 + 1.5e-323;
          worstBack = Math.max(worstBack, Math.abs(nativeBack[i] - portableBack[i]) / scale);
        }
        expect(worst).toBeLessThanOrEqual(1);
        expect(worstBack).toBeLessThanOrEqual(1);
      }
    });
  });

  test('gives the same bits for any number of threads', () => {
    const addon = loadAddon()!;
    const scores = normals(400_003, 11);
    for (const groups of [undefined, Int32Array.from(scores, (_, i) => i % 1000)]) {
      const forThreads = [1, 2, 5].map((threads) => {
        const weights = addon.softmaxWeights(scores, groups, 0.3, threads, undefined) as Float64Array;
        const back = addon.softmaxWeightsBackward(weights, scores, groups, 0.3, threads, undefined) as Float64Array;
        return Buffer.concat([weights, back].map((array) => Buffer.from(array.buffer)));
      });
      for (const bits of forThreads) expect(bits.equals(forThreads[0])).toBe(true);
    }
  });
});

describe.skipIf(addonReason())('on both sides of the size from which results go past the caches', () => {
  const PERIOD = 70_001;
  test.each([2 ** 22 - 3, 2 ** 22 + 3])('%i rows', (rows) => {
    const addon = loadAddon()!;
    const repeated = normals(PERIOD, 14);
    const scores = Float32Array.from({ length: rows }, (_, i) => repeated[i % PERIOD]);
    const gradients = new Float64Array(scores);
    const weights = addon.softmaxWeights(scores, undefined, 0.7, 2, undefined) as Float64Array;
    const back = addon.softmaxWeightsBackward(weights, gradients, undefined, 0.7, 2, undefined) as Float64Array;
    const portable = runPortable(softmaxKernel(scores, { temperature: 0.7 }));
    let worst = 0;
    let different = 0;
    for (let i = 0; i < rows; i++) {
      worst = Math.max(worst, Math.abs(weights[i] / portable[i] - 1));
      if (weights[i] !== weights[i % PERIOD] || back[i] !== back[i % PERIOD]) different++;
    }
    expect(worst).toBeLessThan(5e-15);
    expect(different).toBe(0);
    expect(Math.abs(sum(weights) - 1)).toBeLessThan(1e-14);
    expect(Math.abs(sum(back))).toBeLessThan(1e-14);

    // Whatever the threads, and wherever in a cache line the result begins; what is around it stays.
    for (const [threads, begin] of [
      [1, 1],
      [5, 6],
    ]) {
      const room = new Float64Array(rows + 8).fill(-1);
      const into = room.subarray(begin, begin + rows);
      addon.softmaxWeights(scores, undefined, 0.7, threads, into);
      expect(firstDifference(into, weights)).toBe(-1);
      addon.softmaxWeightsBackward(weights, gradients, undefined, 0.7, threads, into);
      expect(firstDifference(into, back)).toBe(-1);
      expect([room[begin - 1], room[begin + rows]]).toEqual([-1, -1]);
    }
    // In place.
    const both = gradients.slice();
    addon.softmaxWeights(both, undefined, 0.7, 2, both);
    expect(firstDifference(both, weights)).toBe(-1);
    addon.softmaxWeightsBackward(both, gradients, undefined, 0.7, 2, both);
    expect(firstDifference(both, back)).toBe(-1);
  });

  test('a score that is not finite leaves the result as it was', () => {
    const scores = new Float32Array(2 ** 22 + 3);
    scores[3_000_000] = NaN;
    const into = new Float64Array(scores.length).fill(-1);
    expect(() => softmaxWeights(scores, { into })).toThrow('scores[3000000]');
    expect(into.every((x) => x === -1)).toBe(true);
  });
});

describe('asynchronous forms', () => {
  const scores = normals(300_000, 12);
  const groups = Int32Array.from(scores, (_, i) => i % 3);

  test('give what the synchronous ones give', async () => {
    const weights = softmaxWeights(scores, { temperature: 2, groups });
    expect(firstDifference(await softmaxWeightsAsync(scores, { temperature: 2, groups }), weights)).toBe(-1);
    const gradient = Float32Array.from(scores);
    const back = softmaxWeightsBackward(weights, gradient, { groups });
    expect(firstDifference(await softmaxWeightsBackwardAsync(weights, gradient, { groups }), back)).toBe(-1);
  });

  test('reject instead of throwing, and with the reason of an aborted signal', async () => {
    const bad = scores.slice();
    bad[7] = Infinity;
    await expect(softmaxWeightsAsync(bad)).rejects.toThrow('scores[7]');
    await expect(softmaxWeightsBackwardAsync(scores, bad)).rejects.toThrow('weightGradients[7]');
    await expect(softmaxWeightsAsync(scores, { temperature: 0 })).rejects.toThrow('temperature');
    const reason = new Error('enough');
    await expect(softmaxWeightsAsync(scores, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const running = softmaxWeightsAsync(scores, { signal: controller.signal });
    controller.abort(reason);
    await expect(running).rejects.toBe(reason);
  });
});

test.each([300_000, 5])('results go where they are wanted (%i rows)', async (n) => {
  const scores = normals(n, 13);
  const weights = softmaxWeights(scores);
  const back = softmaxWeightsBackward(weights, scores);
  const into = new Float64Array(n).fill(NaN);
  expect(softmaxWeights(scores, { into })).toBe(into);
  expect(firstDifference(into, weights)).toBe(-1);
  expect(await softmaxWeightsBackwardAsync(weights, scores, { into })).toBe(into);
  expect(firstDifference(into, back)).toBe(-1);
  expect(softmaxWeightsBackward(weights, scores, { into: weights })).toBe(weights);
  expect(firstDifference(weights, back)).toBe(-1);
  expect(await softmaxWeightsAsync(scores, { into: scores })).toBe(scores);
  expect(Math.abs(sum(scores) - 1)).toBeLessThan(1e-14);
});

test('a temperature whose reciprocal overflows', () => {
  const scores = new Float64Array(5000);
  scores[4321] = 1e-300;
  expect(softmaxWeights(scores, { temperature: 5e-324 })[4321]).toBe(1);
});

describe('arguments', () => {
  test.each([0, -1, NaN, Infinity])('temperature %d is refused', (temperature) => {
    expect(() => softmaxWeights(Float64Array.of(1), { temperature })).toThrow('temperature');
    expect(() => softmaxWeightsBackward([1], [1], { temperature })).toThrow('temperature');
  });
  test('lengths and types are checked', () => {
    expect(() => softmaxWeights(Float64Array.of(1), { into: new Float64Array(2) })).toThrow('into: expected 1 values');
    expect(() => softmaxWeights(Float64Array.of(1), { into: new Float32Array(1) as unknown as Float64Array })).toThrow(
      'into: expected a Float64Array',
    );
    expect(() => softmaxWeights([1] as unknown as Float32Array)).toThrow('scores: expected a Float32Array');
    expect(() => softmaxWeights(Float64Array.of(1), { groups: new Int32Array(2) })).toThrow(
      'groups: expected 1 values',
    );
    expect(() => softmaxWeightsBackward([1, 2], [1])).toThrow('weightGradients: expected 2 values');
    expect(() => softmaxWeights(Float64Array.of(1), { groups: [0] as unknown as Int32Array })).toThrow(
      'groups: expected an Int32Array',
    );
  });
});
