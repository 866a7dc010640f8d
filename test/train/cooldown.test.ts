import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { IGNORED_LABEL, type TokenRow } from '../../lib/data/batch.ts';
import { planInOrder } from '../../lib/order/plan.ts';
import {
  cooldownSteps,
  mixedThroughout,
  unseenRows,
  withCooldown,
  type CooldownOptions,
} from '../../lib/train/cooldown.ts';
import { digestParameters } from '../../lib/train/fingerprint.ts';
import type { TrainingLogEntry } from '../../lib/train/log.ts';
import { planBatch } from '../../lib/train/sample-loader.ts';
import { placeAt } from '../../lib/train/stages.ts';
import { train, type TrainOptions } from '../../lib/train/trainer.ts';
import { describeBackends } from '../support/backends.ts';
import { toyModel, toyPlan, toySamples } from './toy.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gradfold-cooldown-'));
});
afterAll(() => rm(directory, { recursive: true }));

/** Rows of two documents with a prefix each, as packing makes them. */
const conditioned = {
  tokens: (row: number) => Int32Array.from({ length: 8 }, (_, t) => (row * 3 + t) % 13),
  row: (row: number): TokenRow => {
    const inputIds = conditioned.tokens(row);
    return {
      inputIds,
      labels: inputIds.map((id, t) => (t % 4 === 0 ? IGNORED_LABEL : id)),
      documentIds: inputIds.map((_, t) => Math.floor(t / 4)),
    };
  },
};

const CONDITIONED = [3, 1, 4, 0, 5];
const PLAIN = [9, 2, 6];
const SETTINGS = { steps: 9, batchSize: 3, cooldown: 0.25 };

const options = (): CooldownOptions => ({
  conditioned: { samples: conditioned, plan: toyPlan(CONDITIONED, [1, 2, 1, 1, 0.5]) },
  plain: { samples: toySamples, plan: toyPlan(PLAIN, [1, 1, 3]) },
  ...SETTINGS,
});

/** The rows of every step by table: row numbers of the first, and ~row of the second. */
function tape({ samples, plan, steps, batchSize }: ReturnType<typeof withCooldown>): number[] {
  const second = Math.max(...CONDITIONED) + 1;
  return Array.from({ length: steps }, (_, step) => [...planBatch(samples, plan, step, batchSize).rows])
    .flat()
    .map((row) => (row >= second ? ~(row - second) : row));
}

describe('withCooldown', () => {
  it('reads conditioned rows round and round, then plain ones from their beginning', () => {
    expect(tape(withCooldown(options()))).toEqual([
      ...Array.from({ length: 21 }, (_, i) => CONDITIONED[i % 5]),
      ...[9, 2, 6, 9, 2, 6].map((row) => ~row),
    ]);
  });

  it('keeps tokens, labels, weights and passes of each table', () => {
    const { samples, plan, batchSize } = withCooldown(options());
    const [first, last] = [1, 7].map((step) => planBatch(samples, plan, step, batchSize));
    expect(first.tokenRows[0]).toEqual(conditioned.row(0));
    expect([...first.weights]).toEqual([1 / 2.5, 0.5 / 2.5, 1 / 2.5]);
    expect(first.tokenRows).toHaveLength(3);
    expect([first.epoch, planBatch(samples, plan, 6, batchSize).epoch, last.epoch]).toEqual([0, 3, 0]);
    expect(Array.from(last.tokenRows[0].inputIds)).toEqual([...toySamples.tokens(9)]);
    expect([...last.weights]).toEqual([1 / 5, 1 / 5, 3 / 5]);
  });

  it.each([
    [10, 0.1, 1],
    [400, 0.1, 40],
    [7, 0.5, 4],
  ])('of %i steps a share of %f are %i', (steps, share, expected) => {
    expect(cooldownSteps(steps, share)).toBe(expected);
  });

  it('refuses a share that leaves a stage without steps', () => {
    expect(() => cooldownSteps(4, 0.1)).toThrow('cooldown: expected a share that leaves each stage one of the 4 steps');
    expect(() => cooldownSteps(4, 1)).toThrow('cooldown');
  });
});

describe('mixedThroughout', () => {
  it('spreads the plain rows evenly, in the same shares', () => {
    const rows = tape(mixedThroughout(options()));
    const plain = rows.flatMap((row, i) => (row < 0 ? [i] : []));
    expect(plain.map((i) => ~rows[i])).toEqual([9, 2, 6, 9, 2, 6]);
    expect(new Set(plain.map((at, i) => at - (plain[i - 1] ?? at - 4)))).toEqual(new Set([4, 5]));
    const others = rows.filter((row) => row >= 0);
    expect(others).toEqual(Array.from({ length: 21 }, (_, i) => CONDITIONED[i % 5]));
  });

  it('makes one batch of packed rows and rows that are not', () => {
    const { samples, plan, batchSize } = mixedThroughout(options());
    const { batch } = planBatch(samples, plan, 1, batchSize);
    expect(batch.documentIds).toBeDefined();
  });
});

