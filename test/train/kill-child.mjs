// Trains a small model with a checkpoint at every step. Arguments: the compiled library, the run's directory, the backend.
// Prints "step N" after each step and "done DIGEST" with a digest of the final parameters and in-run scores.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [library, directory, backendName] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(join(library, path)).href);
const { openBackend } = await load('backend/open.js');
const { LanguageModel } = await load('model/language-model.js');
const { digest, digestParameters } = await load('train/fingerprint.js');
const { InRunScores } = await load('score/in-run.js');
const { train } = await load('train/trainer.js');

const config = {
  model_type: 'llama',
  vocab_size: 11,
  hidden_size: 8,
  intermediate_size: 12,
  num_hidden_layers: 1,
  num_attention_heads: 2,
};
const backend = await openBackend(backendName);
const model = await LanguageModel.initialize(config, { backend, seed: 7 });
const rows = Uint32Array.from({ length: 10 }, (_, i) => (i * 7) % 10);
const samples = { tokens: (row) => Int32Array.from({ length: 5 }, (_, t) => (row + 2 * t) % 11) };
const observer = new InRunScores(model, {
  samples,
  target: Uint32Array.of(10, 11, 12),
  targetRows: 2,
  refreshEvery: 3,
});
await train({
  model,
  observer,
  optimizer: { kind: 'adamw', lr: 0.01, clipNorm: 1 },
  schedule: { kind: 'cosine', warmupSteps: 5 },
  plan: { rows, layers: new Uint32Array(10), weights: new Float32Array(10).fill(1) },
  samples,
  batchSize: 2,
  steps: 40,
  log: join(directory, 'train.jsonl'),
  checkpoint: { dir: join(directory, 'checkpoints'), every: 1 },
  onStep: ({ step }) => process.stdout.write(`step ${step}\n`),
});
const { rows: scored, columns } = observer.table();
process.stdout.write(`done ${digest([digestParameters(model.parameters), scored, ...Object.values(columns)])}\n`);
