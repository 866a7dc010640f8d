import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Backend, FloatArray } from '../../lib/backend/types.ts';
import { randomNormals, streamOf } from '../../lib/random.ts';
import { perSampleLinear, type LinearLayer, type PerSampleLinearRequest } from '../../lib/score/per-sample-linear.ts';
import { TESTED_BACKENDS } from '../support/backends.ts';
import { relativeError } from '../support/fixtures.ts';

function normals(n: number, seed: number, stream: string): Float64Array {
  const values = new Float64Array(n);
  randomNormals(values, seed, streamOf(stream));
  return values;
}

function randomLayer(batch: number, time: number, inFeatures: number, outFeatures: number, seed = 1): LinearLayer {
  return {
    activations: Float32Array.from(normals(batch * time * inFeatures, seed, 'activations')),
    outputGradients: Float32Array.from(normals(batch * time * outFeatures, seed, 'gradients')),
    batch,
    time,
    inFeatures,
    outFeatures,
  };
}

/** g_i one number after the other. */
function gradientByLoop(layer: LinearLayer, sample: number): Float64Array {
  const { activations, outputGradients, time, inFeatures, outFeatures } = layer;
  const gradient = new Float64Array(outFeatures * inFeatures);
  for (let o = 0; o < outFeatures; o++) {
    for (let i = 0; i < inFeatures; i++) {
      for (let t = sample * time; t < (sample + 1) * time; t++) {
        gradient[o * inFeatures + i] += outputGradients[t * outFeatures + o] * activations[t * inFeatures + i];
      }
    }
  }
  return gradient;
}

const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => Array.from(a).reduce((sum, x, i) => sum + x * b[i], 0);
const samplesOf = ({ batch }: LinearLayer) => Array.from({ length: batch }, (_, i) => i);

