// The CUDA kernels where there is no CUDA: the same sources, run thread by thread on the CPU, by themselves and under the
// whole engine.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { NativeEngine, NativeEngineOptions } from '../../lib/backend/addon.ts';
import { openCudaAddon } from '../../lib/backend/cuda.ts';
import { openBackend } from '../../lib/backend/open.ts';
import type { Backend } from '../../lib/backend/types.ts';
import type { ModelConfig } from '../../lib/model/config.ts';
import { LanguageModel } from '../../lib/model/language-model.ts';
import { createOptimizer } from '../../lib/model/optimizer.ts';
import { argsortAsync } from '../../lib/order/argsort.ts';
import { measureOrder } from '../../lib/order/measure.ts';
import { softmaxWeightsAsync } from '../../lib/weight/softmax.ts';
import { emulationBuild } from '../../scripts/cuda.js';
import { buildCudaTest, cudaTests } from '../../scripts/native-tests.js';
import { describeUnless, type TestedBackend } from '../support/backends.ts';
import {
  buildEmulated,
  emulatedAddon,
  emulatedInfo,
  emulationReason,
  openEmulated,
} from '../support/cuda-emulation.ts';
import { describeDeviceRows } from '../support/device-rows-suite.ts';
import { describeFixtures } from '../support/fixture-suite.ts';
import { Fixture, relativeError, toBatch, type FixtureBatch } from '../support/fixtures.ts';
import { randomRows, rowsToBatch } from '../support/random-batch.ts';
import { describeRaterFixtures } from '../support/rater-fixture-suite.ts';

const run = promisify(execFile);

const TINY: ModelConfig = {
  model_type: 'llama',
  vocab_size: 97,
  hidden_size: 32,
  intermediate_size: 64,
  num_hidden_layers: 2,
  num_attention_heads: 2,
};
const MIB = 2 ** 20;

/** The emulated device with so many bytes of memory. */
function withMemory(bytes: number): Backend {
  process.env.GRADFOLD_EMULATED_MEMORY = String(bytes);
  try {
    return openEmulated();
  } finally {
    delete process.env.GRADFOLD_EMULATED_MEMORY;
  }
}

// A device does in milliseconds what takes seconds here, on a busy machine minutes.
vi.setConfig({ testTimeout: 900_000 });

