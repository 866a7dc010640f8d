import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mkdtemp, readdir, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readArrowFile } from '../../lib/data/arrow-file.ts';
import { addonReason } from '../../lib/backend/addon.ts';
import type { FloatArray } from '../../lib/backend/types.ts';
import { readNumberColumns } from '../../lib/data/number-columns.ts';
import { leastFileMemory, orderFile, type FileOrder, type FileSelection } from '../../lib/order/order-file.ts';
import type { OrderMethod } from '../../lib/order/methods.ts';
import { planOf, readPlan } from '../../lib/order/plan.ts';
import { writeScores } from '../../lib/score/columns.ts';
import { writeScoreTable } from '../../lib/score/table.ts';
import { aboveThreshold } from '../../lib/select/threshold.ts';
import { topK } from '../../lib/select/top-k.ts';
import { topRatio } from '../../lib/select/top-ratio.ts';
import { FILLS, firstDifference } from './forms.ts';

const missing = addonReason();

let folder: string;
const at = (name: string) => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gradfold-order-file-'));
});
afterAll(() => rm(folder, { recursive: true }));

function selected(scores: FloatArray, select: FileSelection | undefined): Uint32Array {
  if (select === undefined) return Uint32Array.from(scores, (_, row) => row);
  if ('topRatio' in select) return topRatio(scores, select.topRatio).sort();
  return 'topK' in select ? topK(scores, select.topK).sort() : aboveThreshold(scores, select.above);
}

/** What orderFile has to write, from everything in memory. */
function expectedPlan(scores: FloatArray, select: FileSelection | undefined, order: FileOrder) {
  const rows = selected(scores, select);
  if (order.method !== 'input') return planOf(rows, scores, order as OrderMethod);
  return { rows, layers: new Uint32Array(rows.length), weights: new Float32Array(rows.length).fill(1) };
}

