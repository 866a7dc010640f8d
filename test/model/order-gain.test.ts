import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Backend } from '../../lib/backend/types.ts';
import { collate, type Batch } from '../../lib/data/batch.ts';
import { LanguageModel } from '../../lib/model/language-model.ts';
import { rowFeatures } from '../../lib/model/row-features.ts';
import { describeBackends } from '../support/backends.ts';
import { TINY } from '../support/models.ts';

/** Tokens 7 to 10 begin words, so that three of these may stand in six orders. */
const WORD_STARTS = Uint8Array.from({ length: 11 }, (_, id) => Number(id >= 7));
const ROW = [7, 1, 2, 8, 9, 3];
const WORDS = [[7, 1, 2], [8], [9, 3]];
const ORDERS = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
].map((order) => order.flatMap((k) => WORDS[k]));

describeBackends('order_gain', (tested) => {
  let backend: Backend;
  let model: LanguageModel;
  beforeAll(async () => {
    backend = await tested.open();
    model = await LanguageModel.initialize({ ...TINY, initializer_range: 0.5 }, { backend, seed: 7 });
  });
  afterAll(() => backend.dispose());

  const gains = async (rows: Batch, wordStarts?: Uint8Array) =>
    (await rowFeatures(['order_gain'], { rows, reference: model, wordStarts }))[0];
  const batchOf = (...rows: number[][]) => collate(rows.map((inputIds) => ({ inputIds })));

  it('is the mean loss over orders of the words, less that of the row as it is', async () => {
    const { perSample } = await model.loss(batchOf(ROW, ...ORDERS));
    const [plain, ...losses] = perSample;
    const [gain] = await gains(batchOf(ROW), WORD_STARTS);
    // Two orders are taken; which ones is no part of the contract, that they are orders of whole words is.
    const possible = losses.flatMap((one) => losses.map((other) => (one + other) / 2 - plain));
    expect(Math.min(...possible.map((value) => Math.abs(value - gain)))).toBeLessThan(1e-5);
    expect(Math.abs(gain)).toBeGreaterThan(1e-3);
    // Without words each token is one, and other orders come.
    expect((await gains(batchOf(ROW)))[0]).not.toBeCloseTo(gain, 4);
  });

  it('depends neither on padding nor on the other rows', async () => {
    const [alone] = await gains(batchOf(ROW), WORD_STARTS);
    const company = await gains(batchOf([7, 1, 7, 2, 9, 9, 8, 4], ROW, [8, 1], ROW), WORD_STARTS);
    expect(company[1]).toBeCloseTo(alone, 5);
    expect(company[3]).toBe(company[1]);
  });

  it('is 0 where there is one word', async () => {
    const batch = batchOf([7, 1, 2, 3], [1, 2, 8, 3]);
    const [one, two] = await gains(batch, WORD_STARTS);
    expect(one).toBe(0);
    expect(two).not.toBe(0);
  });

  it('leaves every word in its document', async () => {
    const [first, second] = [
      [7, 1, 2],
      [8, 3, 8, 3],
    ];
    const documentIds = [0, 0, 0, 1, 1, 1, 1];
    const packed = collate([{ inputIds: [...first, ...second], documentIds }]);
    // One word, and two equal ones: within their documents they have one order, across them more.
    expect((await gains(packed, WORD_STARTS))[0]).toBe(0);
    expect((await gains(batchOf([...first, ...second]), WORD_STARTS))[0]).not.toBe(0);
  });

  it('shares the pass over the row as it is with the loss', async () => {
    const rows = batchOf(ROW, [8, 1, 9]);
    const [loss, gain] = await rowFeatures(['loss', 'order_gain'], { rows, reference: model, wordStarts: WORD_STARTS });
    expect(loss).toEqual((await model.loss(rows)).perSample);
    expect(gain).toEqual(await gains(rows, WORD_STARTS));
  });
});
