// node --expose-gc memory-child.mjs LIBRARY JOB: makes one pass and prints how much resident memory it took at its peak,
// beside what model.memory() says.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [library, job] = process.argv.slice(2);
const { collate, LanguageModel, openBackend } = await import(pathToFileURL(join(library, 'index.js')).href);
const { config, batch: rows, time, operation, request = {}, precision, recompute } = JSON.parse(job);

/** Bytes of a line of /proc/self/status. */
function memory(line) {
  return 1024 * Number(new RegExp(`^${line}:\\s+(\\d+) kB`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))[1]);
}

function settle() {
  for (let i = 0; i < 3; i++) globalThis.gc();
}

const row = (i, length) => ({ inputIds: Int32Array.from({ length }, (_, t) => (7 * t + 31 * i) % config.vocab_size) });
/** Of the model before the count: small, since what its freed tables leave with the allocator would not count. */
const SMALL_VOCABULARY = 64;
const backend = await openBackend('cpu', { threads: 2, precision, recompute });
// A smaller model first: libraries, threads and code are there before the count begins.
const small = await LanguageModel.initialize(
  { ...config, num_hidden_layers: 1, vocab_size: SMALL_VOCABULARY },
  { backend, seed: 1 },
);
await small.gradient(collate([{ inputIds: Int32Array.of(1, 2, 3, 4) }]));
small.dispose();
settle();
const before = memory('VmRSS');

const model = await LanguageModel.initialize(config, { backend, seed: 1 });
const dots = Array.from({ length: request.dots ?? 0 }, () => model.vector());
const own = operation === 'loss' ? undefined : model.vector();
settle();
const batch = collate(Array.from({ length: rows }, (_, i) => row(i, time)));
const passes = {
  loss: () => model.loss(batch),
  gradient: () => model.gradient(batch, { into: own }),
  perSample: () => model.perSample(batch, { ...request, dots, into: own }),
  jvp: () => model.jvp(batch, own),
  hvp: () => model.hvp(batch, own),
};
await passes[operation]();
const { total } = model.memory({ batch: rows, time }, operation, { ...request, gradient: true });
console.log(JSON.stringify({ measured: memory('VmHWM') - before, predicted: total }));
process.exit(0);
