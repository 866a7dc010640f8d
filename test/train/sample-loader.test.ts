import { describe, expect, it } from 'vitest';
import { planBatch } from '../../lib/train/sample-loader.ts';
import { toyPlan } from './toy.ts';

const samples = { tokens: (row: number) => Int32Array.from({ length: row + 2 }, () => row) };

describe('planBatch', () => {
  it('reads the plan in order, as an endless tape', () => {
    const plan = toyPlan([4, 0, 2]);
    const read = [0, 1, 2].map((step) => planBatch(samples, plan, step, 2));
    const firstTokens = read.map(({ batch }) => [batch.inputIds[0], batch.inputIds[batch.time]]);
    expect(firstTokens).toEqual([
      [4, 0],
      [2, 4],
      [0, 2],
    ]);
    expect(read.map(({ epoch }) => epoch)).toEqual([0, 0, 1]);
    expect(read.map(({ tokens }) => tokens)).toEqual([8, 10, 6]);
  });

  it('pads to the longest row of the batch', () => {
    const { batch } = planBatch(samples, toyPlan([1, 3]), 0, 2);
    expect([batch.batch, batch.time]).toEqual([2, 5]);
    expect(Array.from(batch.attentionMask!)).toEqual([1, 1, 1, 0, 0, 1, 1, 1, 1, 1]);
  });

  it('normalises the weights of each batch', () => {
    const plan = toyPlan([0, 1, 2, 3], [1, 3, 5, 5]);
    expect(Array.from(planBatch(samples, plan, 0, 2).weights)).toEqual([0.25, 0.75]);
    expect(Array.from(planBatch(samples, plan, 1, 2).weights)).toEqual([0.5, 0.5]);
  });

  it('names the step whose weights are all zero', () => {
    expect(() => planBatch(samples, toyPlan([0, 1, 2, 3], [1, 1, 0, 0]), 1, 2)).toThrow(
      'plan.weights of step 1: expected a positive sum, got 0',
    );
  });

  it('tells a source how often a row was read before, within a pass and in earlier ones', () => {
    const read: [number, number][] = [];
    const counting = {
      ...samples,
      row(row: number, epoch: number) {
        read.push([row, epoch]);
        return { inputIds: samples.tokens(row) };
      },
    };
    for (const step of [0, 1, 2]) planBatch(counting, toyPlan([2, 0, 2, 1]), step, 3);
    const times = [2, 0, 2, 1, 2, 0, 2, 1, 2].map((row, i, rows): [number, number] => [
      row,
      rows.slice(0, i).filter((other) => other === row).length,
    ]);
    expect(read).toEqual(times);
  });
});
