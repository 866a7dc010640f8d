// node --expose-gc lqs-memory-child.mjs LIBRARY DIRECTORY JOB: annotates a few rows and prints how much resident memory that
// took at its peak, beside what lqsMemory says.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [library, directory, text] = process.argv.slice(2);
const { annotateLqs, collate, LanguageModel, lqsMemory, openBackend } = await import(
  pathToFileURL(join(library, 'index.js')).href
);
const { config, steps, rows, time, microBatch } = JSON.parse(text);

/** Bytes of a line of /proc/self/status. */
function memory(line) {
  return 1024 * Number(new RegExp(`^${line}:\\s+(\\d+) kB`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))[1]);
}

const row = (i) => ({ inputIds: Int32Array.from({ length: time }, (_, t) => (7 * t + 31 * i) % config.vocab_size) });
const batches = (count) =>
  Array.from({ length: count }, (_, b) => collate(Array.from({ length: rows }, (_, i) => row(b + i))));
const annotate = (model, count, checkpointDir) =>
  annotateLqs(model, {
    ...{ batches: batches(count), target: batches(1), proxy: batches(2), lr: 0.01, interval: 2, microBatch },
    checkpointDir,
    onProgress: () => globalThis.gc(), // what JavaScript has dropped is not part of the prediction
  });

const backend = await openBackend('cpu', { threads: 2 });
// A smaller model first: libraries, threads and code are there before the count begins.
const small = await LanguageModel.initialize({ ...config, vocab_size: 64, num_hidden_layers: 1 }, { backend, seed: 1 });
small.dispose();
globalThis.gc();
const before = memory('VmRSS');
const model = await LanguageModel.initialize(config, { backend, seed: 1 });
await annotate(model, steps, directory);
const shape = { batch: rows, time };
const { total } = lqsMemory(model, { batch: shape, target: shape, proxy: shape, microBatch });
console.log(JSON.stringify({ measured: memory('VmHWM') - before, predicted: total }));
process.exit(0);
