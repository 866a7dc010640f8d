// Maps files and drops them. Arguments: the compiled library, the mode, a folder of shards. Wants --expose-gc.
/* global gc */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

const [library, mode, folder] = isMainThread ? process.argv.slice(2) : workerData;
const { openSamples } = await import(pathToFileURL(join(library, 'index.js')).href);

/** How many files of the folder are mapped; Linux says. */
function mapped() {
  return readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter((line) => line.includes(folder)).length;
}

async function collect() {
  for (let i = 0; i < 5; i++) {
    gc();
    await nextTurn();
  }
}

const MODES = {
  /** Mappings last as long as something refers to them, and no longer. */
  async collect() {
    const shards = (await readdir(folder)).length;
    const held = { samples: await openSamples(folder) };
    const first = held.samples.tokens(0);
    const expected = [...first];
    assert(mapped() >= shards);
    delete held.samples;
    await collect();
    assert(mapped() >= 1 && mapped() < shards, 'the row that is kept needs its shard, and no other');
    assert.deepEqual([...first], expected);
    for (let i = 0; i < 300; i++) await openSamples(folder);
    await collect();
    assert(mapped() < 2 * shards, `${mapped()} mappings are left of 300 times ${shards}`);
    process.stdout.write('collected');
  },

  /** A file that is replaced or removed stays what it was for who has opened it. */
  async replaced() {
    const samples = await openSamples(folder);
    const expected = Array.from({ length: samples.count }, (_, i) => [...samples.tokens(i)]);
    for (const [i, name] of (await readdir(folder)).sort().entries()) {
      const path = join(folder, name);
      if (i % 2 === 0) {
        await writeFile(`${path}.new`, 'something else');
        await rename(`${path}.new`, path);
      } else await rm(path);
    }
    assert.deepEqual(
      Array.from({ length: samples.count }, (_, i) => [...samples.tokens(i)]),
      expected,
    );
    process.stdout.write('kept');
  },

  /** What is written into a row reaches neither the file nor another opening of it. */
  async written() {
    const [name] = (await readdir(folder)).sort();
    const before = await readFile(join(folder, name));
    const [one, other] = [await openSamples(folder), await openSamples(folder)];
    const expected = other.tokens(0)[0];
    one.tokens(0)[0] = 12345;
    assert.equal(one.tokens(0)[0], 12345);
    assert.equal(other.tokens(0)[0], expected);
    assert.deepEqual(await readFile(join(folder, name)), before);
    process.stdout.write('private');
  },

  /** Workers map, read and end, of themselves or in the middle of reading; their mappings end with them. */
  async workers() {
    const samples = await openSamples(folder);
    const expected = [...samples.tokens(samples.count - 1)];
    const before = mapped();
    for (let i = 0; i < 6; i++) {
      const worker = new Worker(fileURLToPath(import.meta.url), {
        workerData: [library, i % 2 ? 'once' : 'endless', folder],
      });
      const exit = once(worker, 'exit');
      const [tokens] = await once(worker, 'message');
      assert.deepEqual([...tokens], expected);
      if (i % 2 === 0) await worker.terminate();
      await exit;
    }
    await collect();
    assert(mapped() <= before, `${mapped()} mappings, ${before} before the workers`);
    assert.deepEqual([...samples.tokens(samples.count - 1)], expected);
    process.stdout.write('ended');
  },
  async once() {
    const samples = await openSamples(folder);
    parentPort.postMessage(samples.tokens(samples.count - 1).slice());
  },
  async endless() {
    const samples = await openSamples(folder);
    parentPort.postMessage(samples.tokens(samples.count - 1).slice());
    for (let i = 0; ; i = (i + 1) % samples.count) {
      samples.prefetch([i]);
      samples.tokens(i).at(-1);
    }
  },

  /** Leaves while rows are announced and read. */
  async exit() {
    const samples = await openSamples(folder);
    samples.prefetch(Array.from({ length: samples.count }, (_, i) => i));
    samples.tokens(0);
    process.exit(3);
  },
};
await MODES[mode]();
