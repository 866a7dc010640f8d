import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Backend } from '../../lib/backend/types.ts';
import { collate } from '../../lib/data/batch.ts';
import { LanguageModel } from '../../lib/model/language-model.ts';
import { randomSigns, streamOf } from '../../lib/random.ts';
import { describeBackends } from '../support/backends.ts';
import { norm } from '../support/fixtures.ts';
import { ARCHITECTURES } from '../support/models.ts';

describeBackends('sketches', (tested) => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await tested.open();
  });
  afterAll(() => backend.dispose());

  describe.each(Object.entries(ARCHITECTURES))('of %s', (_, config) => {
    const batch = collate([{ inputIds: [1, 2, 3, 4] }, { inputIds: [4, 3, 1] }, { inputIds: [9, 2, 2, 3, 1] }]);
    let model: LanguageModel;
    beforeAll(async () => {
      model = await LanguageModel.initialize(config, { backend, seed: 3 });
    });

    it('are the projection by signs that their definition says', async () => {
      const [dimensions, a, b, seed] = [6, 2, 3, 4];
      const { sketch, gradients } = await model.perSample(batch, { sketch: { dimensions, seed }, gradients: true });
      expect(sketch).toHaveLength(batch.batch * dimensions);
      const shapes = shapesOf(model);
      gradients!.forEach((gradient, i) => {
        const expected = new Float64Array(dimensions);
        for (const [name, g] of Object.entries(gradient.toRecord())) {
          const { rows, columns } = shapes(name, g.length);
          const sign = (offset: number) => (index: number) => {
            const out = new Int8Array(1);
            randomSigns(out, seed, 2 * streamOf(name) + offset, index);
            return out[0];
          };
          const [p, q] = [sign(0), sign(1)];
          for (let k = 0; k < dimensions; k++) {
            for (let r = 0; r < rows; r++) {
              if (columns === 0) expected[k] += p(r * dimensions + k) * g[r];
              for (let c = 0; c < columns; c++) {
                expected[k] += p(r * a + Math.floor(k / b)) * g[r * columns + c] * q(c * b + (k % b));
              }
            }
          }
        }
        const actual = sketch!.subarray(i * dimensions, (i + 1) * dimensions);
        const difference = expected.map((x, k) => x / Math.sqrt(dimensions) - actual[k]);
        expect(norm(difference)).toBeLessThan(2e-5 * gradient.norm());
      });
    });

    it('have inner products that are those of the gradients on average', async () => {
      const dimensions = 16;
      const seeds = 200;
      const { gram } = await model.perSample(batch, { gram: true });
      const n = batch.batch;
      const draws = Array.from({ length: n * n }, () => new Float64Array(seeds));
      for (let seed = 0; seed < seeds; seed++) {
        const { sketch } = await model.perSample(batch, { sketch: { dimensions, seed } });
        const of = (i: number) => sketch!.subarray(i * dimensions, (i + 1) * dimensions);
        draws.forEach((values, ij) => {
          const other = of(ij % n);
          values[seed] = of(Math.floor(ij / n)).reduce((sum, x, k) => sum + x * other[k], 0);
        });
      }
      draws.forEach((values, ij) => {
        const mean = values.reduce((sum, x) => sum + x, 0) / seeds;
        const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (seeds - 1);
        const standardError = Math.sqrt(variance / seeds);
        expect(Math.abs(mean - gram![ij])).toBeLessThan(4.5 * standardError);
        // The test means something only when the error is small beside what is estimated.
        const scale = Math.sqrt(gram![Math.floor(ij / n) * (n + 1)] * gram![(ij % n) * (n + 1)]);
        expect(standardError).toBeLessThan(0.1 * scale);
      });
    });

    it('are equal for equal seeds, whatever else is asked for, and other for other seeds', async () => {
      const request = { sketch: { dimensions: 7, seed: 2 } };
      const { sketch } = await model.perSample(batch, request);
      const again = await model.perSample(batch, { ...request, norms: true, weights: [1, 0, -1] });
      const other = await model.perSample(batch, { sketch: { dimensions: 7, seed: 3 } });
      expect(norm(again.sketch!.map((x, k) => x - sketch![k]))).toBeLessThan(1e-5 * norm(sketch!));
      expect(norm(other.sketch!.map((x, k) => x - sketch![k]))).toBeGreaterThan(0.1 * norm(sketch!));
    });
  });

  it('name a bad request', async () => {
    const model = await LanguageModel.initialize(ARCHITECTURES.llama, { backend, seed: 3 });
    const batch = collate([{ inputIds: [1, 2] }]);
    const ask = (dimensions: number, seed: number) => model.perSample(batch, { sketch: { dimensions, seed } });
    await expect(ask(0, 1)).rejects.toThrow(/sketch\.dimensions: expected an integer/);
    await expect(ask(4, 0.5)).rejects.toThrow(/sketch\.seed: expected an integer/);
  });
});

/** Rows and columns of a model's matrices; vectors, and matrices of one row, have no columns. */
function shapesOf(model: LanguageModel): (name: string, size: number) => { rows: number; columns: number } {
  const shapes = new Map(model.parameters.tensorSources().map(({ name, shape }) => [name, shape]));
  return (name, size) => {
    const [rows, columns] = shapes.get(name)!;
    return columns === undefined || rows === 1 ? { rows: size, columns: 0 } : { rows, columns };
  };
}