describe.each(TESTED_BACKENDS.filter(({ available }) => available))('perSampleLinear on $name', (tested) => {
  const { value: tolerance } = tested.tolerance;
  let backend: Backend;
  beforeAll(async () => {
    backend = await tested.open();
  });
  afterAll(() => backend.dispose());
  const ask = (layer: LinearLayer, request: PerSampleLinearRequest) => perSampleLinear(backend, layer, request);

  describe.each([1, 7, 64])('%i positions', (time) => {
    test.each([
      [1, 5, 3],
      [3, 33, 20],
      [8, 16, 70],
    ])('%i samples of %i inputs and %i outputs equal a loop over rows', async (batch, inFeatures, outFeatures) => {
      const layer = randomLayer(batch, time, inFeatures, outFeatures);
      const size = inFeatures * outFeatures;
      const vectors = [normals(size, 2, 'v'), Float32Array.from(normals(size, 3, 'v'))];
      const weights = normals(batch, 4, 'weights');
      const result = await ask(layer, { norms: true, dots: vectors, gram: true, gradients: true, weights });

      const rows = samplesOf(layer).map((i) => gradientByLoop(layer, i));
      const scale = Math.max(...rows.map((g) => Math.sqrt(dot(g, g))));
      rows.forEach((g, i) => {
        expect(relativeError(result.gradients![i], g)).toBeLessThan(tolerance);
        expect(Math.abs(result.norms![i] / Math.sqrt(dot(g, g)) - 1)).toBeLessThan(tolerance);
        vectors.forEach((v, k) => {
          const bound = tolerance * scale * Math.sqrt(dot(v, v));
          expect(Math.abs(result.dots![k][i] - dot(g, v))).toBeLessThan(bound);
        });
        rows.forEach((h, j) => {
          expect(Math.abs(result.gram![i * batch + j] - dot(g, h))).toBeLessThan(tolerance * scale * scale);
        });
      });
      const weighted = new Float64Array(size).map((_, at) =>
        dot(
          weights,
          Float64Array.from(rows, (g) => g[at]),
        ),
      );
      expect(relativeError(result.gradient!, weighted)).toBeLessThan(10 * tolerance);
    });
  });

  test('only what is asked for is there', async () => {
    const layer = randomLayer(2, 3, 4, 5);
    expect(Object.keys(await ask(layer, {}))).toEqual([]);
    expect(Object.keys(await ask(layer, { norms: true }))).toEqual(['norms']);
    expect(await ask(layer, { dots: [] })).toEqual({ dots: [] });
  });

  test('a sample alone has the numbers that it has in company', async () => {
    const layer = randomLayer(4, 6, 10, 12);
    const { norms } = await ask(layer, { norms: true });
    for (const i of samplesOf(layer)) {
      const alone = {
        ...layer,
        batch: 1,
        activations: layer.activations.subarray(i * 60, (i + 1) * 60),
        outputGradients: layer.outputGradients.subarray(i * 72, (i + 1) * 72),
      };
      const { norms: own } = await ask(alone, { norms: true });
      expect(Math.abs(own![0] / norms![i] - 1)).toBeLessThan(tolerance);
    }
  });

  test.each([Float32Array, Float64Array])('the mean gradient goes into a %o', async (Type) => {
    const layer = randomLayer(3, 2, 4, 5);
    const into: FloatArray = new Type(20).fill(NaN);
    const { gradient } = await ask(layer, { into });
    expect(gradient).toBe(into);
    const mean = new Float64Array(20).map((_, at) => {
      return samplesOf(layer).reduce((sum, i) => sum + gradientByLoop(layer, i)[at] / 3, 0);
    });
    expect(relativeError(into, mean)).toBeLessThan(Math.max(tolerance, Type === Float32Array ? 1e-7 : 0));
  });

  test('arrays may be used again at once', async () => {
    const layer = randomLayer(3, 5, 8, 9);
    const v = normals(72, 5, 'v');
    const expected = await ask(layer, { norms: true, dots: [v] });
    const pending = ask(layer, { norms: true, dots: [v] });
    layer.activations.fill(NaN);
    layer.outputGradients.fill(NaN);
    v.fill(NaN);
    expect(await pending).toEqual(expected);
  });

  test('an aborted call rejects with the reason', async () => {
    const reason = new Error('enough');
    const layer = randomLayer(2, 3, 4, 5);
    await expect(ask(layer, { norms: true, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    // Behind another call, so that it has not begun when it is aborted.
    const large = ask(randomLayer(8, 64, 256, 256), { norms: true });
    const controller = new AbortController();
    const waiting = ask(layer, { norms: true, signal: controller.signal });
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    expect((await large).norms).toHaveLength(8);
  });

  test('a disposed backend refuses', async () => {
    const closed = await tested.open();
    closed.dispose();
    const call = perSampleLinear(closed, randomLayer(1, 1, 1, 1), { norms: true });
    await expect(call).rejects.toMatchObject({ code: 'DISPOSED' });
  });
});

describe('arguments', async () => {
  const backend = await TESTED_BACKENDS.find(({ name }) => name === 'reference')!.open();
  afterAll(() => backend.dispose());
  const layer = randomLayer(2, 3, 4, 5);
  const broken = layer.activations.slice();
  broken[7] = NaN;

  test.each<[string, Partial<LinearLayer>, PerSampleLinearRequest, string]>([
    ['batch', { batch: 0 }, {}, 'batch: expected an integer >= 1, got 0'],
    ['time', { time: 1.5 }, {}, 'time: expected an integer >= 1, got 1.5'],
    ['too many positions', { batch: 2 ** 20, time: 2 ** 20 }, {}, 'batch × time: expected at most 2147483647'],
    ['activations', { activations: new Float32Array(23) }, {}, 'activations: expected 24 values ([2, 3, 4]), got 23'],
    [
      'gradients',
      { outputGradients: new Float32Array(1) },
      {},
      'outputGradients: expected 30 values ([2, 3, 5]), got 1',
    ],
    [
      'types',
      { activations: [] as unknown as Float32Array },
      {},
      'activations: expected a Float32Array or Float64Array',
    ],
    ['NaN', { activations: broken }, {}, 'activations[7]: expected a finite number, got NaN'],
    ['weights', {}, { weights: [1] }, 'weights: expected 2 values (one a sample), got 1'],
    ['infinite weights', {}, { weights: [1, Infinity] }, 'weights[1]: expected a finite number'],
    ['dots', {}, { dots: [new Float32Array(20), new Float32Array(9)] }, 'dots[1]: expected 20 values'],
    ['into', {}, { into: new Float32Array(21) }, 'into: expected 20 values'],
    ['sketches', {}, { sketch: {} } as PerSampleLinearRequest, 'sketch is not supported'],
  ])('%s', async (_, change, request, message) => {
    await expect(perSampleLinear(backend, { ...layer, ...change }, request)).rejects.toThrow(message);
  });
});
