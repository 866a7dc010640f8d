import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadAddon, type NativeEngine, type NativeModel, type NativeVector } from '../../lib/backend/addon.ts';
import { nativeSlots } from '../../lib/backend/native/network.ts';
import { transformerShape } from '../../lib/model/architectures/index.ts';
import type { ModelConfig } from '../../lib/model/config.ts';
import { modelLayout } from '../../lib/model/layout.ts';

const CONFIG: ModelConfig = { model_type: 'gpt2', vocab_size: 7, n_embd: 4, n_layer: 1, n_head: 2, n_positions: 3 };
const addon = loadAddon();

// Calls that lib/ does not make: the addon has to refuse them by itself.
describe.skipIf(addon === null)('the addon refuses', () => {
  const openEngine = () => new addon!.NativeEngine({ threads: 1, precision: 'f32' });
  const shape = transformerShape(CONFIG);
  const slots = nativeSlots(modelLayout(CONFIG, shape));
  let engine: NativeEngine;
  let model: NativeModel;
  const invalid = expect.objectContaining({ code: 'INVALID_ARGUMENT' });
  const batch = {
    batch: 1,
    time: 3,
    inputIds: Int32Array.of(1, 2, 3),
    labels: Int32Array.of(1, 2, 3),
    attentionMask: Uint8Array.of(1, 1, 1),
    granularity: 'row' as const,
    samples: 1,
  };
  const request = { weights: Float64Array.of(1), dots: [], gradients: [], norms: false, gram: false };
  beforeAll(() => {
    engine = openEngine();
    model = engine.createModel(shape, slots);
  });
  afterAll(() => engine.close());

  it.each([
    ['a range whose end overflows', 552, 1e308],
    ['a range that begins before the vector', -(2 ** 63), 1],
    ['a length that is not a number', 0, NaN],
    ['a length that is not an integer', 0, 0.5],
  ])('%s', (_, offset, length) => {
    expect(() => model.parameters().read(offset, length)).toThrow(invalid);
  });

  it.each([
    ['a batch without positions', { batch: 2 ** 30, time: 0 }],
    ['a batch whose size overflows', { batch: 2 ** 30, time: 2 ** 30 }],
    ['arrays of another type', { inputIds: new Uint8Array(3) as unknown as Int32Array }],
    ['arrays of another length', { labels: new Int32Array(2) }],
  ])('%s', (_, part) => {
    expect(() => model.loss({ ...batch, ...part })).toThrow(invalid);
  });

  it.each([
    ['a token beyond the vocabulary', { inputIds: Int32Array.of(1, 7, 3) }],
    ['a negative token', { inputIds: Int32Array.of(-1, 2, 3) }],
    ['a label beyond the vocabulary', { labels: Int32Array.of(1, 2 ** 31 - 1, 3) }],
    [
      'more positions than are learned',
      {
        time: 4,
        inputIds: new Int32Array(4),
        labels: new Int32Array(4),
        attentionMask: new Uint8Array(4).fill(1),
      },
    ],
  ])('%s', async (_, part) => {
    await expect(model.loss({ ...batch, ...part })).rejects.toThrow(invalid);
  });

  it.each([
    ['negative heads', { heads: -(2 ** 63) }],
    ['no heads', { heads: 0 }],
    ['key-value heads that do not divide the heads', { heads: 2, kvHeads: 3 }],
    ['layers that are not there', { layers: 2 ** 30 }],
    ['heads wider than memory', { heads: 2 ** 30, kvHeads: 2 ** 30, headDim: 2 ** 30 }],
  ])('%s', (_, part) => {
    expect(() => engine.createModel({ ...shape, ...part }, slots)).toThrow(invalid);
  });

  it('tensors of absurd offsets and sizes', () => {
    for (const part of [{ offset: -1 }, { offset: 2 ** 53 }, { rows: 2 ** 30, cols: 2 ** 30 }, { rows: 0 }]) {
      expect(() => engine.createModel(shape, [{ ...slots[0], ...part }, ...slots.slice(1)])).toThrow(invalid);
    }
  });

  it('vectors of another model or engine, and what only looks like a vector', () => {
    const small = { ...CONFIG, n_embd: 2 };
    const other = engine.createModel(transformerShape(small), nativeSlots(modelLayout(small, transformerShape(small))));
    const elsewhere = openEngine();
    const foreign = elsewhere.createModel(shape, slots);
    const disguised = Object.setPrototypeOf(
      engine.createModel(shape, slots),
      Object.getPrototypeOf(model.zeros()) as object,
    ) as NativeVector;
    for (const into of [other.zeros(), foreign.zeros(), disguised]) {
      expect(() => model.backward(batch, { ...request, into })).toThrow(invalid);
      expect(() => model.zeros().copyFrom(into)).toThrow(invalid);
    }
    elsewhere.close();
  });

  it('sizes of products and layers that overflow', async () => {
    expect(() => engine.measureProduct({ m: 2 ** 53, n: 1, k: 1 })).toThrow(invalid);
    await expect(engine.measureProduct({ m: 2 ** 30, n: 1, k: 2 ** 30 })).rejects.toMatchObject({
      code: 'OUT_OF_MEMORY',
    });
    const layer = { batch: 2 ** 30, time: 2 ** 30, inFeatures: 1, outFeatures: 1 };
    const arrays = { activations: new Float32Array(1), outputGradients: new Float32Array(1) };
    const wanted = { ...request, dots: [], gradient: false, gradients: false };
    await expect(engine.perSampleLinear({ ...layer, ...arrays }, wanted)).rejects.toThrow(invalid);
  });

  it('sizes of a memory plan that overflow', () => {
    const plan = { operation: 'backward' as const, gradient: true, gradients: false, norms: false, gram: false };
    expect(() => model.memory(batch, { ...plan, dots: 2 ** 53, sketch: 0 })).toThrow(invalid);
    expect(() => model.memory(batch, { ...plan, dots: 0, sketch: 2 ** 40 })).toThrow(invalid);
    expect(() => model.memory({ ...batch, samples: 5 }, { ...plan, dots: 0, sketch: 0 })).toThrow(invalid);
  });

  it('traces that are not there', async () => {
    const gone = { code: 'DISPOSED' };
    const [v, sum] = [model.zeros(), model.zeros()];
    await expect(model.tracedJvp(77, v)).rejects.toMatchObject(gone);
    await expect(model.tracedHvp(77, v, sum)).rejects.toMatchObject(gone);
    model.forget(77);
    for (const number of [0, -1, 0.5, NaN, 2 ** 60]) {
      expect(() => model.tracedJvp(number, v)).toThrow(invalid);
      expect(() => model.tracedHvp(number, v, sum)).toThrow(invalid);
      expect(() => model.forget(number)).toThrow(invalid);
    }
    expect(() => model.tracedHvp(77, v, v)).toThrow(invalid);
    const statistics = { ...request, norms: true, keep: 'hvp' as const };
    await expect(model.backward(batch, statistics)).rejects.toThrow(invalid);
  });

  it('objects that were made by their constructor alone', () => {
    const disposed = expect.objectContaining({ code: 'DISPOSED' });
    const bare = new (model.constructor as new () => NativeModel)();
    expect(() => bare.zeros()).toThrow(disposed);
    expect(() => bare.parameters()).toThrow(disposed);
    expect(() => bare.loss(batch)).toThrow(disposed);
    const vector = new (model.zeros().constructor as new () => NativeVector)();
    expect(() => vector.read(0, 1)).toThrow(disposed);
    bare.dispose();
    vector.dispose();
  });
});
