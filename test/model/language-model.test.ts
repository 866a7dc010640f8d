import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openReferenceBackend } from '../../lib/backend/reference/backend.ts';
import { collate, type Batch } from '../../lib/data/batch.ts';
import { LanguageModel } from '../../lib/model/language-model.ts';
import { norm } from '../support/fixtures.ts';
import { TINY } from '../support/models.ts';

const backend = openReferenceBackend();
afterAll(() => backend.dispose());
let model: LanguageModel;
let batch: Batch;

beforeAll(async () => {
  model = await LanguageModel.initialize(TINY, { backend, seed: 5 });
  batch = collate([{ inputIds: [1, 2, 3] }, { inputIds: [4, 5] }]);
});

describe('initialize', () => {
  it('draws each tensor from the seed and its name alone', async () => {
    const record = model.parameters.toRecord();
    expect((await LanguageModel.initialize(TINY, { backend, seed: 5 })).parameters.toRecord()).toEqual(record);
    const deeper = await LanguageModel.initialize({ ...TINY, num_hidden_layers: 2 }, { backend, seed: 5 });
    expect(deeper.parameters.toRecord()['lm_head.weight']).toEqual(record['lm_head.weight']);
    const other = await LanguageModel.initialize(TINY, { backend, seed: 6 });
    expect(other.parameters.toRecord()['lm_head.weight']).not.toEqual(record['lm_head.weight']);
  });

  it('gives matrices the configured deviation in float32 numbers, and norm weights one', async () => {
    const wide = { ...TINY, vocab_size: 500, initializer_range: 0.3 };
    const record = (await LanguageModel.initialize(wide, { backend, seed: 1 })).parameters.toRecord();
    const embedding = record['model.embed_tokens.weight'];
    expect(norm(embedding) / Math.sqrt(embedding.length)).toBeCloseTo(0.3, 1);
    expect(embedding.every((x) => Math.fround(x) === x)).toBe(true);
    expect([...record['model.norm.weight']]).toEqual(new Array(8).fill(1));
  });

  it('names a bad seed or deviation', async () => {
    await expect(LanguageModel.initialize(TINY, { backend, seed: 0.5 })).rejects.toThrow(/seed/);
    const config = { ...TINY, initializer_range: NaN };
    await expect(LanguageModel.initialize(config, { backend, seed: 1 })).rejects.toThrow(/initializer_range/);
  });
});

