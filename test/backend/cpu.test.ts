import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addonReason } from '../../lib/backend/addon.ts';
import { openCpuBackend } from '../../lib/backend/cpu.ts';
import type { Backend, BackendOptions } from '../../lib/backend/types.ts';
import type { ModelConfig } from '../../lib/model/config.ts';
import { LanguageModel } from '../../lib/model/language-model.ts';
import { describeUnless, type TestedBackend } from '../support/backends.ts';
import { compileLibrary, type CompiledLibrary } from '../support/compile-library.ts';
import { describeFixtures } from '../support/fixture-suite.ts';
import { relativeError } from '../support/fixtures.ts';
import { describeRaterFixtures } from '../support/rater-fixture-suite.ts';
import { randomRows, rowsToBatch } from '../support/random-batch.ts';

/** Large enough that a pass takes many milliseconds. */
const BUSY: ModelConfig = {
  model_type: 'llama',
  vocab_size: 512,
  hidden_size: 128,
  intermediate_size: 256,
  num_hidden_layers: 6,
  num_attention_heads: 4,
};
const busyBatch = rowsToBatch(randomRows('dense', 16, 128, 512, 1), 128);

/** A product of two bfloat16 parts loses up to 2⁻¹⁵ of a term, 3e-5; AdamW's first steps divide by entries near zero. */
const SIXTEEN_BITS = { value: 2e-4, hvp: 1e-3 };

/** Why this machine or build has not an instruction set and product. */
function reasonAgainst(options: BackendOptions): string | undefined {
  try {
    openCpuBackend(options).dispose();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

describeUnless(addonReason(), 'the CPU engine', () => {
  for (const isa of ['baseline', 'avx2', 'avx512'] as const) {
    for (const gemm of ['portable', 'onednn', 'bf16x6', 'bf16x3'] as const) {
      describeUnless(reasonAgainst({ isa, gemm }), `golden fixtures with ${isa} and ${gemm}`, () => {
        const tested: TestedBackend = {
          name: 'cpu',
          available: true,
          tolerance: gemm === 'bf16x3' ? SIXTEEN_BITS : { value: 2e-5, hvp: 1e-4 },
          open: async () => openCpuBackend({ isa, gemm }),
        };
        describeFixtures(tested);
        describeRaterFixtures(tested);
      });
    }
  }

  describe('its queue', () => {
    let backend: Backend;
    let model: LanguageModel;
    beforeAll(async () => {
      backend = openCpuBackend();
      model = await LanguageModel.initialize(BUSY, { backend, seed: 1 });
    });
    afterAll(() => backend.dispose());

    it('takes calls in order, synchronous ones included', async () => {
      const before = await model.loss(busyBatch);
      const pending = model.gradient(busyBatch);
      const saved = model.parameters.copy();
      model.parameters.scale(2);
      const doubled = model.loss(busyBatch);
      model.parameters.copyFrom(saved);
      expect((await pending).perSample).toEqual(before.perSample);
      expect((await doubled).mean).not.toBe(before.mean);
      expect((await model.loss(busyBatch)).perSample).toEqual(before.perSample);
    });

    it('gives the same bits for the same inputs', async () => {
      const run = () => model.perSample(busyBatch, { norms: true, dots: [model.parameters], gradients: false });
      const [first, second] = [await run(), await run()];
      expect(second.norms).toEqual(first.norms);
      expect(second.dots).toEqual(first.dots);
    });

    it('rejects an aborted call with the reason of its signal and goes on', async () => {
      const before = await model.loss(busyBatch);
      const controller = new AbortController();
      const reason = new Error('enough');
      const calls = [
        model.gradient(busyBatch, { signal: controller.signal }),
        model.hvp(busyBatch, model.parameters.copy(), { signal: controller.signal }),
      ];
      controller.abort(reason);
      const outcomes = await Promise.allSettled(calls);
      expect(outcomes).toEqual(calls.map(() => ({ status: 'rejected', reason })));
      await expect(model.loss(busyBatch, { signal: controller.signal })).rejects.toBe(reason);
      expect((await model.loss(busyBatch)).perSample).toEqual(before.perSample);
    });

    it('gives nearly the same numbers with one thread as with two', async () => {
      const one = openCpuBackend({ threads: 1 });
      const alone = await LanguageModel.initialize(BUSY, { backend: one, seed: 1 });
      const [a, b] = [
        await alone.perSample(busyBatch, { norms: true }),
        await model.perSample(busyBatch, { norms: true }),
      ];
      expect(relativeError(a.norms!, b.norms!)).toBeLessThan(1e-6);
      one.dispose();
    });
  });

  it('rejects what is under way and what comes later once it is disposed', async () => {
    const backend = openCpuBackend();
    const model = await LanguageModel.initialize(BUSY, { backend, seed: 1 });
    const calls = [model.gradient(busyBatch), model.gradient(busyBatch), model.gradient(busyBatch)];
    backend.dispose();
    const outcomes = await Promise.allSettled(calls);
    const codes = outcomes.map((outcome) => (outcome.status === 'rejected' ? outcome.reason.code : 'done'));
    expect(codes.slice(1)).toEqual(['DISPOSED', 'DISPOSED']);
    await expect(model.loss(busyBatch)).rejects.toMatchObject({ code: 'DISPOSED' });
    expect(() => model.parameters.norm()).toThrow(expect.objectContaining({ code: 'DISPOSED' }));
  });

  it('names an instruction set and product that are not there', () => {
    expect(() => openCpuBackend({ isa: 'sse9' as BackendOptions['isa'] })).toThrow(/sse9/);
    expect(() => openCpuBackend({ gemm: 'mkl' as BackendOptions['gemm'] })).toThrow(/mkl/);
    expect(() => openCpuBackend({ threads: 0 })).toThrow(/threads: expected an integer/);
    expect(() => openCpuBackend({ precision: 'f16' as BackendOptions['precision'] })).toThrow(/precision.*f16/);
  });

  describe('in processes of its own', () => {
    let library: CompiledLibrary;
    beforeAll(async () => {
      library = await compileLibrary();
    });
    afterAll(() => library.remove());

    const child = async (mode: string) => {
      const script = fileURLToPath(new URL('cpu-child.mjs', import.meta.url));
      const running = spawn(process.execPath, [script, library.directory, mode], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let output = '';
      running.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
      const [status, signal] = (await once(running, 'close')) as [number | null, string | null];
      return { status, signal, output };
    };

    it.each([
      ['exit', { status: 3, signal: null, output: 'leaving\n' }],
      ['idle', { status: 0, signal: null, output: 'idle\n' }],
      ['finish', { status: 0, signal: null, output: 'finished\n' }],
      ['worker', { status: 0, signal: null, output: 'worker finished\nterminated\n' }],
    ])('survives: %s', async (mode, expected) => {
      expect(await child(mode)).toEqual(expected);
    });
  });
});
