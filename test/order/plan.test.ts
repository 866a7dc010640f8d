import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { OrderMethod } from '../../lib/order/methods.ts';
import { planOf, readPlan, writePlan } from '../../lib/order/plan.ts';
import { writeScores } from '../../lib/score/columns.ts';
import { topK } from '../../lib/select/top-k.ts';
import { firstDifference } from './forms.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gradfold-plan-'));
});
afterAll(() => rm(directory, { recursive: true }));

const scores = Float32Array.of(0.5, -1, 2, 0.5, 7, 3);

describe('planOf', () => {
  test('folds selected rows and says which layer each is in', () => {
    const plan = planOf(topK(scores, 5), scores, { method: 'fold', layers: 2 });
    expect([...plan.rows]).toEqual([0, 2, 4, 3, 5]);
    expect([...plan.layers]).toEqual([0, 0, 0, 1, 1]);
    expect([...plan.weights]).toEqual([1, 1, 1, 1, 1]);
  });

  test('sorts in both directions and shuffles by seed', () => {
    const rows = Uint32Array.of(4, 1, 3);
    expect([...planOf(rows, scores, { method: 'sort' }).rows]).toEqual([1, 3, 4]);
    expect([...planOf(rows, scores, { method: 'sort', descending: true }).rows]).toEqual([4, 3, 1]);
    const shuffled = planOf(rows, null, { method: 'shuffle', seed: 1 });
    expect([...shuffled.rows].sort()).toEqual([1, 3, 4]);
    expect([...shuffled.layers]).toEqual([0, 0, 0]);
  });

  test('more layers than rows leaves one row a layer', () => {
    const plan = planOf(Uint32Array.of(2, 1), scores, { method: 'fold', layers: 1e9 });
    expect([...plan.rows]).toEqual([1, 2]);
    expect([...plan.layers]).toEqual([0, 1]);
  });

  test.each<[string, Uint32Array, OrderMethod]>([
    ['rows: expected at least one row', new Uint32Array(0), { method: 'sort' }],
    ['rows[1]: expected an integer in [0, 5], got 6', Uint32Array.of(0, 6), { method: 'sort' }],
    ['layers: expected an integer', Uint32Array.of(0), { method: 'fold', layers: 0 }],
    ['method: expected one of sort, fold', Uint32Array.of(0), { method: 'random' } as unknown as OrderMethod],
  ])('%s', (message, rows, order) => {
    expect(() => planOf(rows, scores, order)).toThrow(message);
  });

  test('a NaN score is named by its row of the corpus', () => {
    expect(() => planOf(Uint32Array.of(0, 2), Float64Array.of(1, 2, NaN), { method: 'fold' })).toThrow('scores[2]');
  });
});

describe('plan files', () => {
  const plan = {
    rows: Uint32Array.of(3, 0xfffffffe, 0),
    layers: Uint32Array.of(0, 0, 1),
    weights: Float32Array.of(1, 0.25, 1e-30),
  };

  test('come back as they were written, metadata included', async () => {
    const path = join(directory, 'a.arrow');
    await writePlan(path, plan, { method: 'fold', layers: '2' });
    expect(await readPlan(path)).toEqual({ ...plan, metadata: { method: 'fold', layers: '2' } });
    await writePlan(path, {
      rows: plan.rows.slice(0, 0),
      layers: plan.layers.slice(0, 0),
      weights: new Float32Array(),
    });
    expect((await readPlan(path)).rows).toHaveLength(0);
  });

  test('longer than one record batch', async () => {
    const n = (1 << 20) + 5;
    const rows = Uint32Array.from({ length: n }, (_, i) => n - i);
    const path = join(directory, 'long.arrow');
    await writePlan(path, { rows, layers: new Uint32Array(n), weights: new Float32Array(n) });
    const back = await readPlan(path);
    expect(firstDifference(back.rows, rows)).toBe(-1);
    expect(back.weights).toHaveLength(n);
  });

  test('columns of unequal length are refused and nothing is left behind', async () => {
    const path = join(directory, 'unequal.arrow');
    await expect(writePlan(path, { ...plan, layers: new Uint32Array(2) })).rejects.toThrow('layer: expected 3 values');
    expect(await readdir(directory)).not.toContain('unequal.arrow');
  });

  test.each([
    ['missing.arrow', null, 'NOT_FOUND'],
    ['text.arrow', () => Buffer.from('not an arrow file, but long enough to be one'), 'INVALID_FILE'],
    ['half.arrow', (whole: Buffer) => whole.subarray(0, whole.length >> 1), 'INVALID_FILE'],
    ['no-end.arrow', (whole: Buffer) => whole.subarray(0, whole.length - 1), 'INVALID_FILE'],
    ['empty.arrow', () => Buffer.alloc(0), 'INVALID_FILE'],
  ])('%s is refused', async (name, damage, code) => {
    const path = join(directory, name);
    const whole = join(directory, 'whole.arrow');
    await writePlan(whole, plan);
    if (damage) await writeFile(path, damage(await readFile(whole)));
    await expect(readPlan(path)).rejects.toThrow(expect.objectContaining({ code }));
    await expect(readPlan(path)).rejects.toThrow(name);
  });

  test('a score file is not a plan', async () => {
    const path = join(directory, 'scores.arrow');
    await writeScores(path, { lqs: scores });
    await expect(readPlan(path)).rejects.toThrow(
      'a column "row" of uint32 without nulls, got "a file with columns lqs"',
    );
    await writeScores(path, { row: scores });
    await expect(readPlan(path)).rejects.toThrow('Float32');
  });
});
