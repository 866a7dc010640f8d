// Trains a toy DataRater with a checkpoint at every second meta-step. Arguments: the compiled library, the run's directory,
// the backend. Prints "tick" after each meta-step and "done DIGEST" with a digest of the rater's parameters.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [library, directory, backendName] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(join(library, path)).href);
const { openBackend } = await load('backend/open.js');
const { LanguageModel } = await load('model/language-model.js');
const { digestParameters } = await load('train/fingerprint.js');
const { trainDataRater } = await load('weight/data-rater.js');
const { initializeDataRater } = await load('weight/data-rater/rater-model.js');

const config = {
  model_type: 'llama',
  vocab_size: 11,
  hidden_size: 8,
  intermediate_size: 12,
  num_hidden_layers: 1,
  num_attention_heads: 2,
};
const samples = { tokens: (row) => Int32Array.from({ length: 5 }, (_, t) => (row * (t + 2) + t * t) % 11) };
const range = (begin, end) => Array.from({ length: end - begin }, (_, i) => begin + i);
const backend = await openBackend(backendName, { threads: 1 });
const model = await LanguageModel.initialize(config, { backend, seed: 7 });
const rater = await initializeDataRater(config, { backend, seed: 3 });
await trainDataRater({
  rater,
  model,
  inner: { samples, rows: range(0, 30), batchSize: 3 },
  heldOut: { samples, rows: range(30, 50), batchSize: 4 },
  steps: 30,
  population: { size: 3, life: 8, burnIn: 2 },
  modelsPerStep: 2,
  probe: { every: 5 },
  seed: 5,
  checkpoint: { dir: join(directory, 'checkpoints'), every: 2 },
  log: join(directory, 'log.jsonl'),
  onStep: () => void process.stdout.write('tick\n'),
});
process.stdout.write(`done ${digestParameters(rater.parameters)}\n`);
