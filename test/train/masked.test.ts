import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openReferenceBackend } from '../../lib/backend/reference/backend.ts';
import { SamplesBuilder } from '../../lib/data/flat-samples.ts';
import { MaskedSamples } from '../../lib/data/mlm.ts';
import { evaluatePerplexity } from '../../lib/evaluate/perplexity.ts';
import { LanguageModel } from '../../lib/model/language-model.ts';
import { digestParameters } from '../../lib/train/fingerprint.ts';
import { train, type TrainOptions } from '../../lib/train/trainer.ts';
import { toyPlan } from './toy.ts';

const backend = openReferenceBackend();
const config = {
  model_type: 'bert' as const,
  vocab_size: 12,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  max_position_embeddings: 8,
  initializer_range: 0.2,
};

/** Rows of one token repeated, so that the shown ones tell the hidden ones; 10 ends them, 11 is the mask. */
const builder = new SamplesBuilder(8);
for (let row = 0; row < 10; row++) {
  builder.add(
    Int32Array.from({ length: 8 }, (_, t) => (t === 7 ? 10 : row)),
    row,
    'all',
    'train',
  );
}
const samples = builder.build();
const masked = (seed: number) =>
  new MaskedSamples(samples, { maskId: 11, specialIds: [10], vocabularySize: 12, share: 0.3, seed });

const run = async (): Promise<TrainOptions> => ({
  model: await LanguageModel.initialize(config, { backend, seed: 1 }),
  optimizer: { kind: 'adamw', lr: 0.02, betas: [0.9, 0.95], eps: 1e-8, weightDecay: 0 },
  plan: toyPlan([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
  samples: masked(4),
  batchSize: 5,
  steps: 60,
});

it('an encoder learns masked tokens over many passes, and goes on to the same bits after a stop', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'gradfold-masked-'));
  const whole = await run();
  const loss = async () => (await evaluatePerplexity(whole.model, masked(9), [0, 3, 5, 8])).overall;
  const before = await loss();
  await train(whole);
  const after = await loss();
  // The same masks before and after: fixed by the seed of the evaluation.
  expect(after.tokens).toBe(before.tokens);
  expect(before.loss).toBeGreaterThan(2);
  expect(after.loss).toBeLessThan(1);

  const checkpoint = { dir: join(directory, 'run'), every: 7 };
  const controller = new AbortController();
  const stopped = await run();
  await expect(
    train({
      ...stopped,
      checkpoint,
      signal: controller.signal,
      onStep: ({ step }) => step === 31 && controller.abort(new Error('stopped')),
    }),
  ).rejects.toThrow('stopped');
  const resumed = await run();
  await train({ ...resumed, checkpoint });
  expect(digestParameters(resumed.model.parameters)).toBe(digestParameters(whole.model.parameters));

  // A checkpoint made with other masks is refused.
  await expect(train({ ...(await run()), samples: masked(5), checkpoint })).rejects.toThrow(/samples was .*, is /);
  await rm(directory, { recursive: true });
}, 60_000);
