import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadAddon } from '../../lib/backend/addon.ts';
import { openBackend } from '../../lib/backend/open.ts';
import { LanguageModel } from '../../lib/model/language-model.ts';
import type { MemoryOperation } from '../../lib/model/memory.ts';
import { describeUnless } from '../support/backends.ts';
import { compileLibrary, type CompiledLibrary } from '../support/compile-library.ts';
import { ARCHITECTURES } from '../support/models.ts';

const child = fileURLToPath(new URL('memory-child.mjs', import.meta.url));
const DECODER = {
  model_type: 'llama',
  vocab_size: 4096,
  hidden_size: 256,
  intermediate_size: 704,
  num_hidden_layers: 4,
  num_attention_heads: 4,
};
/** Of many blocks, whose activations would outweigh all else if they were kept. */
const DEEP = { ...DECODER, num_hidden_layers: 16 };
/** Of many tokens: embedding and logits are most of what it takes. */
const WORDY = { ...DECODER, vocab_size: 16_000, num_hidden_layers: 2, tie_word_embeddings: true };
const ABSOLUTE = { ...DECODER, model_type: 'gpt2', vocab_size: 5000, max_position_embeddings: 512 };
const ENCODER = {
  model_type: 'bert',
  vocab_size: 4096,
  hidden_size: 192,
  intermediate_size: 768,
  num_hidden_layers: 4,
  num_attention_heads: 3,
  max_position_embeddings: 512,
};
const SAMPLES = { norms: true, dots: 2 };

interface Job {
  config: typeof DECODER | typeof ENCODER;
  batch: number;
  time: number;
  operation: MemoryOperation;
  request?: object;
  precision: 'f32' | 'bf16';
  recompute?: boolean;
}

const JOBS: Job[] = [
  { config: DECODER, batch: 64, time: 256, operation: 'loss', precision: 'f32' },
  { config: DECODER, batch: 16, time: 256, operation: 'gradient', precision: 'f32' },
  { config: DECODER, batch: 16, time: 256, operation: 'gradient', precision: 'bf16' },
  { config: DECODER, batch: 4, time: 512, operation: 'perSample', request: SAMPLES, precision: 'f32' },
  { config: DECODER, batch: 16, time: 256, operation: 'jvp', precision: 'f32' },
  { config: DECODER, batch: 8, time: 256, operation: 'hvp', precision: 'f32' },
  { config: DECODER, batch: 8, time: 256, operation: 'hvp', precision: 'bf16' },
  { config: DEEP, batch: 16, time: 256, operation: 'gradient', precision: 'f32', recompute: true },
  { config: DEEP, batch: 16, time: 256, operation: 'hvp', precision: 'f32', recompute: true },
  { config: WORDY, batch: 32, time: 512, operation: 'loss', precision: 'f32' },
  { config: WORDY, batch: 32, time: 512, operation: 'loss', precision: 'bf16' },
  { config: WORDY, batch: 32, time: 256, operation: 'gradient', precision: 'f32' },
  { config: ABSOLUTE, batch: 32, time: 512, operation: 'loss', precision: 'bf16' },
  { config: ENCODER, batch: 32, time: 256, operation: 'loss', precision: 'bf16' },
  { config: ENCODER, batch: 16, time: 256, operation: 'gradient', precision: 'f32' },
  {
    config: ENCODER,
    batch: 8,
    time: 256,
    operation: 'perSample',
    request: { ...SAMPLES, gram: true },
    precision: 'f32',
  },
];

const unmeasured = loadAddon() === null || process.platform !== 'linux';

describeUnless(unmeasured ? 'needs the CPU addon and /proc' : undefined, 'predicted memory', () => {
  let library: CompiledLibrary;
  beforeAll(async () => {
    library = await compileLibrary();
  }, 60_000);
  afterAll(() => library.remove());

  const cases = JOBS.map((job) => ({
    title: `${job.config.model_type} ${job.operation} in ${job.precision}${job.recompute ? ', recomputing' : ''}`,
    job,
  }));
  it.each(cases)('$title is within a tenth of the measured peak', { timeout: 60_000 }, async ({ job }) => {
    const arguments_ = ['--expose-gc', child, library.directory, JSON.stringify(job)];
    const { stdout } = await promisify(execFile)(process.execPath, arguments_, {
      env: { ...process.env, OMP_WAIT_POLICY: 'passive' },
    });
    const { measured, predicted } = JSON.parse(stdout) as { measured: number; predicted: number };
    expect(predicted / measured).toBeGreaterThan(0.9);
    expect(predicted / measured).toBeLessThan(1.1);
  });
});

describe('memory()', () => {
  it.skipIf(loadAddon() === null)('grows with what is asked for', async () => {
    const backend = await openBackend('cpu');
    const model = await LanguageModel.initialize(ARCHITECTURES.llama, { backend, seed: 1 });
    const shape = { batch: 4, time: 64 };
    const bytes = 4 * model.parameterCount;
    expect(model.memory(shape, 'gradient').vectors).toBe(bytes);
    expect(model.memory(shape, 'trainingStep').vectors).toBe(3 * bytes);
    expect(model.memory(shape, 'perSample', { dots: 2, gradients: true }).vectors).toBe(6 * bytes);
    const activations = (rows: number, operation: MemoryOperation) =>
      model.memory({ batch: rows, time: 64 }, operation).activations;
    expect(activations(4, 'loss')).toBeLessThan(activations(4, 'gradient'));
    expect(activations(4, 'loss')).toBeLessThan(activations(4, 'jvp'));
    expect(activations(4, 'jvp')).toBeLessThan(activations(4, 'gradient'));
    expect(activations(4, 'gradient')).toBeLessThan(activations(4, 'hvp'));
    expect(activations(8, 'gradient')).toBeGreaterThan(1.8 * activations(4, 'gradient'));
    expect(() => model.memory({ batch: 0, time: 4 })).toThrow('batch: expected');
    expect(() => model.memory(shape, 'sleep' as MemoryOperation)).toThrow('operation: expected');
    backend.dispose();
  });

  it('is not planned by the reference backend', async () => {
    const backend = await openBackend('reference');
    const model = await LanguageModel.initialize(ARCHITECTURES.llama, { backend, seed: 1 });
    expect(() => model.memory({ batch: 1, time: 2 })).toThrow('memory: the reference backend does not plan');
    backend.dispose();
  });
});
