import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { openReferenceBackend } from '../../../lib/backend/reference/backend.ts';
import { JobQueue, type Job } from '../../../lib/backend/reference/queue.ts';
import { batchOf, meanWeights, openModel, TINY } from './support.ts';

const DISPOSED = { name: 'GradfoldError', code: 'DISPOSED' };
const batch = batchOf([[3, 1, 4, 1, 5], [9, 2, 6]]); // prettier-ignore

describe('order of effects', () => {
  it('is the order of the calls, synchronous ones included', async () => {
    const { model } = openModel(TINY);
    const expected = model.zeros();
    await model.backward(batch, { weights: meanWeights(2), into: expected });

    const into = model.zeros();
    const pending = model.backward(batch, { weights: meanWeights(2), into });
    expect(into.read(0, into.length)).toEqual(expected.read(0, into.length));
    const step = model.parameters.sgdStep(into, { lr: 1, clipNorm: Infinity });
    const before = model.parameters.copy();
    into.fill(0);
    await pending;
    expect(await step).toBe(Math.sqrt(expected.dot(expected)));
    expect(into.dot(into)).toBe(0);
    expect(model.parameters.read(0, into.length)).toEqual(before.read(0, into.length));
  });

  it('lets the event loop run between samples of long work', async () => {
    const queue = new JobQueue();
    function* busy(): Job<number> {
      for (let k = 0; k < 10; k++) {
        const end = performance.now() + 6;
        while (performance.now() < end);
        yield;
      }
      return 1;
    }
    let turns = 0;
    let running = true;
    const work = queue.run(busy()).finally(() => (running = false));
    while (running) {
      await nextTurn();
      turns++;
    }
    expect(await work).toBe(1);
    expect(turns).toBeGreaterThan(3);
  });

  it('goes on after a job that failed', async () => {
    const queue = new JobQueue();
    function* job(k: number): Job<number> {
      yield;
      if (k === 0) throw new Error('first');
      return k;
    }
    const results = await Promise.allSettled([queue.run(job(0)), queue.run(job(1))]);
    expect(results).toEqual([
      { status: 'rejected', reason: new Error('first') },
      { status: 'fulfilled', value: 1 },
    ]);
  });
});

describe('abort', () => {
  it('rejects with the reason, before the work or in its midst, and leaves `into` untouched', async () => {
    const { model } = openModel(TINY);
    const reason = new Error('enough');
    await expect(model.loss(batch, AbortSignal.abort(reason))).rejects.toBe(reason);

    const long = batchOf(Array.from({ length: 400 }, () => [3, 1, 4, 1, 5, 9, 2, 6]));
    const into = model.zeros();
    into.fill(7);
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 20);
    await expect(model.backward(long, { weights: meanWeights(400), into }, controller.signal)).rejects.toBe(reason);
    expect([...into.read(0, 2)]).toEqual([7, 7]);
    expect(await model.loss(batch)).toHaveLength(2);
  });
});

describe('dispose', () => {
  it('of a model lets pending work end and refuses later calls', async () => {
    const { model } = openModel(TINY);
    const pending = model.loss(batch);
    model.dispose();
    model.dispose();
    expect(await pending).toHaveLength(2);
    await expect(model.loss(batch)).rejects.toMatchObject(DISPOSED);
    expect(() => model.zeros()).toThrow(expect.objectContaining(DISPOSED));
    expect(() => model.parameters.read(0, 1)).toThrow(expect.objectContaining(DISPOSED));
  });

  it('of a vector refuses its further use, as receiver or as argument', async () => {
    const { model } = openModel(TINY);
    const vector = model.zeros();
    vector.dispose();
    expect(() => vector.fill(1)).toThrow(expect.objectContaining(DISPOSED));
    expect(() => model.parameters.dot(vector)).toThrow(expect.objectContaining(DISPOSED));
    await expect(model.parameters.sgdStep(vector, { lr: 1, clipNorm: 1 })).rejects.toMatchObject(DISPOSED);
  });

  it('of a backend refuses every later call of its models and vectors, but not their disposal', async () => {
    const { backend, model } = openModel(TINY);
    const vector = model.zeros();
    const pending = model.loss(batch);
    backend.dispose();
    expect(await pending).toHaveLength(2);
    await expect(model.loss(batch)).rejects.toMatchObject(DISPOSED);
    expect(() => vector.copy()).toThrow(expect.objectContaining(DISPOSED));
    expect(() => model.zeros()).toThrow(expect.objectContaining(DISPOSED));
    vector.dispose();
    model.dispose();
  });
});

describe('vectors', () => {
  it('do their arithmetic', () => {
    const { model } = openModel(TINY);
    const x = model.zeros();
    const y = model.zeros();
    x.write(1, [3, 4]);
    y.fill(1);
    y.axpy(2, x);
    y.scale(-1);
    expect([...y.read(0, 4)]).toEqual([-1, -7, -9, -1]);
    expect(x.dot(y)).toBe(-57);
    const z = y.copy();
    y.copyFrom(x);
    expect([...y.read(0, 3), z.read(1, 1)[0]]).toEqual([0, 3, 4, -7]);
  });

  it('of other sizes or backends are refused', () => {
    const { model } = openModel(TINY);
    const other = openModel({ ...TINY, vocab_size: 12 }).model;
    expect(() => model.parameters.dot(other.parameters)).toThrow(/^vector: expected \d+ parameters, got \d+$/);
  });

  it('cannot be made from a closed backend', () => {
    const backend = openReferenceBackend();
    backend.dispose();
    expect(() => backend.engine.createModel({} as never, { architecture: 'llama', length: 1, slots: [] })).toThrow(
      expect.objectContaining(DISPOSED),
    );
  });
});
