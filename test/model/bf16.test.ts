import { sampleRankCorrelation } from 'simple-statistics';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadAddon } from '../../lib/backend/addon.ts';
import { openBackend } from '../../lib/backend/open.ts';
import type { Backend, BackendOptions } from '../../lib/backend/types.ts';
import { LanguageModel } from '../../lib/model/language-model.ts';
import type { ParameterVector } from '../../lib/model/parameter-vector.ts';
import { describeUnless } from '../support/backends.ts';
import { Fixture, relativeError, toBatch, type FixtureBatch } from '../support/fixtures.ts';
import { ARCHITECTURES } from '../support/models.ts';
import { randomRows, rowsToBatch } from '../support/random-batch.ts';
import { randomVector } from '../support/random-vector.ts';

/** bfloat16 keeps eight bits: what that leaves of losses and of vectors as ‖a − b‖ / ‖b‖. */
const LOSS = 5e-3;
const VECTOR = 2e-2;

const products = loadAddon() ? usableProducts() : [];

/** The products that bfloat16 can be computed with here. */
function usableProducts(): NonNullable<BackendOptions['gemm']>[] {
  const { NativeEngine } = loadAddon()!;
  return (['amx', 'avx512bf16', 'onednn', 'portable'] as const).filter((gemm) => {
    try {
      new NativeEngine({ threads: 1, precision: 'bf16', gemm }).close();
      return true;
    } catch {
      return false;
    }
  });
}

describeUnless(products.length === 0 ? 'the CPU addon is not built' : undefined, 'bfloat16', () => {
  describe.each(products)('with %s products', (gemm) => {
    let backend: Backend;
    beforeAll(async () => {
      backend = await openBackend('cpu', { precision: 'bf16', gemm });
    });
    afterAll(() => backend.dispose());

    it.each(['llama', 'mistral', 'packed', 'gpt2', 'encoder'])('fixture %s', async (name) => {
      const fixture = new Fixture(name);
      const model = await LanguageModel.fromPretrained(fixture.modelDirectory, { backend });
      const batch = toBatch(await fixture.json<FixtureBatch>('batch'));
      const expected = await fixture.json<{ losses: number[]; grad_norms: number[] }>('expected');
      const { losses, norms, gradient } = await model.perSample(batch, { norms: true, into: model.vector() });
      expect(relativeError(losses, expected.losses)).toBeLessThan(LOSS);
      expect(relativeError(norms!, expected.grad_norms)).toBeLessThan(VECTOR);
      const exact = model.vector(await fixture.tensors('expected', 'grad_mean'));
      expect(relativeDistance(gradient!, exact)).toBeLessThan(VECTOR);
    });

    it.each(['llama', 'mistral', 'gpt2', 'encoder'])('Hessian product of fixture %s', async (name) => {
      const fixture = new Fixture(name);
      const model = await LanguageModel.fromPretrained(fixture.modelDirectory, { backend });
      const raw = await fixture.json<FixtureBatch>('batch');
      const v = model.vector(await fixture.tensors('vectors', 'v0'));
      const { hvp } = await model.hvp(toBatch(raw), v, { weights: raw.sample_weights });
      const exact = model.vector(await fixture.tensors('expected', 'hvp_v0'));
      expect(relativeDistance(hvp, exact)).toBeLessThan(VECTOR);

      const { trace } = await model.tracedGradient(toBatch(raw), { weights: raw.sample_weights, keep: 'hvp' });
      const traced = model.vector();
      await trace.hvp(v, { addTo: traced });
      expect(traced.toRecord()).toEqual(hvp.toRecord());
    });

    it.each(Object.entries(ARCHITECTURES))('%s ranks samples as float32 does', async (_, architecture) => {
      const wide = await openBackend('cpu');
      const config = { ...architecture, tie_word_embeddings: true };
      const [narrowModel, wideModel] = await Promise.all(
        [backend, wide].map((each) => LanguageModel.initialize(config, { backend: each, seed: 5 })),
      );
      const rows = randomRows('ragged', 64, 40, config.vocab_size, 9, config.model_type === 'bert' ? 2 : 0);
      const batch = rowsToBatch(rows, 40);
      const dots = async (model: LanguageModel) => {
        const { gradient } = await model.gradient(batch);
        const result = await model.perSample(batch, { norms: true, dots: [gradient, randomVector(model, 5, 1)] });
        return [...result.dots!, result.norms!].map((values) => [...values]);
      };
      const [narrow, exact] = await Promise.all([dots(narrowModel), dots(wideModel)]);
      narrow.forEach((values, k) => expect(sampleRankCorrelation(values, exact[k])).toBeGreaterThan(0.99));
      wide.dispose();
    });

    it('sees every way of writing to the parameters', async () => {
      const model = await LanguageModel.initialize(ARCHITECTURES.llama, { backend, seed: 3 });
      const other = await LanguageModel.initialize(ARCHITECTURES.llama, { backend, seed: 4 });
      const batch = rowsToBatch(randomRows('dense', 2, 9, ARCHITECTURES.llama.vocab_size, 1, 0), 9);
      const expected = (await other.loss(batch)).perSample;
      await model.loss(batch);
      model.parameters.copyFrom(other.parameters);
      expect((await model.loss(batch)).perSample).toEqual(expected);
      model.parameters.scale(0.5);
      expect((await model.loss(batch)).perSample).not.toEqual(expected);
      model.parameters.axpy(0.5, other.parameters);
      expect(relativeError((await model.loss(batch)).perSample, expected)).toBeLessThan(LOSS);
    });
  });
});

/** ‖a − b‖ / ‖b‖ over all parameters. */
function relativeDistance(a: ParameterVector, b: ParameterVector): number {
  const difference = a.copy();
  difference.axpy(-1, b);
  return difference.norm() / b.norm();
}
