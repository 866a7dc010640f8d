import { afterAll, beforeAll, expect, it } from 'vitest';
import { addonReason } from '../../lib/backend/addon.ts';
import { openBackend } from '../../lib/backend/open.ts';
import type { Backend, EngineModel, MemoryRequest } from '../../lib/backend/types.ts';
import { collate, type Batch } from '../../lib/data/batch.ts';
import type { ModelConfig } from '../../lib/model/config.ts';
import { LanguageModel } from '../../lib/model/language-model.ts';
import type { ParameterVector } from '../../lib/model/parameter-vector.ts';
import { describeBackends, describeUnless } from '../support/backends.ts';
import { ARCHITECTURES } from '../support/models.ts';
import { randomRows, rowsToBatch, type BatchKind } from '../support/random-batch.ts';
import { randomVector } from '../support/random-vector.ts';

const CONFIGS: Record<string, ModelConfig> = {
  ...ARCHITECTURES,
  'llama, tied': { ...ARCHITECTURES.llama, tie_word_embeddings: true } as ModelConfig,
};
const KINDS: BatchKind[] = ['dense', 'ragged', 'packed'];

/** Where a plain and a dual pass sum in another order, in the gradient of attention, bits differ. */
const APART = { reference: 0, cpu: 0, cuda: 1e-5 };

