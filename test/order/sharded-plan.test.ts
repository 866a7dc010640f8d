import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { layShards } from '../../lib/data/shards.ts';
import { readPlan, writePlan, type Plan } from '../../lib/order/plan.ts';
import { shardedPlan, wholePlan } from '../../lib/order/sharded-plan.ts';

const shards = layShards([
  { path: 'a', count: 4 },
  { path: 'b', count: 0 },
  { path: 'c', count: 3 },
]);
const table = { count: 7, shards };
const whole: Plan = {
  rows: Uint32Array.of(6, 0, 3, 4),
  layers: Uint32Array.of(0, 0, 1, 1),
  weights: Float32Array.of(1, 0.5, 2, 1),
};
const byShard: Plan = { ...whole, rows: Uint32Array.of(2, 0, 3, 0), shards: Uint32Array.of(2, 0, 0, 2) };

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gradfold-plan-'));
});
afterAll(() => rm(directory, { recursive: true }));

describe('a plan over shards', () => {
  test('is a plan over the whole table, and back', () => {
    expect(shardedPlan(whole, shards)).toEqual(byShard);
    expect(wholePlan(byShard, table)).toEqual(whole);
    expect(wholePlan(whole, table)).toBe(whole);
    expect(wholePlan({ ...whole, shards: new Uint32Array(4) }, { count: 7 })).toEqual(whole);
  });

  test('keeps its column in a file, and loses it when read with its samples', async () => {
    const path = join(directory, 'plan.arrow');
    await writePlan(path, byShard, { order: 'fold' });
    expect(await readPlan(path)).toEqual({ ...byShard, metadata: { order: 'fold' } });
    expect(await readPlan(path, table)).toEqual({ ...whole, metadata: { order: 'fold' } });
    await writePlan(path, whole);
    expect(await readPlan(path)).not.toHaveProperty('shards');
    expect(await readPlan(path, table)).toEqual({ ...whole, metadata: {} });
  });

  test.each<[string, Plan, string]>([
    [
      'a shard that is not there',
      { ...byShard, shards: Uint32Array.of(2, 0, 3, 2) },
      'position 2: expected a shard below 3, got 3',
    ],
    [
      'a row beyond its shard',
      { ...byShard, rows: Uint32Array.of(3, 0, 3, 0) },
      'position 0: expected a row of shard 2 below 3',
    ],
    [
      'a row beyond the table',
      { ...whole, rows: Uint32Array.of(0, 7, 0, 0) },
      'position 1: expected a row below 7, got 7',
    ],
  ])('%s is named', async (_, plan, message) => {
    expect(() => wholePlan(plan, table)).toThrow(message);
    const path = join(directory, 'wrong.arrow');
    await writePlan(path, plan);
    await expect(readPlan(path, table)).rejects.toMatchObject({
      code: 'INVALID_DATA',
      message: expect.stringContaining(`${path}, ${message}`),
    });
  });

  test('columns of another length are refused', async () => {
    const uneven = { ...byShard, shards: new Uint32Array(3) };
    expect(() => wholePlan(uneven, table)).toThrow('plan, shards: expected 4 values');
    await expect(writePlan(join(directory, 'uneven.arrow'), uneven)).rejects.toThrow('shard: expected 4 values');
  });
});
