// A process that makes and drops engine objects, or that ends them while they work. Arguments: the compiled library, the
// mode and what it takes. Modes of growth want --expose-gc.
/* global gc, setTimeout */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

const [library, mode, ...rest] = isMainThread ? process.argv.slice(2) : workerData;
const { collate, createOptimizer, foldOrderAsync, LanguageModel, metaGradient, openBackend } = await import(
  pathToFileURL(join(library, 'index.js')).href
);

const SMALL = {
  model_type: 'llama',
  vocab_size: 11,
  hidden_size: 8,
  intermediate_size: 12,
  num_hidden_layers: 1,
  num_attention_heads: 2,
};
const smallBatch = collate([{ inputIds: [1, 2, 3] }]);
/** A pass takes many milliseconds. */
const BUSY = { ...SMALL, vocab_size: 512, hidden_size: 64, intermediate_size: 256, num_hidden_layers: 4 };
const busyBatch = collate(
  Array.from({ length: 16 }, () => ({ inputIds: Int32Array.from({ length: 128 }, (_, t) => t) })),
);

async function busyModel() {
  return LanguageModel.initialize(BUSY, { backend: await openBackend('cpu', { threads: 2 }), seed: 1 });
}

/** Garbage of more cycles than these would be counted as growth. */
const BETWEEN_COLLECTIONS = 500;

/** Runs a cycle so many times; in the end the engine's queue, the collector and finalizers have done their work. */
async function repeat(times, cycle) {
  for (let i = 1; i <= times; i++) {
    await cycle();
    // Finalizers need a turn of the event loop; without one nothing is freed, as in any program that never waits.
    if (i % 50 === 0) await nextTurn();
    if (i % BETWEEN_COLLECTIONS === 0) await collect();
  }
  await collect();
}

async function collect() {
  for (let i = 0; i < 5; i++) {
    gc();
    await nextTurn();
  }
}

/** One cycle of each kind of object; with `dispose` false its objects are left to the collector. */
const CYCLES = {
  models: (backend) => async (dispose) => {
    const model = await LanguageModel.initialize(SMALL, { backend, seed: 1 });
    await model.gradient(smallBatch);
    if (dispose) model.dispose();
  },
  vectors: async (backend) => {
    const model = await LanguageModel.initialize(SMALL, { backend, seed: 1 });
    return (dispose) => {
      const optimizer = createOptimizer(model, { kind: 'adamw', lr: 0.1 });
      const vectors = [model.vector(), model.parameters.copy()];
      vectors[0].axpy(2, vectors[1]);
      if (!dispose) return;
      optimizer.dispose();
      for (const vector of vectors) vector.dispose();
    };
  },
  metaGradients: async (backend) => {
    const model = await LanguageModel.initialize(SMALL, { backend, seed: 1 });
    const problem = {
      batches: [smallBatch, smallBatch],
      scores: [Float64Array.of(0), Float64Array.of(0)],
      outer: smallBatch,
      optimizer: { kind: 'sgd', lr: 0.1 },
    };
    return async (dispose) => {
      const { final } = await metaGradient(model, problem);
      if (dispose) final.dispose();
    };
  },
  backends: () => async (dispose) => {
    const backend = await openBackend('cpu', { threads: 2 });
    const model = await LanguageModel.initialize(SMALL, { backend, seed: 1 });
    await model.loss(smallBatch);
    if (!dispose) return;
    model.dispose();
    backend.dispose();
  },
};

const MODES = {
  /** Makes the cycles in several parts; prints by how many bytes resident memory grew in each but the first. */
  async growth(kind, way, cycles, parts) {
    const backend = await openBackend('cpu', { threads: 1 });
    const cycle = await CYCLES[kind](backend);
    const sizes = [];
    for (let part = 0; part < parts; part++) {
      await repeat(cycles / parts, () => cycle(way === 'dispose'));
      sizes.push(process.memoryUsage.rss());
    }
    process.stdout.write(JSON.stringify(sizes.slice(1).map((size, i) => size - sizes[i])));
  },

  /** Leaves `ms` after work began on three engines and the thread pool. */
  async exit(ms) {
    const scores = new Float32Array(3e6).map((_, i) => Math.sin(i));
    for (let i = 0; i < 3; i++) {
      const model = await busyModel();
      for (let call = 0; call < 10; call++) void model.perSample(busyBatch, { norms: true, gram: true });
    }
    void foldOrderAsync(scores);
    setTimeout(() => process.exit(3), Number(ms));
  },

  /** Disposes of vectors, models and the backend under the calls that use them: each settles, none with wrong numbers. */
  async dispose() {
    const model = await busyModel();
    const expected = await model.perSample(busyBatch, { norms: true, dots: [model.parameters] });
    for (const wait of [0, 1, 5, 15]) {
      const vectors = [model.vector(), model.parameters.copy()];
      const calls = [
        model.gradient(busyBatch, { into: vectors[0] }),
        model.perSample(busyBatch, { norms: true, dots: [vectors[1]] }),
        model.hvp(busyBatch, vectors[1]),
      ];
      await delay(wait);
      for (const vector of vectors) vector.dispose();
      const [, statistics] = await Promise.all(calls);
      assert.deepEqual(statistics.norms, expected.norms);
      assert.deepEqual(statistics.dots, expected.dots);
    }
    const dropped = await LanguageModel.initialize(BUSY, {
      backend: await openBackend('cpu', { threads: 2 }),
      seed: 1,
    });
    const last = dropped.perSample(busyBatch, { norms: true });
    dropped.dispose();
    assert.deepEqual((await last).norms, expected.norms);
    await assert.rejects(dropped.loss(busyBatch), { code: 'DISPOSED' });
    process.stdout.write('disposed\n');
  },

  /** Workers are terminated at work, one after the other, while this thread's own engine goes on undisturbed. */
  async workers(count) {
    const model = await busyModel();
    const expected = await model.gradient(busyBatch);
    for (let i = 0; i < Number(count); i++) {
      const worker = new Worker(fileURLToPath(import.meta.url), { workerData: [library, 'endless'] });
      await once(worker, 'message');
      const own = model.gradient(busyBatch);
      await delay(i * 2);
      await worker.terminate();
      assert.deepEqual((await own).perSample, expected.perSample);
    }
    process.stdout.write('terminated\n');
  },
  async endless() {
    const model = await busyModel();
    const scores = new Float32Array(1e5).map((_, i) => Math.sin(i));
    parentPort.postMessage('at work');
    for (;;) {
      await Promise.all([
        model.gradient(busyBatch),
        model.hvp(busyBatch, model.parameters.copy()),
        foldOrderAsync(scores),
      ]);
    }
  },
};
await MODES[mode](...rest);
