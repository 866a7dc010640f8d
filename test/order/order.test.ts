import { describe, expect, test } from 'vitest';
import { argsort, argsortAsync, argsortKernel } from '../../lib/order/argsort.ts';
import { GradfoldError } from '../../lib/errors.ts';
import { foldKernel, foldOrder, foldOrderAsync, foldPartitions } from '../../lib/order/fold.ts';
import { shuffleOrder } from '../../lib/order/shuffle.ts';
import { addonReason } from '../../lib/backend/addon.ts';
import { runKernelAsync, runPortable, type OrderKernel } from '../../lib/order/kernel.ts';
import { leastMemory } from '../../lib/order/sort-kernel.ts';
import { topK } from '../../lib/select/top-k.ts';
import { FILLS, describeForms, firstDifference, orderFixture, sortedByComparison } from './forms.ts';

const { input, expected } = orderFixture();

describeForms('ordering', (run) => {
  test.each(input.arrays)('fixture $name', ({ name, scores }) => {
    const answers = expected.arrays[name];
    const values = Float64Array.from(scores);
    expect([...run(argsortKernel(values))]).toEqual(answers.ascending);
    expect([...run(argsortKernel(values, { descending: true }))]).toEqual(answers.descending);
    for (const [layers, order] of Object.entries(answers.folding)) {
      expect([...run(foldKernel(values, { layers: Number(layers) }))]).toEqual(order);
    }
  });

  test.each(input.invalid)('fixture $name is an error that names the index', ({ scores }) => {
    const message = `scores[${scores.indexOf('NaN')}]`;
    for (const values of [Float64Array.from(scores, Number), Float32Array.from(scores, Number)]) {
      for (const kernel of [argsortKernel(values), argsortKernel(values, { descending: true }), foldKernel(values)]) {
        expect(() => run(kernel)).toThrow(expect.objectContaining({ code: 'INVALID_DATA' }));
        expect(() => run(kernel)).toThrow(message);
      }
    }
  });

  describe.each(Object.entries(FILLS))('%s', (_, fill) => {
    test.each([0, 1, 2, 17, 1000, 140_001])('%i rows equal a comparison sort', (n) => {
      for (const scores of [new Float32Array(n), new Float64Array(n)]) {
        fill(scores, n);
        expect(firstDifference(run(argsortKernel(scores)), sortedByComparison(scores))).toBe(-1);
        const descending = run(argsortKernel(scores, { descending: true }));
        expect(firstDifference(descending, sortedByComparison(scores, true))).toBe(-1);
      }
    });
  });

  test.each([1, 2, 3, 7, 999, 1000, 5000])('folding in %i layers takes every so-many-th sorted row', (layers) => {
    const scores = new Float32Array(1000);
    FILLS['many ties'](scores, 5);
    const sorted = sortedByComparison(scores);
    const folded = Array.from({ length: layers }, (_, l) => sorted.filter((_row, i) => i % layers === l)).flat();
    expect([...run(foldKernel(scores, { layers }))]).toEqual(folded);
  });
});

test('scores may be a view into a larger buffer', () => {
  const buffer = new Float64Array(5000);
  FILLS.normal(buffer, 1);
  const view = buffer.subarray(7, 4007);
  expect(argsort(view)).toEqual(argsort(view.slice()));
});

describe('memory', () => {
  const least = (rows: number) => ({ memory: leastMemory(rows) });

  describe.skipIf(addonReason()).each(Object.entries(FILLS))('%s', (_, fill) => {
    test.each([Float32Array, Float64Array])('windows of the order give what one sort gives, %o', (Scores) => {
      const scores = new Scores(1_500_000);
      fill(scores, 11);
      expect(firstDifference(foldOrder(scores, least(scores.length)), foldOrder(scores))).toBe(-1);
      const descending = argsort(scores, { descending: true, ...least(scores.length) });
      expect(firstDifference(descending, argsort(scores, { descending: true }))).toBe(-1);
      expect(firstDifference(topK(scores, 987_654, least(scores.length)), topK(scores, 987_654))).toBe(-1);
    });
  });

  test('too little of it is refused, with the least', async () => {
    const scores = new Float32Array(4000);
    const message = 'memory (bytes of working memory): expected an integer >= 8389608, got 8389607';
    for (const memory of [leastMemory(4000) - 1]) {
      expect(() => argsort(scores, { memory })).toThrow(message);
      expect(() => topK(scores, 3, { memory })).toThrow(message);
      await expect(foldOrderAsync(scores, { memory })).rejects.toThrow(message);
    }
    expect(argsort(scores, { memory: leastMemory(4000) })).toHaveLength(4000);
  });

  test('the TypeScript form says when it needs more', () => {
    const scores = new Float32Array(1_000_000);
    const kernel = argsortKernel(scores, { memory: leastMemory(scores.length) });
    expect(() => runPortable(kernel)).toThrow('memory: without the CPU addon 1000000 rows need 12000000 bytes');
  });
});