describeUnless(emulationReason(), 'CUDA, emulated thread by thread', () => {
  let build: string;
  beforeAll(async () => {
    build = await buildEmulated();
  }, 1_800_000);

  it.each(cudaTests({ emulated: true }))('%s (against float64 loops)', async (name) => {
    const program = await buildCudaTest(name, { build });
    const { stdout } = await run(program, { env: { ...process.env, OMP_WAIT_POLICY: 'passive' }, maxBuffer: 1 << 24 });
    expect(stdout).toMatch(/^\d+ checks, 0 failed$/m);
  });

  // The tiles of compute capability 9.0 in place of the others.
  it.each(['products_test', 'samples_test'])('%s by warpgroups', async (name) => {
    const program = await buildCudaTest(name, { build });
    const env = { ...process.env, OMP_WAIT_POLICY: 'passive', GRADFOLD_EMULATED_CAPABILITY: '9.0' };
    const { stdout } = await run(program, { env, maxBuffer: 1 << 24 });
    expect(stdout).toMatch(/^\d+ checks, 0 failed$/m);
  });

  describe('golden fixtures', () => {
    const tested: TestedBackend = {
      name: 'cuda',
      available: true,
      tolerance: { value: 2e-5, hvp: 1e-4 },
      open: async () => openEmulated(),
    };
    describeFixtures(tested);
    describeRaterFixtures(tested);
  });

  describe('in bfloat16', () => {
    let backend: Backend;
    beforeAll(() => {
      backend = openEmulated({ precision: 'bf16' });
    });
    afterAll(() => backend.dispose());

    it.each(['llama', 'gpt2', 'encoder'])('fixture %s', async (name) => {
      const fixture = new Fixture(name);
      const model = await LanguageModel.fromPretrained(fixture.modelDirectory, { backend });
      const batch = toBatch(await fixture.json<FixtureBatch>('batch'));
      const expected = await fixture.json<{ losses: number[]; grad_norms: number[] }>('expected');
      const { losses, norms } = await model.perSample(batch, { norms: true });
      expect(relativeError(losses, expected.losses)).toBeLessThan(5e-3);
      expect(relativeError(norms!, expected.grad_norms)).toBeLessThan(2e-2);
    });
  });

  describe('order and weights', () => {
    describeDeviceRows(async () => openEmulated());

    it('are refused where they do not fit, with the numbers, and work again where they do', async () => {
      const backend = withMemory(1 * MIB);
      const error: unknown = await argsortAsync(new Float32Array(100_000), { backend }).catch(
        (thrown: unknown) => thrown,
      );
      expect(error).toMatchObject({ code: 'OUT_OF_MEMORY' });
      const words = /^100000 rows do not fit .* refused (\d+) bytes: (\d+) of its 1048576 .* without `backend`/;
      const [, asked, free] = (words.exec((error as Error).message) ?? []).map(Number);
      expect(asked).toBeGreaterThanOrEqual(16 * 100_000);
      expect(free).toBeLessThanOrEqual(1 * MIB);
      await expect(softmaxWeightsAsync(new Float32Array(100_000), { backend })).rejects.toMatchObject({
        code: 'OUT_OF_MEMORY',
      });
      expect([...(await argsortAsync(Float32Array.of(3, 1, 2), { backend }))]).toEqual([1, 2, 0]);
      backend.dispose();
    });

    it('the addon refuses what lib/ does not ask for', () => {
      const addon = emulatedAddon();
      const engine = new addon.NativeEngine({ device: 0, precision: 'f32' });
      const scores = Float32Array.of(3, 1, 2);
      const form = { descending: false, keep: 3, layers: 1 };
      const invalid = expect.objectContaining({ code: 'INVALID_ARGUMENT' }) as Error;
      const three = new Float64Array(3);
      expect(() => addon.sortRows({} as typeof engine, scores, form, new Uint32Array(3))).toThrow(invalid);
      expect(() => addon.sortRows(engine, scores, form, new Uint32Array(2))).toThrow(invalid);
      expect(() => addon.sortRows(engine, scores, { ...form, keep: 4 }, new Uint32Array(4))).toThrow(invalid);
      expect(() => addon.sortRows(engine, scores, { ...form, layers: 0 }, new Uint32Array(3))).toThrow(invalid);
      expect(() => addon.softmaxWeights(engine, scores, new Int32Array(2), 1, three)).toThrow(invalid);
      expect(() => addon.softmaxWeights(engine, scores, undefined, 1, new Float64Array(4))).toThrow(invalid);
      expect(() => addon.softmaxWeightsBackward(engine, three, new Float64Array(2), undefined, 1, three)).toThrow(
        invalid,
      );
      engine.close();
    });

    it('are left to the CPU by a backend without memory of its own', async () => {
      const backend = await openBackend('reference');
      expect([...(await argsortAsync(Float32Array.of(3, 1, 2), { backend }))]).toEqual([1, 2, 0]);
      await expect(measureOrder(backend, Float32Array.of(1))).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    });
  });

  it('gives the same bits again, activations kept or computed twice', async () => {
    const batch = rowsToBatch(randomRows('ragged', 5, 24, TINY.vocab_size, 3), 24);
    const run = async (recompute?: boolean) => {
      const backend = openEmulated({ recompute });
      const model = await LanguageModel.initialize(TINY, { backend, seed: 7 });
      const { norms, gram, gradient } = await model.perSample(batch, { norms: true, gram: true, into: model.vector() });
      const numbers = [norms!, gram!, gradient!.toRecord()];
      backend.dispose();
      return numbers;
    };
    const first = await run();
    expect(await run()).toEqual(first);
    expect(await run(true)).toEqual(first);
  });

  it('runs steps that repeat as graphs, to the same bits', async () => {
    const batchOf = (rows: number, seed: number) =>
      rowsToBatch(randomRows('dense', rows, 12, TINY.vocab_size, seed), 12);
    const steps = async (graphs: string | undefined) => {
      let engine: NativeEngine | undefined;
      const addon = emulatedAddon();
      class Watched extends addon.NativeEngine {
        constructor(options: NativeEngineOptions) {
          super(options);
          engine = this; // eslint-disable-line @typescript-eslint/no-this-alias
        }
      }
      if (graphs) process.env.GRADFOLD_CUDA_GRAPHS = graphs;
      const backend = openCudaAddon({ ...addon, NativeEngine: Watched }, { precision: 'bf16' });
      delete process.env.GRADFOLD_CUDA_GRAPHS;
      const model = await LanguageModel.initialize(TINY, { backend, seed: 7 });
      const optimizer = createOptimizer(model, { kind: 'adamw', lr: 1e-3, clipNorm: 1 });
      const gradient = model.vector();
      const numbers: unknown[] = [];
      const repeated: number[] = [];
      const step = async (rows: number, seed: number) => {
        const { norms, losses } = await model.perSample(batchOf(rows, seed), { norms: true, into: gradient });
        numbers.push(norms, losses, await optimizer.step(gradient));
        repeated.push(engine!.repeated());
      };
      // Other tokens each time; then a larger batch, which has the arena grow, and the first shape again.
      for (let seed = 0; seed < 5; seed++) await step(3, seed);
      for (let seed = 5; seed < 10; seed++) await step(5, seed);
      for (let seed = 10; seed < 14; seed++) await step(3, seed);
      numbers.push(gradient.toRecord());
      backend.dispose();
      return { numbers, repeated };
    };
    const [plain, repeating] = [await steps('off'), await steps(undefined)];
    expect(repeating.numbers).toEqual(plain.numbers);
    expect(plain.repeated.at(-1)).toBe(0);
    const [first, larger, again] = [4, 9, 13].map((k) => repeating.repeated[k]!);
    expect(first).toBeGreaterThan(0);
    expect(larger).toBeGreaterThan(first);
    expect(again).toBeGreaterThan(larger);
  });

  it('says which batch would fit where memory runs out, and lives on', async () => {
    // Three MiB beside what is kept for the kernels' own workspace.
    const backend = withMemory(131 * MIB);
    const model = await LanguageModel.initialize(TINY, { backend, seed: 1 });
    const rows = (count: number) => rowsToBatch(randomRows('dense', count, 16, TINY.vocab_size, 1), 16);
    const error: unknown = await model.gradient(rows(4096)).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'OUT_OF_MEMORY' });
    const words = /4096 rows of 16 tokens does not fit, (\d+) of its rows would; .* refused (\d+) bytes: (\d+) of/;
    const [, fitting, asked, free] = (words.exec((error as Error).message) ?? []).map(Number);
    expect(fitting).toBeGreaterThan(0);
    expect(fitting).toBeLessThan(100);
    expect(asked).toBeGreaterThan(free);
    expect((await model.gradient(rows(fitting))).perSample).toHaveLength(fitting);
    backend.dispose();
  });

  it('loads in a worker that ends while it computes', async () => {
    const program = `
      const { createRequire } = require('node:module');
      const { parentPort } = require('node:worker_threads');
      const addon = createRequire(${JSON.stringify(emulationBuild + '/')})('./gradfold_cuda_emulated.node');
      const engine = new addon.NativeEngine({ device: 0, precision: 'f32' });
      void engine.measureProduct({ m: 128, n: 128, k: 64, transposeA: false, transposeB: false });
      parentPort.postMessage(engine.describe().isa);`;
    const worker = new Worker(program, { eval: true });
    const [isa] = (await once(worker, 'message')) as [string];
    expect(isa).toBe('sm_80');
    expect(await worker.terminate()).toBe(1);
  });

  it('tells what it is', () => {
    expect(emulatedInfo()).toMatchObject({ name: 'cuda', available: true, device: 'emulated CUDA device' });
  });

  it('names the devices there are when asked for another', () => {
    expect(() => openEmulated({ device: 3 })).toThrow('device 3 is not there');
  });
});
