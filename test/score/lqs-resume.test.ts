import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openBackend } from '../../lib/backend/open.ts';
import { openReferenceBackend } from '../../lib/backend/reference/backend.ts';
import type { Backend } from '../../lib/backend/types.ts';
import { annotateLqs, lqsSweep, type AnnotatedModel } from '../../lib/score/lqs.ts';
import { memoryStore, SgdRun, stepsAhead } from '../../lib/score/lqs-iterates.ts';
import { Passes } from '../../lib/score/lqs-passes.ts';
import { reverseSweep, type SweepState } from '../../lib/score/lqs-sweep.ts';
import { TESTED_BACKENDS } from '../support/backends.ts';
import { largestRelativeError } from '../support/fixtures.ts';
import { lqsFixture, loadLqsCase, loadLqsModel, rowsOf, type LqsCase } from './lqs-case.ts';

let problem: LqsCase;
let backend: Backend;
let directory: string;

beforeAll(async () => {
  const full = await loadLqsCase();
  // A small part of the case: the resumes below run it some fifty times.
  problem = {
    ...full,
    batches: full.batches.slice(0, 4).map((batch) => rowsOf(batch, 0, 1)),
    target: [rowsOf(full.target[0], 0, 1)],
    proxy: [rowsOf(full.proxy[0], 0, 1), rowsOf(full.proxy[0], 1, 2)],
  };
  backend = openReferenceBackend();
});

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gradfold-lqs-'));
});

afterEach(() => rm(directory, { recursive: true }));

/** The model, but its `calls`-th operation fails, as if the process had ended there. */
function failingAt(model: AnnotatedModel, calls: number): AnnotatedModel {
  let left = calls;
  const counted = <A extends unknown[], R>(operation: (...args: A) => Promise<R>) => {
    return async (...args: A): Promise<R> => {
      if (left-- === 0) throw new Error('killed');
      return operation(...args);
    };
  };
  return {
    parameters: model.parameters,
    vector: (init) => model.vector(init),
    gradient: counted(model.gradient.bind(model)),
    hvp: counted(model.hvp.bind(model)),
    perSample: counted(model.perSample.bind(model)),
  };
}

describe('an annotation with a checkpoint directory', () => {
  it.each(TESTED_BACKENDS.filter(({ available }) => available))(
    'goes on to the same bits from a kill before any of its operations, $name',
    { timeout: 180_000 },
    async ({ name }) => {
      const model = await loadLqsModel(await openBackend(name, { threads: 1 }));
      const sets = [
        { batches: problem.proxy, interval: 2, contribution: 'released' as const },
        { batches: problem.proxy, interval: 3, contribution: 'paper' as const },
      ];
      const whole = await lqsSweep(model, { ...problem, sets });
      let calls = 0;
      for (let finished = false; !finished; calls++) {
        const options = { ...problem, sets, checkpointDir: join(directory, String(calls)) };
        finished = await lqsSweep(failingAt(model, calls), options).then(
          () => true,
          (error: Error) => {
            expect(error.message).toBe('killed');
            return false;
          },
        );
        const resumed = await lqsSweep(model, options);
        expect(resumed).toEqual(whole);
      }
      // 4 + 1 recomputed steps, 5 target gradients, 4 Hessian products, two batches at each of 5 iterates for both sets; and
      // the run that is not killed.
      expect(calls).toBe(25);
    },
  );

  it('goes on from a kill of the resumed run as well', async () => {
    const model = await loadLqsModel(backend);
    const whole = await annotateLqs(model, problem);
    const options = { ...problem, checkpointDir: directory };
    for (const calls of [4, 9, 3, 7]) {
      await expect(annotateLqs(failingAt(model, calls), options)).rejects.toThrow('killed');
    }
    expect(await annotateLqs(model, options)).toEqual(whole);
  });

  it('scores no batch again that a visit had got through', async () => {
    const model = await loadLqsModel(backend);
    const scored: number[] = [];
    const counted: AnnotatedModel = {
      parameters: model.parameters,
      vector: (init) => model.vector(init),
      gradient: (...args) => model.gradient(...args),
      hvp: (...args) => model.hvp(...args),
      perSample: (...args) => {
        if (scored.push(args[0].batch) === 4) throw new Error('killed');
        return model.perSample(...args);
      },
    };
    const options = { ...problem, interval: 1, checkpointDir: directory };
    const progress: { done: number; total: number }[] = [];
    await expect(annotateLqs(counted, options)).rejects.toThrow('killed');
    expect(await readdir(directory)).toContain('visit.journal');
    await annotateLqs(counted, { ...options, onProgress: (at) => progress.push(at) });
    expect(scored).toHaveLength(4 * 2 + 1); // four visits of two batches, and the one that was not finished
    expect(progress.at(-1)!.done).toBe(progress.at(-1)!.total);
  });

  it('returns a finished result without computing, and keeps only that on disk', async () => {
    const model = await loadLqsModel(backend);
    const options = { ...problem, checkpointDir: directory };
    const first = await annotateLqs(model, options);
    expect(await readdir(directory)).toEqual(['state.json', 'tally-0-000000.arrow']);
    expect(await annotateLqs(failingAt(model, 0), options)).toEqual(first);
  });

  it('refuses the state of another annotation and says what differs', async () => {
    const model = await loadLqsModel(backend);
    await expect(
      annotateLqs(failingAt(model, 12), { ...problem, interval: 2, checkpointDir: directory }),
    ).rejects.toThrow('killed');
    const other = { ...problem, interval: 3, lr: 0.04, checkpointDir: directory };
    await expect(annotateLqs(model, other)).rejects.toThrow(
      /holds the state of another run: lr was 0.05, is 0.04; sets\[0\].interval was 2, is 3;/,
    );
    model.parameters.scale(1.5);
    await expect(annotateLqs(model, { ...problem, interval: 2, checkpointDir: directory })).rejects.toThrow(
      /another run: parameters was [0-9a-f]{12}…, is/,
    );
  });
});

