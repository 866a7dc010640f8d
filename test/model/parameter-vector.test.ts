import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openReferenceBackend } from '../../lib/backend/reference/backend.ts';
import { LanguageModel } from '../../lib/model/language-model.ts';
import { TINY } from '../support/models.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

const backend = openReferenceBackend();
const otherBackend = openReferenceBackend();
const directory = useTemporaryDirectory();
let model: LanguageModel;

beforeAll(async () => {
  model = await LanguageModel.initialize(TINY, { backend, seed: 5 });
});
afterAll(() => {
  backend.dispose();
  otherBackend.dispose();
});

describe('ParameterVector', () => {
  it('does arithmetic on all entries', () => {
    const x = model.vector();
    expect(x.length).toBe(model.parameterCount);
    expect(x.norm()).toBe(0);
    x.fill(2);
    const y = x.copy();
    y.scale(-3);
    x.axpy(0.5, y);
    expect(x.norm()).toBeCloseTo(Math.sqrt(x.length), 12);
    expect(x.dot(y)).toBeCloseTo(6 * x.length, 9);
    y.copyFrom(x);
    expect(y.toRecord()).toEqual(x.toRecord());
  });

  it('copies out tensors by name and takes them back', () => {
    const record = model.parameters.toRecord();
    expect(Object.keys(record)).toHaveLength(12);
    expect(record['model.embed_tokens.weight']).toBeInstanceOf(Float64Array);
    expect(model.vector(record).toRecord()).toEqual(record);
    record['model.norm.weight'][0] = 99;
    expect(model.parameters.toRecord()['model.norm.weight'][0]).toBe(1);
  });

  it('names a missing tensor, an unknown one, and one of another size', () => {
    const { 'lm_head.weight': head, ...rest } = model.parameters.toRecord();
    expect(() => model.vector(rest)).toThrow(/tensor lm_head\.weight: expected 88 values \(\[11, 8\]\), got undefined/);
    expect(() => model.vector({ ...rest, 'lm_head.weight': head, extra: head })).toThrow(/tensor extra/);
    expect(() => model.vector({ ...rest, 'lm_head.weight': head.slice(1) })).toThrow(/got 87/);
  });

  it('writes through to the model when it is the model’s own', async () => {
    const live = await LanguageModel.initialize(TINY, { backend, seed: 5 });
    const batch = { batch: 1, time: 3, inputIds: Int32Array.of(1, 2, 3), labels: Int32Array.of(1, 2, 3) };
    live.parameters.fill(0);
    expect((await live.loss(batch)).mean).toBeCloseTo(Math.log(TINY.vocab_size), 12);
    expect(() => live.parameters.dispose()).toThrow(/dispose the model/);
  });

  it('is saved and loaded exactly', async () => {
    const path = join(directory(), 'vector.safetensors');
    const x = model.parameters.copy();
    x.scale(1 / 3);
    await x.save(path);
    const y = model.vector();
    await y.load(path);
    expect(y.toRecord()).toEqual(x.toRecord());
    const tied = await LanguageModel.initialize({ ...TINY, tie_word_embeddings: true }, { backend, seed: 5 });
    await expect(tied.vector().load(path)).rejects.toMatchObject({ code: 'INVALID_FILE', message: /lm_head\.weight/ });
    await tied.vector().save(path);
    await expect(y.load(path)).rejects.toMatchObject({ code: 'INVALID_FILE', message: /lm_head\.weight/ });
    expect(y.toRecord()).toEqual(x.toRecord());
  });

  it('mixes with vectors of equal models on its backend and names both when they differ', async () => {
    const twin = await LanguageModel.initialize(TINY, { backend, seed: 6 });
    expect(model.parameters.dot(twin.vector())).toBe(0);
    const larger = await LanguageModel.initialize({ ...TINY, num_hidden_layers: 2 }, { backend, seed: 5 });
    const message = new RegExp(
      `x: expected a vector of a llama model \\(${model.parameterCount} parameters\\) on reference, ` +
        `got one of a llama model \\(${larger.parameterCount} parameters\\) on reference`,
    );
    expect(() => model.vector().axpy(1, larger.parameters)).toThrow(message);
    const elsewhere = await LanguageModel.initialize(TINY, { backend: otherBackend, seed: 5 });
    expect(() => model.vector().dot(elsewhere.parameters)).toThrow(/on reference opened separately/);
  });

  it('names a number that is not finite, and use after dispose', () => {
    const x = model.vector();
    expect(() => x.fill(NaN)).toThrow(/x: expected a finite number, got NaN/);
    expect(() => x.scale(Infinity)).toThrow(/a: expected a finite number/);
    x.dispose();
    x.dispose();
    expect(() => x.norm()).toThrow(expect.objectContaining({ code: 'DISPOSED' }));
  });
});
