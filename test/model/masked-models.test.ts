import { expect, it } from 'vitest';
import { evaluatePerplexity } from '../../lib/evaluate/perplexity.ts';
import { LanguageModel } from '../../lib/model/language-model.ts';
import { openBackend } from '../../lib/backend/open.ts';
import { planOf } from '../../lib/order/plan.ts';
import { train } from '../../lib/train/trainer.ts';
import { ARCHITECTURES } from '../support/models.ts';

const samples = { tokens: () => [5, 6, 7], domain: () => 'all' };

it('are refused where rows are their own labels', async () => {
  const backend = await openBackend('reference');
  const model = await LanguageModel.initialize(ARCHITECTURES.bert, { backend, seed: 1 });
  expect(model.objective).toBe('masked-token');
  const said = /expected a model that predicts the next token, got bert, whose rows need masks/;
  await expect(evaluatePerplexity(model, samples, [0])).rejects.toThrow(said);
  const options = {
    optimizer: { kind: 'sgd', lr: 1 } as const,
    plan: planOf(Uint32Array.of(0), null, { method: 'shuffle', seed: 0 }),
    samples,
    batchSize: 1,
  };
  await expect(train({ model, ...options })).rejects.toThrow(said);
  backend.dispose();
});
