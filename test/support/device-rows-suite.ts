// Ordering and weights by a device with memory of its own beside the TypeScript forms: the same rows to the last one, the
// same weights to the rounding of their exponentials.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Backend, DeviceRows, FloatArray } from '../../lib/backend/types.ts';
import { argsortAsync, argsortKernel } from '../../lib/order/argsort.ts';
import { foldKernel, foldOrderAsync } from '../../lib/order/fold.ts';
import { runPortable } from '../../lib/order/kernel.ts';
import { measureOrder } from '../../lib/order/measure.ts';
import { randomNormals, randomUint32, streamOf } from '../../lib/random.ts';
import { topKAsync, topKKernel } from '../../lib/select/top-k.ts';
import {
  softmaxBackwardKernel,
  softmaxKernel,
  softmaxWeightsAsync,
  softmaxWeightsBackwardAsync,
} from '../../lib/weight/softmax.ts';
import { FILLS, firstDifference, orderFixture, sortedByComparison } from '../order/forms.ts';

const TYPES = { Float32Array, Float64Array };
type TypeName = keyof typeof TYPES;

const MANY = 20_011;
const everyRow = (id: (row: number) => number) => Int32Array.from({ length: MANY }, (_, row) => id(row));
const GROUPS: Record<string, Int32Array | undefined> = {
  'one group': undefined,
  'one group by its id': everyRow(() => -3),
  'seven groups': everyRow((row) => row % 7),
  'runs of 33': everyRow((row) => Math.floor(row / 33)),
  'a group a row': everyRow((row) => -row),
  'one large, many of one row': everyRow((row) => (row % 2 ? row : 2 ** 31 - 1)),
  'ids far apart': everyRow((row) => Math.imul(randomUint32(4, 0, row) % 500, 0x9e3779b1)),
};