describe('unseenRows', () => {
  const documentsOf = { conditioned: (row: number) => [2 * row, 2 * row + 1], plain: (row: number) => [row] };

  it('leaves out plain rows whose documents the first stage reads', () => {
    // Documents 6, 7, 2, 3, 8, 9, 0, 1, 10 and 11 are read, so row 2, 6 and 9 have been seen.
    expect(() => unseenRows(options(), documentsOf)).toThrow('plain rows: expected some of documents');
    const other = { ...options(), plain: { samples: toySamples, plan: toyPlan([9, 4, 6, 5], [1, 2, 3, 4]) } };
    expect(unseenRows(other, documentsOf)).toEqual(toyPlan([4, 5], [2, 4]));
  });

  it('counts only rows that are read in time', () => {
    const few = { ...options(), steps: 2, batchSize: 1, cooldown: 0.5 };
    expect([...unseenRows(few, documentsOf).rows]).toEqual([9, 2]);
  });
});

describeBackends('a run with a cooldown', ({ open }) => {
  const run = async (more: Partial<TrainOptions>): Promise<TrainOptions> => ({
    model: await toyModel(await open()),
    optimizer: { kind: 'adamw', lr: 0.02, betas: [0.9, 0.95], weightDecay: 0.033, clipNorm: 1 },
    schedule: { kind: 'cosine', warmupSteps: 2 },
    ...withCooldown(options()),
    ...more,
  });

  it('is one run: schedule, optimizer and parameters as if all rows were one source', async () => {
    const { samples, plan, steps, batchSize } = withCooldown(options());
    const entries: TrainingLogEntry[] = [];
    const staged = await run({
      onStep: (entry) => entries.push(entry),
      checkpoint: { dir: join(directory, `${Math.random()}`), every: 7 },
    });
    await train(staged);

    // The same rows written out one after the other, as an ordinary plan over one table.
    const places = Array.from({ length: steps * batchSize }, (_, i) => placeAt(plan, i).place);
    const rows = places.map((place) => samples.row!(plan.rows[place], 0));
    const whole: TrainingLogEntry[] = [];
    const plain = await run({
      samples: { tokens: (row) => rows[row].inputIds, row: (row) => rows[row] },
      plan: {
        ...planInOrder(Uint32Array.from(rows.keys())),
        weights: Float32Array.from(places, (place) => plan.weights[place]),
      },
      onStep: (entry) => whole.push(entry),
      checkpoint: { dir: join(directory, `${Math.random()}`), every: 7 },
    });
    await train(plain);

    const numbers = ({ step, loss, lr, gradientNorm, tokens }: TrainingLogEntry) => [
      step,
      loss,
      lr,
      gradientNorm,
      tokens,
    ];
    expect(entries.map(numbers)).toEqual(whole.map(numbers));
    expect(digestParameters(staged.model.parameters)).toBe(digestParameters(plain.model.parameters));
    // At the boundary: learning rate, parameters, both moments and their step, bit by bit.
    expect(entries[6].lr).toBeGreaterThan(entries[7].lr);
    for (const file of ['parameters.safetensors', 'optimizer.safetensors']) {
      const [a, b] = await Promise.all(
        [staged, plain].map(({ checkpoint }) => readFile(join(checkpoint!.dir, 'step-000007', file))),
      );
      expect(a.equals(b)).toBe(true);
    }
  });

  it.each([6, 7, 8])('stopped after step %i it goes on to the same bits', async (stop) => {
    const whole = await run({});
    await train(whole);
    const checkpoint = { dir: join(directory, `${Math.random()}`), every: 1 };
    const interrupt = new AbortController();
    const first = await run({
      checkpoint,
      signal: interrupt.signal,
      validate: { every: stop + 1, run: () => Promise.reject(new Error('killed')) },
    });
    await expect(train(first)).rejects.toThrow('killed');
    const second = await run({ checkpoint });
    const steps: number[] = [];
    await train({ ...second, onStep: ({ step }) => steps.push(step) });
    expect(steps[0]).toBe(stop + 1);
    expect(digestParameters(second.model.parameters)).toBe(digestParameters(whole.model.parameters));
  });

  it('does not go on from a checkpoint of other stages', async () => {
    const checkpoint = { dir: join(directory, `${Math.random()}`), every: 5 };
    await train(await run({ checkpoint }));
    const other = await run({ checkpoint, ...withCooldown({ ...options(), cooldown: 0.5 }) });
    await expect(train(other)).rejects.toThrow(/stages was .* is /);
  });

  it('refuses stages that are none', async () => {
    const { plan } = withCooldown(options());
    const stages = [
      { start: 0, first: 0 },
      { start: 3, first: 99 },
    ];
    await expect(train(await run({ plan: { ...plan, stages } }))).rejects.toThrow('plan.stages[1].first');
  });
});