describeBackends('a trace of a gradient', (tested) => {
  let backend: Backend;
  let model: LanguageModel;
  let batch: Batch;
  let v: ParameterVector;
  beforeAll(async () => {
    backend = await tested.open();
    model = await LanguageModel.initialize(ARCHITECTURES.llama, { backend, seed: 3 });
    batch = batchOf(model, 'ragged');
    v = randomVector(model, 9, 1);
  });
  afterAll(() => backend.dispose());

  const batchOf = ({ config }: LanguageModel, kind: BatchKind, seed = 5): Batch =>
    rowsToBatch(randomRows(kind, 4, 12, config.vocab_size, seed), 12);
  const weights = [0.1, 0.6, 0, 0.3];
  const traced = (keep: 'jvp' | 'hvp' = 'hvp') => model.tracedGradient(batch, { weights, keep });

  const cases = Object.keys(CONFIGS).flatMap((name) => KINDS.map((kind) => ({ name, kind })));
  it.each(cases)('$name, $kind: gives what passes without it give', async ({ name, kind }) => {
    const model = await LanguageModel.initialize(CONFIGS[name], { backend, seed: 3 });
    const batch = batchOf(model, kind);
    const v = randomVector(model, 9, 1);
    const plain = await model.gradient(batch, { weights });
    const { jvp } = await model.jvp(batch, v);
    const { hvp } = await model.hvp(batch, v, { weights });
    const norm = hvp.norm();
    for (const keep of ['jvp', 'hvp'] as const) {
      const { trace, gradient, perSample } = await model.tracedGradient(batch, { weights, keep });
      expect(perSample).toEqual(plain.perSample);
      expect(gradient.toRecord()).toEqual(plain.gradient.toRecord());
      await model.gradient(batchOf(model, kind, 6)); // other passes leave a trace alone
      for (let round = 0; round < 2; round++) {
        const product = model.vector();
        expect((await trace.jvp(v)).jvp).toEqual(jvp);
        expect((await trace.hvp(v, { addTo: product })).jvp).toEqual(jvp);
        product.axpy(-1, hvp);
        expect(product.norm()).toBeLessThanOrEqual(APART[tested.name] * norm);
      }
      trace.dispose();
    }
    model.dispose();
  });

  it('has nothing to derive of a batch that predicts nothing', async () => {
    const nothing = collate([{ inputIds: [1] }, { inputIds: [2] }]);
    const { trace } = await model.tracedGradient(nothing, { keep: 'hvp' });
    const product = model.vector();
    expect((await trace.jvp(v)).jvp).toEqual(Float64Array.of(0, 0));
    expect((await trace.hvp(v, { addTo: product })).jvp).toEqual(Float64Array.of(0, 0));
    expect(product.norm()).toBe(0);
  });

  it('takes its batch of any size after another', async () => {
    for (const [rows, time] of [[2, 3], [9, 30], [1, 5], [9, 30]]) {
      const one = rowsToBatch(randomRows('packed', rows, time, ARCHITECTURES.llama.vocab_size, rows), time);
      const { hvp, jvp } = await model.hvp(one, v);
      const { trace } = await model.tracedGradient(one, { keep: 'hvp' });
      const product = model.vector();
      expect((await trace.hvp(v, { addTo: product })).jvp).toEqual(jvp);
      product.axpy(-1, hvp);
      expect(product.norm()).toBeLessThanOrEqual(APART[tested.name] * hvp.norm());
    }
  }); // prettier-ignore

  it('outlives an abort of the pass that looks for it', async () => {
    const { trace } = await traced();
    const { jvp } = await trace.jvp(v);
    const controller = new AbortController();
    const pending = trace.hvp(v, { addTo: model.vector(), signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(pending).rejects.toThrow('enough');
    expect((await trace.jvp(v)).jvp).toEqual(jvp);
    await expect(
      model.tracedGradient(batch, { keep: 'hvp', signal: AbortSignal.abort(new Error('early')) }),
    ).rejects.toThrow('early');
  });

  it('is not used once it was disposed of', async () => {
    const { trace } = await traced();
    trace.dispose();
    trace.dispose();
    const gone = { code: 'DISPOSED', message: expect.stringContaining('trace') as string };
    await expect(trace.jvp(v)).rejects.toMatchObject(gone);
    await expect(trace.hvp(v, { addTo: model.vector() })).rejects.toMatchObject(gone);
  });

  it('refuses vectors that do not fit', async () => {
    const { trace } = await traced();
    await expect(trace.hvp(v, { addTo: v })).rejects.toThrow('addTo: expected a vector other than v');
    await expect(trace.hvp(v, { addTo: model.parameters })).rejects.toThrow('addTo: expected a vector of its own');
    await expect(trace.jvp({} as ParameterVector)).rejects.toThrow('v: expected a vector of a llama model');
  });
});

describeUnless(addonReason(), 'a trace on the CPU engine, where values are kept,', () => {
  let backend: Backend;
  let model: LanguageModel;
  let batch: Batch;
  beforeAll(async () => {
    backend = await openBackend('cpu', { threads: 1 });
    model = await LanguageModel.initialize(ARCHITECTURES.gpt2, { backend, seed: 3 });
    batch = rowsToBatch(randomRows('dense', 3, 8, ARCHITECTURES.gpt2.vocab_size, 1), 8);
  });
  afterAll(() => backend.dispose());

  it('is refused at other parameters, and good again at its own', async () => {
    const { trace } = await model.tracedGradient(batch, { keep: 'hvp' });
    const [own, v, sum] = [model.parameters.copy(), randomVector(model, 9, 1), model.vector()];
    const { jvp } = await trace.jvp(v);
    const table = Object.keys(own.toRecord()).find((name) => name.endsWith('wte.weight'))!;
    const changes: (() => void)[] = [
      () => model.parameters.scale(-1),
      () => model.parameters.axpy(1e-3, v),
      () => {
        const record = own.toRecord();
        record[table].reverse();
        model.parameters.setFrom(record);
      },
      () => {
        const record = own.toRecord();
        record[table][3] *= 1.001;
        model.parameters.setFrom(record);
      },
    ];
    for (const change of changes) {
      change();
      const refused = { code: 'INVALID_ARGUMENT', message: expect.stringContaining('parameters') as string };
      await expect(trace.jvp(v)).rejects.toMatchObject(refused);
      await expect(trace.hvp(v, { addTo: sum })).rejects.toMatchObject(refused);
      expect(sum.norm()).toBe(0);
      model.parameters.copyFrom(own);
      expect((await trace.jvp(v)).jvp).toEqual(jvp);
    }
  });

  it('gives way to the next, whose dispose is its own', async () => {
    const v = randomVector(model, 9, 1);
    const { trace: first } = await model.tracedGradient(batch, { keep: 'hvp' });
    const { trace: second } = await model.tracedGradient(batch, { keep: 'jvp' });
    await expect(first.jvp(v)).rejects.toMatchObject({ code: 'DISPOSED' });
    first.dispose();
    expect((await second.jvp(v)).jvp).toEqual((await model.jvp(batch, v)).jvp);
  });

  it('goes with its model, or its backend', async () => {
    const [one, other] = await Promise.all([openBackend('cpu', { threads: 1 }), openBackend('cpu', { threads: 1 })]);
    for (const [opened, drop] of [[one, 'model'], [other, 'backend']] as const) {
      const dropped = await LanguageModel.initialize(ARCHITECTURES.gpt2, { backend: opened, seed: 3 });
      const [v, addTo] = [dropped.vector(), dropped.vector()];
      const { trace } = await dropped.tracedGradient(batch, { keep: 'hvp' });
      const pending = trace.hvp(v, { addTo }).catch(() => undefined);
      if (drop === 'model') dropped.dispose();
      else opened.dispose();
      await pending;
      await expect(trace.hvp(v, { addTo })).rejects.toMatchObject({ code: 'DISPOSED' });
      trace.dispose();
    }
    one.dispose();
  }); // prettier-ignore

  it('is planned: little more memory than a Hessian product without it', () => {
    const { engine } = model as unknown as { engine: EngineModel };
    const planned = { ...batch, attentionMask: new Uint8Array(24).fill(1), granularity: 'row', samples: 3 } as const;
    const bytes = (request: MemoryRequest) => engine.memory!(planned, request).activations;
    const plain = bytes({ operation: 'hvp' });
    expect(bytes({ operation: 'hvp', keep: 'jvp' })).toBeLessThan(1.1 * plain);
    expect(bytes({ operation: 'hvp', keep: 'hvp' })).toBeGreaterThan(bytes({ operation: 'hvp', keep: 'jvp' }));
    expect(bytes({ operation: 'hvp', keep: 'hvp' })).toBeLessThan(1.4 * plain);
  });
});
