import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openReferenceBackend } from '../../lib/backend/reference/backend.ts';
import type { Backend } from '../../lib/backend/types.ts';
import { collate } from '../../lib/data/batch.ts';
import { LanguageModel } from '../../lib/model/language-model.ts';
import { SequenceRater } from '../../lib/model/sequence-rater.ts';
import { planInOrder } from '../../lib/order/plan.ts';
import { candidatesFor, ratioFor } from '../../lib/select/discard.ts';
import { RaterFilter } from '../../lib/select/rater-filter.ts';
import { train } from '../../lib/train/trainer.ts';
import { DATA_RATER } from '../../lib/weight/data-rater/rater-model.ts';
import { softmaxWeights } from '../../lib/weight/softmax.ts';
import { TINY } from '../support/models.ts';

const samples = { tokens: (row: number) => Int32Array.from({ length: 5 }, (_, t) => (row * (t + 2) + t * t) % 11) };
const batch = collate(Array.from({ length: 6 }, (_, row) => ({ inputIds: samples.tokens(row) })));

describe('RaterFilter', () => {
  let backend: Backend;
  let rater: SequenceRater;
  beforeAll(async () => {
    backend = openReferenceBackend();
    rater = await SequenceRater.initialize({ ...TINY, ...DATA_RATER, initializer_range: 0.5 }, { backend, seed: 3 });
  });
  afterAll(() => backend.dispose());

  it('reads N / (1 − ρ) candidates', () => {
    expect([0, 0.1, 0.25, 0.5, 0.75, 0.9].map((discard) => candidatesFor(32, discard))).toEqual([
      32, 36, 43, 64, 128, 320,
    ]);
    // Rounded up: a share above 0 always leaves something out.
    expect(candidatesFor(8, 0.05)).toBe(9);
    expect(candidatesFor(32, 0.01)).toBe(33);
    expect(candidatesFor(32, 1e-12)).toBe(33);
    for (const count of [1, 3, 8, 32, 100]) {
      for (const share of [0.1, 0.2, 0.25, 0.5, 0.75, 0.8, 0.9]) {
        const candidates = candidatesFor(count, share);
        expect(1 - count / candidates).toBeGreaterThanOrEqual(share - 1e-9);
        expect(1 - count / (candidates - 1)).toBeLessThan(share);
      }
    }
    expect(() => candidatesFor(32, 1)).toThrow('discard: expected a share < 1, got 1');
  });

  it.each([
    [8, 0.25, { batch: 12, keep: 9 }],
    [32, 0.5, { batch: 64, keep: 32 }],
    [32, 0.01, { batch: 100, keep: 99 }],
    [4, 0, { batch: 4, keep: 4 }],
  ])('finds a batch of at least %i rows kept that leaves out %d', (count, discard, expected) => {
    const { batch, keep } = ratioFor(count, discard);
    expect(Math.abs(1 - keep / batch - discard)).toBeLessThanOrEqual(0.01 * discard);
    expect(keep).toBeLessThanOrEqual(expected.keep);
    if (discard >= 0.25 || discard === 0) expect({ batch, keep }).toEqual(expected);
  });

  it('keeps the best, and weighs them by the softmax of their scores', async () => {
    const scores = await rater.score(batch);
    const best = Array.from(scores.keys())
      .sort((a, b) => scores[b] - scores[a])
      .slice(0, 3)
      .sort();
    const filter = new RaterFilter(rater, { count: 3, discard: 0.5 });
    expect(filter.candidates).toBe(6);
    const chosen = await filter.choose(batch, {});
    expect(Array.from(chosen.places)).toEqual(best);
    expect(chosen.weights).toBeUndefined();

    const weighing = new RaterFilter(rater, { count: 6, temperature: 0.5 });
    const weighed = await weighing.choose(batch, {});
    expect(Array.from(weighed.places)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(Array.from(weighed.weights!)).toEqual(Array.from(softmaxWeights(scores, { temperature: 0.5 })));
  });

  it('trains a model on the best candidates of each step', async () => {
    const rows = Uint32Array.from({ length: 12 }, (_, i) => i);
    const run = async (plan: Uint32Array, filter?: RaterFilter) => {
      const model = await LanguageModel.initialize(TINY, { backend, seed: 7 });
      await train({
        ...{ model, samples, plan: planInOrder(plan), batchSize: 3, steps: 2, filter },
        optimizer: { kind: 'sgd', lr: 0.1 },
      });
      return model.parameters.toRecord();
    };
    const filter = new RaterFilter(rater, { count: 3, discard: 0.5 });
    const kept: number[] = [];
    for (const start of [0, 6]) {
      const candidates = collate(
        Array.from(rows.subarray(start, start + 6), (row) => ({ inputIds: samples.tokens(row) })),
      );
      kept.push(...Array.from((await filter.choose(candidates, {})).places, (place) => start + place));
    }
    expect(await run(rows, filter)).toEqual(await run(Uint32Array.from(kept)));
  });
});
