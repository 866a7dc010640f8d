import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Backend } from '../../lib/backend/types.ts';
import type { Batch } from '../../lib/data/batch.ts';
import { LanguageModel } from '../../lib/model/language-model.ts';
import { createOptimizer, type OptimizerConfig } from '../../lib/model/optimizer.ts';
import type { ParameterVector } from '../../lib/model/parameter-vector.ts';
import type { TestedBackend } from './backends.ts';
import { expectDots, expectTensors } from './expectations.ts';
import { distance, Fixture, relativeError, toBatch, type FixtureBatch } from './fixtures.ts';

interface Expected {
  losses: number[];
  mean_loss: number;
  grad_norms: number[];
  gram: number[][];
  v0_norm: number;
  v1_norm: number;
  dots_v0: number[];
  dots_v1: number[];
  jvp_v0: number[];
  jvp_v1: number[];
}

interface ExpectedDocuments {
  documents: { tokens: number; loss: number; grad_norm: number; dot_v0: number; dot_v1: number }[];
}

interface ExpectedRun {
  losses: number[];
  grad_norms: number[];
  update_norm: number;
}

/** All that the golden fixtures say of language models, checked on one backend. */
export function describeFixtures(tested: TestedBackend): void {
  const { tolerance } = tested;
  let backend: Backend;
  beforeAll(async () => {
    backend = await tested.open();
  });
  afterAll(() => backend.dispose());

  async function load(
    name: string,
  ): Promise<{ fixture: Fixture; model: LanguageModel; raw: FixtureBatch; batch: Batch }> {
    const fixture = new Fixture(name);
    const model = await LanguageModel.fromPretrained(fixture.modelDirectory, { backend });
    const raw = await fixture.json<FixtureBatch>('batch');
    return { fixture, model, raw, batch: toBatch(raw) };
  }

  async function directions(fixture: Fixture, model: LanguageModel): Promise<ParameterVector[]> {
    return Promise.all(['v0', 'v1'].map(async (v) => model.vector(await fixture.tensors('vectors', v))));
  }

  describe.each(['llama', 'mistral', 'packed', 'gpt2', 'encoder'])('%s', (name) => {
    it('losses, norms, dots, Gram matrix and mean gradient', async () => {
      const { fixture, model, batch } = await load(name);
      const expected = await fixture.json<Expected>('expected');
      const dots = await directions(fixture, model);
      const into = model.vector();
      const result = await model.perSample(batch, { norms: true, dots, gram: true, into });
      expect(relativeError(result.losses, expected.losses)).toBeLessThan(tolerance.value);
      expect(relativeError(result.norms!, expected.grad_norms)).toBeLessThan(tolerance.value);
      expect(relativeError(result.gram!, expected.gram.flat())).toBeLessThan(tolerance.value);
      expectDots(result.dots![0], expected.dots_v0, expected.grad_norms, expected.v0_norm, tolerance.value);
      expectDots(result.dots![1], expected.dots_v1, expected.grad_norms, expected.v1_norm, tolerance.value);
      expect(result.gradient).toBe(into);
      await expectTensors(into.toRecord(), fixture, 'grad_mean', tolerance.value);
      const { mean, perSample } = await model.loss(batch);
      expect(relativeError([mean], [expected.mean_loss])).toBeLessThan(tolerance.value);
      expect(relativeError(perSample, expected.losses)).toBeLessThan(tolerance.value);
    });

    it('directional derivatives', async () => {
      const { fixture, model, batch } = await load(name);
      const expected = await fixture.json<Expected>('expected');
      const [v0, v1] = await directions(fixture, model);
      const jvp0 = (await model.hvp(batch, v0)).jvp;
      const alone = (await model.jvp(batch, v0)).jvp;
      expectDots(alone, expected.jvp_v0, expected.grad_norms, expected.v0_norm, tolerance.value);
      const jvp1 = (await model.hvp(batch, v1)).jvp;
      expectDots(jvp0, expected.jvp_v0, expected.grad_norms, expected.v0_norm, tolerance.value);
      expectDots(jvp1, expected.jvp_v1, expected.grad_norms, expected.v1_norm, tolerance.value);
    });
  });

  describe.each(['llama', 'mistral', 'gpt2', 'encoder'])('%s', (name) => {
    it('weighted Hessian product', async () => {
      const { fixture, model, raw, batch } = await load(name);
      const expected = await fixture.json<{ hvp_norm: number; v0_norm: number; v0_hvp_v0: number }>('expected');
      const [v0] = await directions(fixture, model);
      const { hvp } = await model.hvp(batch, v0, { weights: raw.sample_weights });
      await expectTensors(hvp.toRecord(), fixture, 'hvp_v0', tolerance.hvp);
      const scale = expected.hvp_norm * expected.v0_norm;
      expect(Math.abs(hvp.dot(v0) - expected.v0_hvp_v0) / scale).toBeLessThan(tolerance.hvp);
    });

    it('weighted gradient norm', async () => {
      const { fixture, model, raw, batch } = await load(name);
      const expected = await fixture.json<{ grad_weighted_norm: number }>('expected');
      const { gradient } = await model.gradient(batch, { weights: raw.sample_weights });
      expect(relativeError([gradient.norm()], [expected.grad_weighted_norm])).toBeLessThan(tolerance.value);
    });
  });

  it('llama: weighted gradient and gradients of single rows', async () => {
    const { fixture, model, raw, batch } = await load('llama');
    const { picked_samples: picked } = await fixture.json<{ picked_samples: number[] }>('expected');
    const { gradient, gradients } = await model.perSample(batch, { weights: raw.sample_weights, gradients: true });
    await expectTensors(gradient!.toRecord(), fixture, 'grad_weighted', tolerance.value);
    for (const i of picked) {
      await expectTensors(gradients![i].toRecord(), fixture, `grad_sample_${i}`, tolerance.value);
    }
  });

  it('packed: statistics of documents', async () => {
    const { fixture, model, batch } = await load('packed');
    const { documents, ...expected } = await fixture.json<Expected & ExpectedDocuments>('expected');
    const dots = await directions(fixture, model);
    const result = await model.perSample(batch, { norms: true, dots, granularity: 'document' });
    const column = (field: 'loss' | 'grad_norm' | 'dot_v0' | 'dot_v1') =>
      documents.map((document) => (document.tokens === 0 ? 0 : document[field]));
    const norms = column('grad_norm');
    expect(relativeError(result.losses, column('loss'))).toBeLessThan(tolerance.value);
    expect(relativeError(result.norms!, norms)).toBeLessThan(tolerance.value);
    expectDots(result.dots![0], column('dot_v0'), norms, expected.v0_norm, tolerance.value);
    expectDots(result.dots![1], column('dot_v1'), norms, expected.v1_norm, tolerance.value);
  });

  it.each<[string, OptimizerConfig]>([
    ['sgd', { kind: 'sgd', lr: 0.05 }],
    ['adamw', { kind: 'adamw', lr: 1e-3, betas: [0.9, 0.95], eps: 1e-8, weightDecay: 0.1 }],
    ['adamw_clip', { kind: 'adamw', lr: 1e-3, betas: [0.9, 0.95], eps: 1e-8, weightDecay: 0.1, clipNorm: 1 }],
  ])('optim: five steps of %s', async (run, config) => {
    const { fixture, model, batch } = await load('optim');
    const expected = (await fixture.json<Record<string, ExpectedRun>>('expected'))[run];
    const optimizer = createOptimizer(model, config);
    const gradient = model.vector();
    const losses: number[] = [];
    const norms: number[] = [];
    for (let step = 0; step < 5; step++) {
      losses.push((await model.loss(batch)).mean);
      await model.gradient(batch, { into: gradient });
      norms.push((await optimizer.step(gradient)).gradientNorm);
    }
    losses.push((await model.loss(batch)).mean);
    expect(optimizer.stepCount).toBe(5);
    expect(relativeError(losses, expected.losses)).toBeLessThan(tolerance.value);
    expect(relativeError(norms, expected.grad_norms)).toBeLessThan(tolerance.value);
    const final = await fixture.tensors('expected', run);
    expect(distance(model.parameters.toRecord(), final) / expected.update_norm).toBeLessThan(tolerance.value);
  });
}
