// A process that leaves the engine in one of several ways. Arguments: the compiled library, the way.
import { once } from 'node:events';
import { join } from 'node:path';
import { pathToFileURL, fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

const [library, mode] = isMainThread ? process.argv.slice(2) : workerData;
const load = (path) => import(pathToFileURL(join(library, path)).href);
const { openCpuBackend } = await load('backend/cpu.js');
const { LanguageModel } = await load('model/language-model.js');
const { collate } = await load('data/batch.js');

const config = {
  model_type: 'llama',
  vocab_size: 512,
  hidden_size: 128,
  intermediate_size: 256,
  num_hidden_layers: 6,
  num_attention_heads: 4,
};
const batch = collate(Array.from({ length: 16 }, () => ({ inputIds: Int32Array.from({ length: 128 }, (_, t) => t) })));
const start = async () => LanguageModel.initialize(config, { backend: openCpuBackend(), seed: 1 });

const MODES = {
  /** Leaves while passes are under way. */
  async exit() {
    const model = await start();
    for (let i = 0; i < 50; i++) void model.gradient(batch);
    process.stdout.write('leaving\n', () => process.exit(3));
  },
  /** An opened backend alone does not keep the process alive. */
  async idle() {
    await start();
    process.stdout.write('idle\n');
  },
  /** A pending promise does. */
  async finish() {
    const model = await start();
    void model.gradient(batch).then(() => process.stdout.write('finished\n'));
  },
  /** One worker runs to its end, another is terminated at work. */
  async worker() {
    const script = fileURLToPath(import.meta.url);
    const finishing = new Worker(script, { workerData: [library, 'inWorker'] });
    const [text] = await once(finishing, 'message');
    process.stdout.write(`${text}\n`);
    await once(finishing, 'exit');
    const endless = new Worker(script, { workerData: [library, 'endless'] });
    await once(endless, 'message');
    await endless.terminate();
    process.stdout.write('terminated\n');
  },
  async inWorker() {
    await (await start()).gradient(batch);
    parentPort.postMessage('worker finished');
  },
  async endless() {
    const model = await start();
    parentPort.postMessage('at work');
    for (;;) await model.gradient(batch);
  },
};
await MODES[mode]();
