import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openReferenceBackend } from '../../lib/backend/reference/backend.ts';
import type { Backend } from '../../lib/backend/types.ts';
import { annotateLqs, lqsSweep, type AnnotatedModel } from '../../lib/score/lqs.ts';
import { memoryStore, SgdRun } from '../../lib/score/lqs-iterates.ts';
import { reverseSweep, type SweepState } from '../../lib/score/lqs-sweep.ts';
import { largestRelativeError } from '../support/fixtures.ts';
import { lqsFixture, loadLqsCase, loadLqsModel, rowsOf, type LqsCase } from './lqs-case.ts';

let problem: LqsCase;
let backend: Backend;
let directory: string;

beforeAll(async () => {
  const full = await loadLqsCase();
  // Two target and three proxy rows: the resumes below run the annotation some thirty times.
  problem = { ...full, target: [rowsOf(full.target[0], 0, 2)], proxy: [rowsOf(full.proxy[0], 0, 3)] };
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
  const sets = (proxy: LqsCase['proxy']) => [
    { batches: proxy, interval: 2, contribution: 'released' as const },
    { batches: proxy, interval: 3, contribution: 'paper' as const },
  ];

  it('goes on to the same bits from a kill before any of its operations', async () => {
    const model = await loadLqsModel(backend);
    const whole = await lqsSweep(model, { ...problem, sets: sets(problem.proxy) });
    let calls = 0;
    for (let finished = false; !finished; calls++) {
      const options = { ...problem, sets: sets(problem.proxy), checkpointDir: join(directory, String(calls)) };
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
    expect(calls).toBeGreaterThan(30);
  });

  it('goes on from a kill of the resumed run as well', async () => {
    const model = await loadLqsModel(backend);
    const whole = await annotateLqs(model, problem);
    const options = { ...problem, checkpointDir: directory };
    for (const calls of [4, 9, 3, 7]) {
      await expect(annotateLqs(failingAt(model, calls), options)).rejects.toThrow('killed');
    }
    expect(await annotateLqs(model, options)).toEqual(whole);
  });

  it('returns a finished result without computing, and keeps only that on disk', async () => {
    const model = await loadLqsModel(backend);
    const options = { ...problem, checkpointDir: directory };
    const first = await annotateLqs(model, options);
    expect(await readdir(directory)).toEqual(['state.json']);
    expect(await annotateLqs(failingAt(model, 0), options)).toEqual(first);
  });

  it('refuses the state of another annotation and says what differs', async () => {
    const model = await loadLqsModel(backend);
    await expect(
      annotateLqs(failingAt(model, 20), { ...problem, interval: 2, checkpointDir: directory }),
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
    const batches = Array.from({ length: 16 }, (_, t) => problem.batches[t % 6]);
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
    const run = new SgdRun(model, { batches, lr: 0.05, store, onStep: () => computed++ });
    for (let t = 16; t >= 0; t--) {
      await run.restore(t);
      expect(model.parameters.toRecord()).toEqual(forward[t]);
      most = Math.max(most, (await store.steps()).length);
      await run.forget(t);
    }
    expect(most).toBeLessThanOrEqual(9);
    expect(computed).toBeLessThan(2 * 16);
    expect(await store.steps()).toEqual([]);
  });
});

describe('reverseSweep', () => {
  it('visits θ_T … θ_0 and ends with the adjoint of θ_0', async () => {
    const full = await loadLqsCase();
    const model = await loadLqsModel(backend);
    const run = new SgdRun(model, { batches: full.batches, lr: full.lr, store: memoryStore() });
    const state: SweepState = {
      step: 6,
      lambda: model.vector(),
      lambdaNorms: new Float64Array(7),
      targetLosses: new Float64Array(7),
    };
    const visited: number[] = [];
    for await (const step of reverseSweep(model, full, run, state)) {
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