describe.skipIf(missing)(`plans of score files${missing ? ` (${missing})` : ''}`, () => {
  const orders: FileOrder[] = [
    { method: 'sort' },
    { method: 'sort', descending: true },
    { method: 'fold' },
    { method: 'fold', layers: 5000 },
    { method: 'input' },
  ];
  const selections: (FileSelection | undefined)[] = [undefined, { topRatio: 0.3 }, { topK: 1777 }, { above: 0.5 }];

  describe.each(['normal', 'many ties', 'extremes', 'all equal'])('%s', (fill) => {
    test.each([new Float32Array(100_003), new Float64Array(60_000)])('as in memory (%#)', async (scores) => {
      FILLS[fill](scores, 7);
      await writeScores(at('scores.arrow'), { other: scores.slice().reverse(), lqs: scores });
      for (const order of orders) {
        for (const select of selections) {
          if (select && 'above' in select && aboveThreshold(scores, select.above).length === 0) continue;
          const expected = expectedPlan(scores, select, order);
          const found = await orderFile(at('scores.arrow'), at('plan.arrow'), { column: 'lqs', order, select });
          expect(found).toMatchObject({ rows: expected.rows.length, of: scores.length });
          const plan = await readPlan(at('plan.arrow'));
          expect(firstDifference(plan.rows, expected.rows)).toBe(-1);
          expect(firstDifference(plan.layers, expected.layers)).toBe(-1);
          expect(firstDifference(plan.weights, expected.weights)).toBe(-1);
        }
      }
    });
  });

  test('several passes over several shards longer than a record batch', { timeout: 120_000 }, async () => {
    const scores = new Float32Array(3_000_000);
    FILLS.normal(scores, 3);
    scores.fill(0.25, 500_000, 1_700_000); // more equal rows than a window has room for
    const ends = [0, 1_200_000, 1_200_000, 1_200_001, 3_000_000];
    const paths: string[] = [];
    for (let shard = 0; shard + 1 < ends.length; shard++) {
      paths.push(at(`shard-${shard}.arrow`));
      await writeScores(paths[shard], { lqs: scores.subarray(ends[shard], ends[shard + 1]) });
    }
    for (const order of [
      { method: 'fold', layers: 3 },
      { method: 'sort', descending: true },
      { method: 'input' },
    ] as const) {
      const steps = new Set<string>();
      const found = await orderFile(paths, at('plan.arrow'), {
        column: 'lqs',
        order,
        select: { topRatio: 0.9 },
        memory: leastFileMemory(scores.length),
        metadata: { from: 'shards' },
        onProgress: ({ step, done, of }) => {
          expect(done).toBeLessThanOrEqual(of);
          steps.add(step);
        },
      });
      expect(found.passes).toBeGreaterThan(order.method === 'input' ? 3 : 4);
      expect([...steps]).toEqual(order.method === 'input' ? ['count', 'sort', 'filter'] : ['count', 'sort']);
      const expected = expectedPlan(scores, { topRatio: 0.9 }, order);
      const plan = await readPlan(at('plan.arrow'));
      expect(plan.metadata.from).toBe('shards');
      const { shard } = readNumberColumns('plan', await readArrowFile(at('plan.arrow')), {
        shard: Uint32Array,
      }).columns;
      const rows = plan.rows.map((row, i) => ends[shard[i]] + row);
      expect(firstDifference(rows, expected.rows)).toBe(-1);
      expect(firstDifference(plan.layers, expected.layers)).toBe(-1);
    }
  });

  test('rows are called by the column row', async () => {
    const scores = Float64Array.of(3, 1, 2, 1, 5);
    const rows = Uint32Array.of(90, 4, 17, 2, 1000);
    await writeScoreTable(at('a.arrow'), rows, { lqs: scores });
    await orderFile(at('a.arrow'), at('plan.arrow'), { column: 'lqs', order: { method: 'sort' } });
    expect([...(await readPlan(at('plan.arrow'))).rows]).toEqual([4, 2, 17, 90, 1000]);
    await writeScoreTable(at('b.arrow'), Uint32Array.of(8, 7), { lqs: Float64Array.of(4, 2) });
    await orderFile([at('a.arrow'), at('b.arrow')], at('plan.arrow'), {
      column: 'lqs',
      select: { topK: 5 },
      order: { method: 'fold', layers: 2 },
    });
    expect([...(await readPlan(at('plan.arrow'))).rows]).toEqual([17, 90, 1000, 7, 8]);
    const { columns } = readNumberColumns('plan', await readArrowFile(at('plan.arrow')), { shard: Uint32Array });
    expect([...columns.shard]).toEqual([0, 0, 0, 1, 1]);
  });

  describe('refusals leave no file behind', () => {
    const scores = new Float32Array(5000);
    FILLS.normal(scores, 2);
    const plan = () => at('refused.arrow');
    const refused = async (files: string | string[], options: object, message: string) => {
      await expect(orderFile(files, plan(), { column: 'lqs', ...options })).rejects.toThrow(message);
      expect((await readdir(folder)).filter((name) => name.includes('refused'))).toEqual([]);
    };

    beforeAll(() => writeScores(at('good.arrow'), { lqs: scores }));

    test('NaN, named by file and row', async () => {
      const bad = scores.slice();
      bad[4321] = NaN;
      await writeScores(at('bad.arrow'), { lqs: bad });
      await refused([at('good.arrow'), at('bad.arrow')], {}, 'bad.arrow: lqs[4321]: expected a number, got NaN');
    });

    test('files', async () => {
      await refused(at('none.arrow'), {}, 'there is no such file');
      await refused(at('good.arrow'), { column: 'lqz' }, 'did you mean "lqs"?');
      await writeScores(at('wide.arrow'), { lqs: new Float64Array(3) });
      await refused(
        [at('good.arrow'), at('wide.arrow')],
        {},
        'wide.arrow: expected float32 scores without a column "row"',
      );
      await writeScores(at('cut.arrow'), { lqs: scores });
      await truncate(at('cut.arrow'), 9000);
      await refused(at('cut.arrow'), {}, 'cut.arrow: the Arrow file is truncated');
      await refused([], {}, 'scores: expected at least one file');
    });

    test('options', async () => {
      await refused(at('good.arrow'), { memory: 1 << 20 }, 'memory (bytes): expected an integer >=');
      await refused(at('good.arrow'), { select: { topRatio: 1.5 } }, 'r (the ratio of rows to keep)');
      await refused(at('good.arrow'), { select: { above: 99 } }, 'nothing was kept');
      await refused(at('good.arrow'), { select: {} }, 'select: expected { topRatio }, { topK } or { above }');
      await refused(at('good.arrow'), { order: { method: 'fold', layers: 0 } }, 'layers: expected an integer');
      await refused(
        at('good.arrow'),
        { order: { method: 'fled' } },
        'order.method: expected "fold", "sort" or "input"',
      );
    });

    test('the reason of an aborted signal', async () => {
      const reason = new Error('enough');
      await refused(at('good.arrow'), { signal: AbortSignal.abort(reason) }, 'enough');
      const controller = new AbortController();
      await refused(
        at('good.arrow'),
        {
          signal: controller.signal,
          onProgress: () => controller.abort(reason),
          select: { topK: 10 },
          order: { method: 'input' },
        },
        'enough',
      );
    });
  });
});
