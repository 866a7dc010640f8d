import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Backend } from '../../lib/backend/types.ts';
import { collate } from '../../lib/data/batch.ts';
import { summarize } from '../../lib/evaluate/statistics.ts';
import { featureFlops, forwardFlops, raterFlops } from '../../lib/evaluate/compute.ts';
import { LanguageModel } from '../../lib/model/language-model.ts';
import { SequenceRater } from '../../lib/model/sequence-rater.ts';
import { digestRater } from '../../lib/train/fingerprint.ts';
import { initializeDataRater } from '../../lib/weight/data-rater/rater-model.ts';
import { describeBackends } from '../support/backends.ts';
import { TINY } from '../support/models.ts';

const CONFIG = { ...TINY, initializer_range: 0.5 };
const ROWS = [
  [1, 2, 3, 4, 5],
  [3, 3, 3],
  [1, 7, 1, 7],
];
/** Different tokens of each row as a share of its tokens, padding aside. */
const DISTINCT = [1, 1 / 3, 1 / 2];
const samples = { tokens: (row: number) => Int32Array.from(ROWS[row]) };
const batch = collate(ROWS.map((inputIds) => ({ inputIds })));
const PLAIN = { causal: false, pooling: 'mean', bias: false } as const;

describeBackends('features of a rater', (tested) => {
  let backend: Backend;
  let model: LanguageModel;
  let dir: string;
  beforeAll(async () => {
    backend = await tested.open();
    model = await LanguageModel.initialize(CONFIG, { backend, seed: 7 });
    dir = await mkdtemp(join(tmpdir(), 'gradfold-features-'));
  });
  afterAll(async () => {
    backend.dispose();
    await rm(dir, { recursive: true });
  });

  const featured = () =>
    initializeDataRater(CONFIG, {
      ...{ backend, seed: 3 },
      features: { names: ['loss', 'distinct_tokens'], samples, rows: [0, 1, 2], reference: model },
    });
  /** Gives the features weights of their own. */
  const weigh = (rater: SequenceRater, weights: number[]) =>
    rater.parameters.setFrom({ ...rater.parameters.toRecord(), 'score_head.features': weights });

  it('adds each feature, standardised, by its weights above and below the mean', async () => {
    const rater = await featured();
    expect([...(await rater.score(batch))]).toEqual([0, 0, 0]);
    const { perSample } = await model.loss(batch);
    const z = [perSample, DISTINCT].map((values) => {
      const { mean, standardDeviation } = summarize(Array.from(values));
      return Array.from(values, (x) => (x - mean) / standardDeviation);
    });
    weigh(rater, [0.5, -2, 1.5, 3]);
    const piece = (x: number, above: number, below: number) => x * (x > 0 ? above : below);
    const expected = ROWS.map((_, i) => Math.sqrt(8) * (piece(z[0][i], 0.5, 1.5) + piece(z[1][i], -2, 3)));
    expect(new Set(z.flat().map(Math.sign))).toEqual(new Set([-1, 1]));
    (await rater.score(batch)).forEach((score, i) => expect(score).toBeCloseTo(expected[i], 5));
    // Padding and company change nothing.
    const alone = await rater.score(collate([{ inputIds: ROWS[1] }]));
    expect(alone[0]).toBeCloseTo(expected[1], 5);
  });

  it('differentiates by the weights', async () => {
    const rater = await featured();
    const c = [0.3, -1, 0.7];
    const gradient = (await rater.backward(batch, c)).toRecord()['score_head.features'];
    for (const k of [0, 1, 2, 3]) {
      weigh(
        rater,
        [0, 1, 2, 3].map((i) => Number(i === k)),
      );
      const unit = await rater.score(batch);
      expect(gradient[k]).toBeCloseTo(
        unit.reduce((sum, x, i) => sum + c[i] * x, 0),
        5,
      );
    }
  });

  it('keeps the reference as it was, and comes back from its folder', async () => {
    const rater = await featured();
    weigh(rater, [1, 1, -1, -1]);
    const before = await rater.score(batch);
    const digest = digestRater(rater);
    const own = model.parameters.copy();
    model.parameters.scale(2);
    expect(await rater.score(batch)).toEqual(before);
    model.parameters.copyFrom(own);

    await rater.savePretrained(join(dir, tested.name));
    const loaded = await SequenceRater.fromPretrained(join(dir, tested.name), { backend });
    expect(loaded.config.features).toEqual(rater.config.features);
    (await loaded.score(batch)).forEach((score, i) => expect(score).toBeCloseTo(before[i], 5));
    rater.reference!.parameters.scale(2);
    expect(digestRater(rater)).not.toBe(digest);
  });

  it('gives the features of rows for several calls on them', async () => {
    const rater = await featured();
    weigh(rater, [0.5, -2, 1.5, 3]);
    const features = await rater.features(batch);
    expect(await rater.score(batch, { features })).toEqual(await rater.score(batch));
    const c = [0.3, -1, 0.7];
    const [given, taken] = [await rater.backward(batch, c, { features }), await rater.backward(batch, c)];
    expect(given.toRecord()).toEqual(taken.toRecord());
    await expect(rater.score(batch, { features: features.slice(1) })).rejects.toThrow('features: expected 4');
    const short = features.map((values) => values.slice(1));
    await expect(rater.backward(batch, c, { features: short })).rejects.toThrow('features[0]: expected 3');
  });

  it('counts what the reference costs, and names what is wrong', async () => {
    const { config } = await featured();
    const plain = { ...config, features: undefined, reference: undefined };
    expect(raterFlops(config, 10) - raterFlops(plain, 10)).toBe(forwardFlops(CONFIG, 10));
    // The row as it is, which both share, and two other orders.
    const order = { name: 'order_gain', mean: 0, deviation: 1 } as const;
    expect(featureFlops({ ...config, features: [...config.features!, order] }, 10)).toBe(3 * forwardFlops(CONFIG, 10));
    expect(featureFlops(plain, 10)).toBe(0);

    const loss = { name: 'loss', mean: 0, deviation: 1 } as const;
    const make = (features: unknown, reference?: LanguageModel) =>
      SequenceRater.initialize({ ...CONFIG, ...PLAIN, features } as never, { backend, seed: 0, reference });
    await expect(make([loss])).rejects.toThrow('reference: expected a LanguageModel, for the feature "loss"');
    await expect(make([], model)).rejects.toThrow('reference: expected none');
    await expect(make([order])).rejects.toThrow('for the feature "order_gain"');
    await expect(make([{ ...loss, wordStarts: [1] }], model)).rejects.toThrow('wordStarts: expected none with "loss"');
    await expect(make([{ ...order, wordStarts: [1, 11] }], model)).rejects.toThrow(
      'wordStarts[1]: expected an integer in',
    );
    const words = { names: ['loss'], samples, rows: [0, 1], reference: model, wordStarts: [1] } as const;
    await expect(initializeDataRater(CONFIG, { backend, seed: 0, features: words })).rejects.toThrow(
      'features.wordStarts: expected none (no feature needs it)',
    );
    await expect(make([loss, loss], model)).rejects.toThrow('features: expected each of them once, got "loss"');
    await expect(make([{ ...loss, name: 'length' }])).rejects.toThrow('features[0].name: expected one of loss,');
    await expect(make([{ ...loss, deviation: 0 }], model)).rejects.toThrow('features[0].deviation');
    const other = await LanguageModel.initialize({ ...CONFIG, vocab_size: 12 }, { backend, seed: 0 });
    await expect(make([loss], other)).rejects.toThrow("the rater's vocabulary of 11 tokens, got 12");
    const same = { names: ['distinct_tokens'], samples, rows: [0, 0] } as const;
    await expect(initializeDataRater(CONFIG, { backend, seed: 0, features: same })).rejects.toThrow(
      'features: distinct_tokens: expected one that differs between rows',
    );
  });
});