describe('partitions', () => {
  const scores = new Float32Array(10_007);
  FILLS['many ties'](scores, 9);

  test.each([1, 3, 8])('%i layers end to end are the folded order', (layers) => {
    const parts = foldPartitions(scores, { layers });
    expect(parts).toHaveLength(layers);
    expect(parts.flatMap((part) => [...part])).toEqual([...foldOrder(scores, { layers })]);
  });

  test('sorting each partition of a corpus by itself gives the globally folded order', () => {
    const shards = foldPartitions(scores, { layers: 4 }).map((part) => part.slice().sort());
    const order = shards.flatMap((rows) => {
      const own = Float32Array.from(rows, (row) => scores[row]);
      return [...argsort(own)].map((i) => rows[i]);
    });
    expect(order).toEqual([...foldOrder(scores, { layers: 4 })]);
  });

  test('layers beyond the rows are empty', () => {
    const parts = foldPartitions(Float32Array.of(2, 1), { layers: 4 });
    expect(parts.map((part) => [...part])).toEqual([[1], [0], [], []]);
  });
});

describe('asynchronous forms', () => {
  const scores = new Float64Array(300_000);
  FILLS.normal(scores, 3);

  test('give what the synchronous ones give', async () => {
    const sorted = await argsortAsync(scores, { descending: true });
    expect(firstDifference(sorted, argsort(scores, { descending: true }))).toBe(-1);
    const folded = await foldOrderAsync(scores, { layers: 5 });
    expect(firstDifference(folded, foldOrder(scores, { layers: 5 }))).toBe(-1);
  });

  test('reject on NaN and on wrong options instead of throwing', async () => {
    const bad = scores.slice();
    bad[123_456] = NaN;
    await expect(argsortAsync(bad)).rejects.toThrow('scores[123456]');
    await expect(foldOrderAsync(scores, { layers: 0 })).rejects.toThrow('layers: expected an integer');
  });

  test('reject with the reason of an aborted signal, before and during the run', async () => {
    const reason = new Error('enough');
    await expect(argsortAsync(scores, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const running = argsortAsync(scores, { signal: controller.signal });
    controller.abort(reason);
    await expect(running).rejects.toBe(reason);
  });

  test.skipIf(addonReason())('reject with a GradfoldError where the addon does not have the memory', async () => {
    const failure = Object.assign(new Error('no memory'), { code: 'OUT_OF_MEMORY' });
    const kernel: OrderKernel = { ...argsortKernel(scores), nativeAsync: () => Promise.reject(failure) };
    await expect(runKernelAsync(kernel)).rejects.toThrow(
      new GradfoldError('OUT_OF_MEMORY', 'no memory', { cause: failure }),
    );
    await expect(runKernelAsync(kernel)).rejects.toBeInstanceOf(GradfoldError);
  });
});

describe('arguments', () => {
  test.each([[[1, 2]], [new Int32Array(3)], [undefined]])('scores %o are refused', (scores) => {
    expect(() => argsort(scores as unknown as Float32Array)).toThrow('scores: expected a Float32Array or Float64Array');
  });

  test.each([0, -1, 1.5, NaN])('%d layers are refused', (layers) => {
    expect(() => foldOrder(new Float32Array(3), { layers })).toThrow('layers: expected an integer');
  });
});

describe('shuffle', () => {
  test('is a permutation, fixed by its seed', () => {
    const order = shuffleOrder(1000, 7);
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    expect(shuffleOrder(1000, 7)).toEqual(order);
    expect(shuffleOrder(1000, 8)).not.toEqual(order);
  });
});
