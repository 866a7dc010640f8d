import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadAddon } from '../../lib/backend/addon.ts';
import { openBackend } from '../../lib/backend/open.ts';
import { LanguageModel } from '../../lib/model/language-model.ts';
import { CHUNK_ELEMENTS } from '../../lib/model/safetensors.ts';
import { lqsMemory } from '../../lib/score/lqs-memory.ts';
import { describeUnless } from '../support/backends.ts';
import { compileLibrary, type CompiledLibrary } from '../support/compile-library.ts';
import { ARCHITECTURES } from '../support/models.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

const CHILD = fileURLToPath(new URL('lqs-memory-child.mjs', import.meta.url));
const JOB = {
  config: {
    model_type: 'llama',
    vocab_size: 8192,
    hidden_size: 512,
    intermediate_size: 1024,
    num_hidden_layers: 3,
    num_attention_heads: 4,
  },
  rows: 4,
  time: 64,
  microBatch: 2,
};
/** A vector passes to and from a file in parts, of which some are alive until they are collected. */
const BUFFERS = 6 * 4 * CHUNK_ELEMENTS;

const directory = useTemporaryDirectory();
const unmeasured = loadAddon() === null || process.platform !== 'linux';

describeUnless(unmeasured ? 'needs the CPU addon and /proc' : undefined, 'memory of an annotation', () => {
  let library: CompiledLibrary;
  beforeAll(async () => {
    library = await compileLibrary();
  }, 180_000);
  afterAll(() => library.remove());

  it('is what was predicted, and the same at more than twice the steps', { timeout: 300_000 }, async () => {
    const peaks: number[] = [];
    for (const steps of [2, 5]) {
      const folder = join(directory(), String(steps));
      const argv = ['--expose-gc', CHILD, library.directory, folder, JSON.stringify({ ...JOB, steps })];
      const { stdout } = await promisify(execFile)(process.execPath, argv, {
        env: { ...process.env, OMP_WAIT_POLICY: 'passive' },
      });
      const { measured, predicted } = JSON.parse(stdout) as { measured: number; predicted: number };
      expect(measured).toBeGreaterThan(0.9 * predicted);
      expect(measured).toBeLessThan(1.1 * predicted + BUFFERS);
      peaks.push(measured);
    }
    // An iterate is 56 MB, and the longer run stores three more.
    expect(Math.abs(peaks[1] - peaks[0])).toBeLessThan(BUFFERS);
  });
});

describe('lqsMemory', () => {
  it.skipIf(loadAddon() === null)(
    'has three vectors, a fourth with parts, and the activations of the largest pass',
    async () => {
      const backend = await openBackend('cpu');
      const model = await LanguageModel.initialize(ARCHITECTURES.llama, { backend, seed: 1 });
      const bytes = 4 * model.parameterCount;
      const shape = { batch: 4, time: 32 };
      const whole = lqsMemory(model, { batch: shape, target: shape, proxy: shape });
      const hvp = model.memory(shape, 'hvp');
      expect(whole).toEqual({ ...hvp, vectors: 2 * bytes });
      const parts = lqsMemory(model, { batch: shape, target: shape, proxy: shape, microBatch: 2 });
      expect(parts.vectors).toBe(3 * bytes);
      expect(parts.activations).toBe(model.memory({ batch: 2, time: 32 }, 'hvp').activations);
      // A metric has the preconditioned adjoint and the optimizer's two moments.
      const adam = lqsMemory(model, { batch: shape, target: shape, proxy: shape, metrics: 1 });
      expect(adam).toEqual({ ...whole, vectors: 5 * bytes, total: whole.total + 3 * bytes });
      const large = lqsMemory(model, { batch: shape, target: { batch: 64, time: 32 }, proxy: shape });
      expect(large.activations).toBe(model.memory({ batch: 64, time: 32 }, 'gradient').activations);
      backend.dispose();
    },
  );
});
