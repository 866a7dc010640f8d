import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Backend } from '../../lib/backend/types.ts';
import type { Batch } from '../../lib/data/batch.ts';
import type { ModelConfig } from '../../lib/model/config.ts';
import { LanguageModel } from '../../lib/model/language-model.ts';
import { describeBackends } from '../support/backends.ts';
import { ARCHITECTURES } from '../support/models.ts';
import { randomRows, rowsToBatch, type BatchKind } from '../support/random-batch.ts';
import { randomVector } from '../support/random-vector.ts';

const CONFIGS: Record<string, ModelConfig> = {
  ...ARCHITECTURES,
  'llama, tied': { ...ARCHITECTURES.llama, tie_word_embeddings: true } as ModelConfig,
};
const KINDS: BatchKind[] = ['dense', 'ragged', 'packed'];

describeBackends('a trace of a gradient', (tested) => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await tested.open();
  });
  afterAll(() => backend.dispose());

  const batchOf = (model: LanguageModel, kind: BatchKind, seed = 5): Batch =>
    rowsToBatch(randomRows(kind, 4, 12, model.config.vocab_size, seed), 12);
  const weights = [0.1, 0.6, 0, 0.3];

  const cases = Object.keys(CONFIGS).flatMap((name) => KINDS.map((kind) => ({ name, kind })));
  it.each(cases)('$name, $kind: dual passes have the same bits as without', async ({ name, kind }) => {
    const model = await LanguageModel.initialize(CONFIGS[name], { backend, seed: 3 });
    const batch = batchOf(model, kind);
    const v = randomVector(model, 9, 1);
    const plain = await model.gradient(batch, { weights });
    const { jvp } = await model.jvp(batch, v);
    const { hvp } = await model.hvp(batch, v, { weights });

    for (const keep of ['jvp', 'hvp'] as const) {
      const { trace, gradient, perSample } = await model.tracedGradient(batch, { weights, keep });
      expect(perSample).toEqual(plain.perSample);
      expect(gradient.toRecord()).toEqual(plain.gradient.toRecord());
      await model.gradient(batchOf(model, kind, 6)); // what other passes do in between leaves a trace alone
      expect((await trace.jvp(v)).jvp).toEqual(jvp);
      for (let round = 0; round < 2; round++) {
        const addTo = model.vector();
        expect((await trace.hvp(v, { addTo })).jvp).toEqual(jvp);
        addTo.axpy(-1, hvp);
        console.log(name, kind, keep, addTo.norm() / hvp.norm());
      }
      trace.dispose();
    }
    model.dispose();
  });
});