describe('SgdRun', () => {
  it('gives every iterate back while holding about 2√T of them', async () => {
    const model = await loadLqsModel(backend);
    const batches = Array.from({ length: 16 }, (_, t) => problem.batches[t % 4]);
    const forward = [model.parameters.toRecord()];
    const scratch = await loadLqsModel(backend);
    for (const batch of batches) {
      const { gradient } = await scratch.gradient(batch);
      scratch.parameters.axpy(-0.05, gradient);
      forward.push(scratch.parameters.toRecord());
    }

    const store = memoryStore();
    let computed = 0;
    let most = 0;
    const passes = new Passes(model, { onWork: () => computed++ });
    const run = new SgdRun(model.parameters, { batches, lr: 0.05, store, passes });
    for (let t = 16; t >= 0; t--) {
      await run.restore(t);
      expect(model.parameters.toRecord()).toEqual(forward[t]);
      most = Math.max(most, (await store.steps()).length);
      await run.forget(t);
    }
    expect(most).toBeLessThanOrEqual(9);
    expect(computed).toBeLessThan(2 * 16);
    expect([...stepsAhead(16, 16, [])]).toHaveLength(computed);
    expect(await store.steps()).toEqual([]);
  });
});

describe('reverseSweep', () => {
  it('visits θ_T … θ_0 and ends with the adjoint of θ_0', async () => {
    const full = await loadLqsCase();
    const model = await loadLqsModel(backend);
    const passes = new Passes(model);
    const run = new SgdRun(model.parameters, { batches: full.batches, lr: full.lr, store: memoryStore(), passes });
    const state: SweepState = {
      step: 6,
      lambda: model.vector(),
      lambdaNorms: new Float64Array(7),
      targetLosses: new Float64Array(7),
    };
    const visited: number[] = [];
    for await (const step of reverseSweep(full, passes, run, state)) {
      visited.push(step);
      const check = { 6: 'theta_T', 5: 'lambda_T' }[step];
      if (check === undefined) continue;
      const actual = step === 6 ? model.parameters : state.lambda;
      const error = largestRelativeError(actual.toRecord(), await lqsFixture.tensors('expected', check));
      expect(error).toBeLessThan(1e-10);
    }
    expect(visited).toEqual([6, 5, 4, 3, 2, 1, 0]);
    const expected = await lqsFixture.tensors('expected', 'lambda_0');
    expect(largestRelativeError(state.lambda.toRecord(), expected)).toBeLessThan(1e-10);
  });
});
