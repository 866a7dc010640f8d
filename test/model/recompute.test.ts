import { afterAll, beforeAll, expect, it } from 'vitest';
import { addonReason } from '../../lib/backend/addon.ts';
import { openBackend } from '../../lib/backend/open.ts';
import type { Backend } from '../../lib/backend/types.ts';
import type { ModelConfig } from '../../lib/model/config.ts';
import { LanguageModel } from '../../lib/model/language-model.ts';
import type { MemoryOperation } from '../../lib/model/memory.ts';
import { SequenceRater } from '../../lib/model/sequence-rater.ts';
import { metaGradient } from '../../lib/weight/meta-gradient.ts';
import { describeUnless } from '../support/backends.ts';
import { ARCHITECTURES } from '../support/models.ts';
import { randomRows, rowsToBatch, type BatchKind } from '../support/random-batch.ts';
import { randomVector } from '../support/random-vector.ts';

const WEIGHTS = [0.1, 0.6, 0, 0.3];
const batchOf = ({ vocab_size }: ModelConfig, kind: BatchKind, seed: number) =>
  rowsToBatch(randomRows(kind, 4, 12, vocab_size, seed), 12);

/** Every number that passes over a batch come to. */
async function everything(backend: Backend, config: ModelConfig, kind: BatchKind) {
  const model = await LanguageModel.initialize(config, { backend, seed: 3 });
  const batch = batchOf(config, kind, 5);
  const [u, v] = [randomVector(model, 9, 1), randomVector(model, 9, 2)];
  const { gradient, ...samples } = await model.perSample(batch, {
    ...{ norms: true, gram: true, dots: [u, v], weights: WEIGHTS, into: model.vector() },
    sketch: { dimensions: 6, seed: 4 },
  });
  const plain = await model.gradient(batch, { weights: WEIGHTS });
  const { hvp, jvp } = await model.hvp(batch, v, { weights: WEIGHTS });
  const { trace } = await model.tracedGradient(batch, { weights: WEIGHTS, keep: 'hvp' });
  const traced = model.vector();
  const { jvp: tracedJvp } = await trace.hvp(v, { addTo: traced });
  trace.dispose();
  const rater = await SequenceRater.initialize(
    { ...config, causal: false, pooling: 'mean', bias: true },
    { backend, seed: 6 },
  );
  const raterGradient = rater.vector();
  const scores = await rater.backward(batch, Float64Array.of(1, -2, 0.5, 0), { into: raterGradient });
  const vectors = [gradient!, plain.gradient, hvp, traced, raterGradient];
  return {
    ...{ samples, losses: await model.loss(batch), plain: plain.perSample, jvp, tracedJvp, scores },
    vectors: vectors.map((vector) => vector.toRecord()),
  };
}

describeUnless(addonReason(), 'a backend that recomputes activations', () => {
  const opened: Backend[] = [];
  const open = async (options: { precision?: 'f32' | 'bf16'; recompute?: boolean }) => {
    opened.push(await openBackend('cpu', options));
    return opened.at(-1)!;
  };
  const backends: Record<string, [Backend, Backend]> = {};
  beforeAll(async () => {
    for (const precision of ['f32', 'bf16'] as const) {
      backends[precision] = [await open({ precision }), await open({ precision, recompute: true })];
    }
  });
  afterAll(() => opened.forEach((backend) => backend.dispose()));

  const cases = Object.keys(ARCHITECTURES).flatMap((name) =>
    (['f32', 'bf16'] as const).flatMap((precision) =>
      (['ragged', 'packed'] as const).map((kind) => ({ name, precision, kind })),
    ),
  );
  it.each(cases)('$name, $precision, $kind: has the same bits', async ({ name, precision, kind }) => {
    const [keeping, recomputing] = backends[precision];
    const expected = await everything(keeping, ARCHITECTURES[name], kind);
    expect(await everything(recomputing, ARCHITECTURES[name], kind)).toEqual(expected);
  });

  it('takes the same meta-gradients', async () => {
    const config = ARCHITECTURES.llama;
    const [expected, got] = await Promise.all(
      backends.f32.map(async (backend) => {
        const model = await LanguageModel.initialize(config, { backend, seed: 3 });
        const result = await metaGradient(model, {
          batches: [batchOf(config, 'ragged', 1), batchOf(config, 'ragged', 2)],
          scores: [Float64Array.from(WEIGHTS), Float64Array.of(-1, 0, 1, 2)],
          outer: batchOf(config, 'dense', 3),
          optimizer: { kind: 'adamw', lr: 1e-2 },
          gradient: true,
        });
        return { ...result, gradient: result.gradient!.toRecord(), final: result.final.toRecord() };
      }),
    );
    expect(got).toEqual(expected);
  });

  it('keeps one block at a time, and says so', async () => {
    const deep = { ...ARCHITECTURES.llama, num_hidden_layers: 12 } as ModelConfig;
    const [keeping, recomputing] = await Promise.all(
      backends.f32.map((backend) => LanguageModel.initialize(deep, { backend, seed: 3 })),
    );
    const activations = (model: LanguageModel, operation: MemoryOperation) =>
      model.memory({ batch: 16, time: 64 }, operation).activations;
    for (const operation of ['gradient', 'perSample', 'hvp'] as const) {
      expect(activations(recomputing, operation)).toBeLessThan(0.5 * activations(keeping, operation));
    }
    for (const operation of ['loss', 'jvp'] as const) {
      expect(activations(recomputing, operation)).toBe(activations(keeping, operation));
    }
  });

  it('is one or is not', async () => {
    await expect(open({ recompute: 'yes' as never })).rejects.toThrow('recompute: expected true or false, got "yes"');
  });
});