export function describeDeviceRows(open: () => Promise<Backend>): void {
  let backend: Backend;
  let rows: DeviceRows;
  const refused = (promise: Promise<unknown>, what: string) =>
    expect(promise).rejects.toMatchObject({ code: 'INVALID_DATA', message: expect.stringContaining(what) as string });

  beforeAll(async () => {
    backend = await open();
    rows = backend.engine.rows!;
  });
  afterAll(() => backend.dispose());

  describe.each(Object.keys(TYPES) as TypeName[])('the order of a %s', (type) => {
    it.each(Object.keys(FILLS))('%s', async (fill) => {
      for (const n of [1, 2, 33, 4097, MANY]) {
        const scores: FloatArray = new TYPES[type](n);
        FILLS[fill](scores, n);
        for (const descending of [false, true]) {
          const order = await argsortAsync(scores, { descending, backend });
          expect(firstDifference(order, runPortable(argsortKernel(scores, { descending })))).toBe(-1);
        }
        for (const layers of [2, 3, n, 4_000_000_000]) {
          const order = await foldOrderAsync(scores, { layers, backend });
          expect(firstDifference(order, runPortable(foldKernel(scores, { layers })))).toBe(-1);
        }
        for (const k of [1, Math.ceil(n / 3), n]) {
          const order = await topKAsync(scores, k, { backend });
          expect(firstDifference(order, runPortable(topKKernel(scores, k)))).toBe(-1);
        }
      }
    });

    it('keeps the last of the ascending order in either direction, and folds what it keeps', async () => {
      const scores: FloatArray = new TYPES[type](5000);
      FILLS['many ties'](scores, 3);
      const highest = sortedByComparison(scores).slice(-1777);
      const places = Uint32Array.from(highest).sort();
      const chosen = scores.filter((_, row) => places.includes(row));
      const descending = sortedByComparison(chosen, true).map((place) => places[place]);
      expect(await rows.sort(scores, { descending: true, keep: 1777, layers: 1 })).toEqual(
        Uint32Array.from(descending),
      );
      const folded = [0, 1, 2, 3].flatMap((layer) => highest.filter((_, i) => i % 4 === layer));
      expect(await rows.sort(scores, { descending: false, keep: 1777, layers: 4 })).toEqual(Uint32Array.from(folded));
      expect(await rows.sort(scores, { descending: false, keep: 0, layers: 1 })).toEqual(new Uint32Array(0));
    });

    it('names the first score that is not a number', async () => {
      const scores: FloatArray = new TYPES[type](MANY);
      scores[19_999] = scores[MANY - 1] = NaN;
      await refused(argsortAsync(scores, { backend }), 'scores[19999]');
      scores[0] = NaN;
      await refused(foldOrderAsync(scores, { backend }), 'scores[0]');
      await refused(topKAsync(scores, 1, { backend }), 'scores[0]');
      await refused(measureOrder(backend, scores), 'scores[0]');
    });
  });

  describe.each(Object.keys(GROUPS))('weights of %s', (name) => {
    const groups = GROUPS[name];
    it.each(Object.keys(TYPES) as TypeName[])('of a %s', async (type) => {
      const scores: FloatArray = new TYPES[type](MANY);
      randomNormals(scores, 1, streamOf('scores'));
      const gradient = new Float64Array(MANY);
      randomNormals(gradient, 2, streamOf('gradient'));
      const options = { temperature: 0.02, groups };
      const weights = await softmaxWeightsAsync(scores, { ...options, backend });
      const expected = runPortable(softmaxKernel(scores, options));
      const back = await softmaxWeightsBackwardAsync(expected, gradient, { ...options, backend });
      const expectedBack = runPortable(softmaxBackwardKernel(expected, gradient, options));
      let worst = 0;
      for (let i = 0; i < MANY; i++) {
        const allowed = expected[i] * (1e-15 + 2.3e-16 * Math.abs(Math.log(expected[i] || 1))) + 1.5e-323;
        const scale = (expected[i] / 0.02) * (Math.abs(gradient[i]) + 5) * 1e-14 + 1.5e-323;
        worst = Math.max(
          worst,
          Math.abs(weights[i] - expected[i]) / allowed,
          Math.abs(back[i] - expectedBack[i]) / scale,
        );
      }
      expect(worst).toBeLessThanOrEqual(1);
      const again = await softmaxWeightsAsync(scores, { ...options, backend, into: new Float64Array(MANY) });
      expect(firstDifference(again, weights)).toBe(-1);
    });
  });

  describe('weights', () => {
    const { input, expected } = orderFixture();
    it.each(input.softmax)('fixture $name', async ({ name, scores, tau, d_weights }) => {
      const options = { temperature: tau, backend };
      const weights = await softmaxWeightsAsync(Float64Array.from(scores), options);
      const gradients = await softmaxWeightsBackwardAsync(weights, d_weights, options);
      const scale = Math.max(...d_weights.map(Math.abs)) / tau;
      expected.softmax[name].weights.forEach((w, i) => expect(Math.abs(weights[i] - w)).toBeLessThanOrEqual(2e-13 * w));
      expected.softmax[name].d_scores.forEach((d, i) =>
        expect(Math.abs(gradients[i] - d)).toBeLessThanOrEqual(1e-15 * scale + 2e-13 * Math.abs(d)),
      );
    });

    it('are those of any finite scores and temperatures', async () => {
      const wide = Float64Array.of(-1e308, 1e308, 1e308);
      expect([...(await softmaxWeightsAsync(wide, { backend }))]).toEqual([0, 0.5, 0.5]);
      const scores = Float64Array.of(1, 3, 3, -1e300);
      expect([...(await softmaxWeightsAsync(scores, { temperature: 1e-305, backend }))]).toEqual([0, 0.5, 0.5, 0]);
    });

    it('go to an array that may be the input', async () => {
      const scores = Float64Array.of(1, 2, 3, 4);
      const expectedWeights = runPortable(softmaxKernel(scores));
      expect(await softmaxWeightsAsync(scores, { into: scores, backend })).toBe(scores);
      scores.forEach((w, i) => expect(Math.abs(w - expectedWeights[i])).toBeLessThan(1e-15));
    });

    it.each([NaN, Infinity, -Infinity])('name a value of %d by its index and leave the result alone', async (bad) => {
      const scores = new Float64Array(MANY).fill(0.5);
      scores[MANY - 2] = scores[MANY - 1] = bad;
      const fine = new Float64Array(MANY);
      const into = new Float64Array(MANY).fill(7);
      const at = MANY - 2;
      await refused(softmaxWeightsAsync(scores, { into, backend }), `scores[${at}]`);
      await refused(softmaxWeightsBackwardAsync(scores, scores, { into, backend }), `weights[${at}]`);
      await refused(softmaxWeightsBackwardAsync(fine, scores, { into, backend }), `weightGradients[${at}]`);
      expect(into.every((w) => w === 7)).toBe(true);
    });
  });

  it('of no rows there is nothing to do', async () => {
    expect(await argsortAsync(new Float32Array(0), { backend })).toEqual(new Uint32Array(0));
    expect(await softmaxWeightsAsync(new Float32Array(0), { backend })).toEqual(new Float64Array(0));
    await expect(measureOrder(backend, new Float32Array(0))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('an abort rejects at once, and the device goes on', async () => {
    const scores = new Float32Array(MANY);
    randomNormals(scores, 5, streamOf('scores'));
    const reason = new Error('enough');
    const controller = new AbortController();
    const running = argsortAsync(scores, { backend, signal: controller.signal });
    controller.abort(reason);
    await expect(running).rejects.toBe(reason);
    expect((await argsortAsync(scores, { backend })).length).toBe(MANY);
  });

  it('tells what an order takes on the device', async () => {
    const scores = new Float32Array(MANY);
    randomNormals(scores, 6, streamOf('scores'));
    const { order, upload, sort, download, bandwidth } = await measureOrder(backend, scores, { layers: 5 });
    expect(firstDifference(order, runPortable(foldKernel(scores, { layers: 5 })))).toBe(-1);
    for (const figure of [upload, sort, download, bandwidth]) expect(figure).toBeGreaterThan(0);
  });

  it('a backend that was disposed refuses', async () => {
    const other = await open();
    other.dispose();
    await expect(argsortAsync(new Float32Array(3), { backend: other })).rejects.toMatchObject({ code: 'DISPOSED' });
  });
}