describe('LanguageModel', () => {
  it('gives a sample with nothing to predict loss 0 and a zero gradient', async () => {
    const rows = collate([{ inputIds: [7] }, { inputIds: [] }, { inputIds: [1, 2], labels: [1, -100] }], { length: 2 });
    const { losses, norms, gradient } = await model.perSample(rows, { norms: true, into: model.vector() });
    expect([...losses]).toEqual([0, 0, 0]);
    expect([...norms!]).toEqual([0, 0, 0]);
    expect(gradient!.norm()).toBe(0);
  });

  it('weighs the gradient by 1/B unless told otherwise, and fills the vector it is given', async () => {
    const { perSample, gradient } = await model.gradient(batch);
    const into = model.vector();
    into.fill(3);
    const halves = await model.gradient(batch, { weights: [0.5, 0.5], into });
    expect(halves.gradient).toBe(into);
    expect(into.toRecord()).toEqual(gradient.toRecord());
    expect((await model.loss(batch)).perSample).toEqual(perSample);
  });

  it('adds a Hessian product to the vector it is given', async () => {
    const v = model.parameters.copy();
    const { hvp } = await model.hvp(batch, v);
    const addTo = model.vector();
    addTo.fill(3);
    expect((await model.hvp(batch, v, { addTo })).hvp).toBe(addTo);
    const alone = model.vector();
    alone.fill(3);
    alone.axpy(1, hvp);
    expect(addTo.toRecord()).toEqual(alone.toRecord());
  });

  it('reports what is asked for and nothing else', async () => {
    const keys = async (request: Parameters<LanguageModel['perSample']>[1]) =>
      Object.keys(await model.perSample(batch, request));
    expect(await keys({})).toEqual(['losses']);
    expect(await keys({ norms: true, weights: [1, 2] })).toEqual(['losses', 'norms', 'gradient']);
    expect(await keys({ gram: true, gradients: true, dots: [] })).toEqual(['losses', 'dots', 'gram', 'gradients']);
  });

  it('names weights that are too few or not finite', async () => {
    await expect(model.gradient(batch, { weights: [1] })).rejects.toThrow(/weights: expected 2 values.*got 1/);
    await expect(model.hvp(batch, model.vector(), { weights: [1, NaN] })).rejects.toMatchObject({
      code: 'INVALID_DATA',
      message: /weights\[1\]: expected a finite number, got NaN/,
    });
  });

  it('names vectors that cannot be written to or do not fit', async () => {
    const other = await LanguageModel.initialize({ ...TINY, num_hidden_layers: 2 }, { backend, seed: 1 });
    await expect(model.gradient(batch, { into: model.parameters })).rejects.toThrow(/into: .*the model's parameters/);
    await expect(model.gradient(batch, { into: other.vector() })).rejects.toThrow(/into: expected a vector of/);
    await expect(model.hvp(batch, other.vector())).rejects.toThrow(/v: expected a vector of/);
    await expect(model.jvp(batch, other.vector())).rejects.toThrow(/v: expected a vector of/);
    const v = model.vector();
    await expect(model.hvp(batch, v, { addTo: v })).rejects.toThrow(/addTo: expected a vector other than v/);
    await expect(model.hvp(batch, v, { addTo: model.parameters })).rejects.toThrow(/addTo: .*the model's parameters/);
    await expect(model.perSample(batch, { dots: [v], into: v })).rejects.toThrow(/into: .*dots/);
    await expect(model.perSample(batch, { dots: [v, other.vector()] })).rejects.toThrow(/dots\[1\]/);
    await expect(model.perSample(batch, { dots: new Float32Array(0) as never })).rejects.toThrow(
      /dots: expected an array, got/,
    );
  });

  it('names weights whose buffer was transferred', async () => {
    const weights = new Float32Array(2);
    structuredClone(weights.buffer, { transfer: [weights.buffer] });
    await expect(model.gradient(batch, { weights })).rejects.toThrow(/weights: .*its buffer was transferred/);
  });

  it('refuses a backend that openBackend did not give', async () => {
    const forged = { ...backend };
    await expect(LanguageModel.initialize(TINY, { backend: forged, seed: 5 })).rejects.toThrow(
      /backend: expected a backend.*openBackend\(\)/,
    );
  });

  it('refuses an id outside the vocabulary', async () => {
    await expect(model.loss(collate([{ inputIds: [1, 11] }]))).rejects.toThrow(
      /row 0, position 1: .*\[0, 11\).*got 11/,
    );
  });

  it('rejects with the reason of an abort, before and while it runs', async () => {
    await expect(model.loss(batch, { signal: AbortSignal.abort('before') })).rejects.toBe('before');
    const controller = new AbortController();
    const running = model.gradient(batch, { signal: controller.signal });
    controller.abort('while');
    await expect(running).rejects.toBe('while');
    expect((await model.loss(batch)).perSample).toHaveLength(2);
  });

  it('rejects every call after dispose; its vectors stay usable', async () => {
    const short = await LanguageModel.initialize(TINY, { backend, seed: 5 });
    const { gradient } = await short.gradient(batch);
    short.dispose();
    short.dispose();
    await expect(short.loss(batch)).rejects.toMatchObject({ code: 'DISPOSED' });
    await expect(short.savePretrained('/nowhere')).rejects.toMatchObject({ code: 'DISPOSED' });
    expect(() => short.vector()).toThrow(expect.objectContaining({ code: 'DISPOSED' }));
    expect(gradient.norm()).toBeGreaterThan(0);
  });
});
