// A search of small trainings with a checkpoint at every step. Arguments: the compiled library, the samples, the search's
// folder, the number of processes. Prints a line for each progress and "done DIGEST" with a digest of what was measured.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [library, samples, dir, processes] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(join(library, path)).href);
const { searchDdo } = await load('recipe/autoscale/ddo-search.js');
const { digest } = await load('train/fingerprint.js');

const { runs } = await searchDdo({
  dir,
  processes: Number(processes),
  title: 'search',
  base: { garden: 6, harbour: 6 },
  factors: [2, 1 / 2],
  seeds: [3],
  settings: {
    samples,
    model: {
      model_type: 'bert',
      vocab_size: 20,
      hidden_size: 8,
      intermediate_size: 12,
      num_hidden_layers: 1,
      num_attention_heads: 2,
      max_position_embeddings: 8,
    },
    optimization: {
      batch: 2,
      lr: 0.01,
      warmup: 0.1,
      finalLr: 0.1,
      betas: [0.9, 0.95],
      weightDecay: 0,
      clipNorm: 1,
    },
    masks: { maskId: 19, specialIds: [18, 19], vocabularySize: 20, share: 0.3 },
    measure: { split: 'validation', domains: ['garden', 'harbour'], rowsPerDomain: 3, batch: 4, seed: 0 },
    checkpointEvery: 1,
    backend: { name: 'reference', threads: 1, precision: 'f32' },
    keepModels: false,
  },
  onEvent: (event) => process.stdout.write(`${event.kind} ${event.stage} ${event.done ?? event.skipped}\n`),
});
process.stdout.write(`done ${digest([JSON.stringify(runs)])}\n`);
