// Trains a small model on conditioned rows and, from step 31 on, on plain ones, with a checkpoint at every step. Arguments:
// the compiled library, the run's directory. Prints "step N" after each step and "done DIGEST" with a digest of the final
// parameters.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [library, directory] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(join(library, path)).href);
const { openBackend } = await load('backend/open.js');
const { LanguageModel } = await load('model/language-model.js');
const { planInOrder } = await load('order/plan.js');
const { withCooldown } = await load('train/cooldown.js');
const { digestParameters } = await load('train/fingerprint.js');
const { train } = await load('train/trainer.js');

const config = {
  model_type: 'llama',
  vocab_size: 11,
  hidden_size: 8,
  intermediate_size: 12,
  num_hidden_layers: 1,
  num_attention_heads: 2,
};
const backend = await openBackend('reference');
const model = await LanguageModel.initialize(config, { backend, seed: 7 });
const table = (step) => ({
  samples: { tokens: (row) => Int32Array.from({ length: 5 }, (_, t) => (row + step * t) % 11) },
  plan: planInOrder(Uint32Array.from({ length: 10 }, (_, i) => (i * 7) % 10)),
});
await train({
  model,
  optimizer: { kind: 'adamw', lr: 0.01, weightDecay: 0.033, clipNorm: 1 },
  schedule: { kind: 'cosine', warmupSteps: 2 },
  ...withCooldown({ conditioned: table(2), plain: table(3), steps: 40, batchSize: 2, cooldown: 0.25 }),
  log: join(directory, 'train.jsonl'),
  checkpoint: { dir: join(directory, 'checkpoints'), every: 1 },
  onStep: ({ step }) => process.stdout.write(`step ${step}\n`),
});
process.stdout.write(`done ${digestParameters(model.parameters)}\n`);
