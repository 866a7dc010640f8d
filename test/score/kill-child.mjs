// One long step of scoring on toy sizes. Arguments: the compiled library, the run's directory, the backend, the step.
// Prints "tick" as work is done and "done DIGEST" with a digest of the result.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [library, directory, backendName, step] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(join(library, path)).href);
const { openBackend } = await load('backend/open.js');
const { collate } = await load('data/batch.js');
const { LanguageModel } = await load('model/language-model.js');
const { SequenceRater } = await load('model/sequence-rater.js');
const { annotateLqs } = await load('score/lqs.js');
const { scoreRows } = await load('score/rater-scores.js');
const { trainScorer } = await load('score/scorer.js');
const { scoreShard } = await load('score/shards.js');
const { digest, digestParameters } = await load('train/fingerprint.js');

const shape = { vocab_size: 11, hidden_size: 8, intermediate_size: 12, num_hidden_layers: 1, num_attention_heads: 2 };
const settings = { causal: false, pooling: 'mean', bias: true };
const backend = await openBackend(backendName, { threads: 1 });
const samples = { tokens: (row) => Int32Array.from({ length: 5 }, (_, t) => (row * (t + 2) + t * t) % 11) };
const batch = (...rows) => collate(rows.map((row) => ({ inputIds: samples.tokens(row) })));
const rows = Uint32Array.from({ length: 40 }, (_, i) => i);
const tick = () => process.stdout.write('tick\n');
const rater = () => SequenceRater.initialize({ model_type: 'llama', ...shape, ...settings }, { backend, seed: 3 });

const STEPS = {
  async annotate() {
    const model = await LanguageModel.initialize({ model_type: 'llama', ...shape }, { backend, seed: 7 });
    const { scores, lambdaNorms } = await annotateLqs(model, {
      batches: Array.from({ length: 6 }, (_, t) => batch(3 * t, 3 * t + 1)),
      target: [batch(50, 51), batch(52)],
      proxy: Array.from(rows, (row) => batch(row)),
      lr: 0.05,
      interval: 2,
      checkpointDir: directory,
      onProgress: tick,
    });
    return digest([scores, lambdaNorms]);
  },
  async fit() {
    const scorer = await rater();
    const { bestStep } = await trainScorer(scorer, {
      ...{ samples, rows, scores: Array.from(rows, (row) => Math.sin(row)), heldOut: 0.3, seed: 1 },
      ...{ steps: 60, batchSize: 4, evaluateEvery: 2 },
      checkpointDir: join(directory, 'checkpoints'),
      log: join(directory, 'log.jsonl'),
      onStep: tick,
    });
    return `${bestStep} ${digestParameters(scorer.parameters)}`;
  },
  async apply() {
    const scorer = await rater();
    const { path } = await scoreShard({
      ...{ out: join(directory, 'scores.arrow'), rows, columns: ['s'], fingerprint: { rater: 'toy' }, chunk: 1 },
      score: async (part) => ({ s: await scoreRows(scorer, samples, part) }),
      onProgress: tick,
    });
    return digest([await readFile(path)]);
  },
};

process.stdout.write(`done ${await STEPS[step]()}\n`);
