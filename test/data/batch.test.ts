import { describe, expect, it } from 'vitest';
import { checkBatch, checkRows, collate, type Batch } from '../../lib/data/batch.ts';

describe('collate', () => {
  it('pads on the right and copies ids to labels', () => {
    const batch = collate([{ inputIds: [5, 6, 7] }, { inputIds: Uint16Array.of(8), labels: [-100] }], { paddingId: 1 });
    expect(batch).toEqual({
      batch: 2,
      time: 3,
      inputIds: Int32Array.of(5, 6, 7, 8, 1, 1),
      labels: Int32Array.of(5, 6, 7, -100, -100, -100),
      attentionMask: Uint8Array.of(1, 1, 1, 1, 0, 0),
    });
  });

  it('pads to a given length, documentIds with −1', () => {
    const batch = collate([{ inputIds: [5, 6], documentIds: [0, 1] }], { length: 4 });
    expect(batch.documentIds).toEqual(Int32Array.of(0, 1, -1, -1));
    expect(batch.inputIds).toEqual(Int32Array.of(5, 6, 0, 0));
  });

  it('passes token types through, 0 on padding', () => {
    const batch = collate([
      { inputIds: [5, 6], tokenTypeIds: [0, 1] },
      { inputIds: [7], tokenTypeIds: [1] },
    ]);
    expect(batch.tokenTypeIds).toEqual(Int32Array.of(0, 1, 1, 0));
  });

  it.each([
    ['no rows', [], {}, /rows: expected at least one row/],
    ['nothing but empty rows', [{ inputIds: [] }], {}, /length: expected an integer >= 1, got 0/],
    [
      'a row too long',
      [{ inputIds: [1] }, { inputIds: [1, 2, 3] }],
      { length: 2 },
      /rows\[1\].inputIds.*at most 2.*got 3/,
    ],
    ['labels of another length', [{ inputIds: [1, 2], labels: [1] }], {}, /rows\[0\].labels: expected 2 values.*got 1/],
    ['a fraction', [{ inputIds: [1, 2.5] }], {}, /rows\[0\].inputIds\[1\].*got 2.5/],
    [
      'documents in some rows only',
      [{ inputIds: [1], documentIds: [0] }, { inputIds: [1] }],
      {},
      /rows\[1\].documentIds/,
    ],
    [
      'token types in some rows only',
      [{ inputIds: [1] }, { inputIds: [1], tokenTypeIds: [0] }],
      {},
      /rows\[1\].tokenTypeIds: expected none, as in rows\[0\]/,
    ],
  ])('names %s', (_, rows, options, message) => {
    expect(() => collate(rows, options)).toThrow(message);
  });
});

const LIMITS = { vocabSize: 10, learnedPositions: 0, tokenTypes: 0 };

describe('checkBatch', () => {
  const good = (): Batch => ({
    batch: 2,
    time: 3,
    inputIds: Int32Array.of(1, 2, 3, 4, 5, 0),
    labels: Int32Array.of(1, 2, 3, -100, 5, -100),
    attentionMask: Uint8Array.of(1, 1, 1, 1, 1, 0),
    documentIds: Int32Array.of(0, 0, 1, 2, 5, -1),
  });

  it('counts rows or documents as samples', () => {
    expect(checkBatch(good(), LIMITS)).toEqual({ ...good(), granularity: 'row', samples: 2 });
    expect(checkBatch(good(), LIMITS, 'document')).toEqual({ ...good(), granularity: 'document', samples: 4 });
  });

  it('takes runs of any ids for documents, and any id on padding', () => {
    const ids = [Int32Array.of(7, 7, 2, 2, -5, 2), Int32Array.of(0, 0, 1, 9, 4, 9), Int32Array.of(3, 3, 1, 0, 8, -1)];
    const samples = ids.map((documentIds) => checkBatch({ ...good(), documentIds }, LIMITS, 'document').samples);
    expect(samples).toEqual([4, 4, 4]);
  });

  it('takes a missing mask for all ones, and any id on padding', () => {
    const { batch, time, inputIds, labels } = good();
    expect(checkBatch({ batch, time, inputIds, labels }, LIMITS).attentionMask).toEqual(new Uint8Array(6).fill(1));
    expect(checkBatch({ ...good(), inputIds: Int32Array.of(1, 2, 3, 4, 5, -1) }, LIMITS).samples).toBe(2);
  });

  it.each<[string, (batch: Batch) => void, RegExp]>([
    ['an empty batch', (b) => (b.batch = 0), /batch.batch: expected an integer >= 1, got 0/],
    [
      'a wrong length',
      (b) => (b.labels = Int32Array.of(1)),
      /batch.labels: expected 6 values \(2 rows x 3 positions\), got 1/,
    ],
    ['a plain array', (b) => Object.assign(b, { inputIds: [1, 2, 3, 4, 5, 0] }), /batch.inputIds: expected Int32Array/],
    ['an id outside the vocabulary', (b) => (b.inputIds[4] = 10), /inputIds, row 1, position 1: .*\[0, 10\).*got 10/],
    ['a negative id', (b) => (b.inputIds[1] = -1), /inputIds, row 0, position 1: .*got -1/],
    ['a label outside the vocabulary', (b) => (b.labels[2] = 10), /labels, row 0, position 2: .*got 10/],
    ['a label on padding', (b) => (b.labels[5] = 1), /labels, row 1, position 2: expected -100 on padding, got 1/],
    ['left padding', (b) => (b.attentionMask![0] = 0), /attentionMask, row 0, position 1: .*pad rows on the right/],
    [
      'a mask that is not 0 or 1',
      (b) => (b.attentionMask![0] = 2),
      /attentionMask, row 0, position 0: expected 0 or 1, got 2/,
    ],
    [
      'a document id that comes back',
      (b) => (b.documentIds = Int32Array.of(1, 0, 1, 0, 0, -1)),
      /documentIds, row 0, position 2: expected an id that no document before it in the row has, got 1; keep the tokens/,
    ],
    ['a token without a document', (b) => (b.documentIds![0] = -1), /documentIds, row 0, position 0: .*got -1/],
  ])('names %s', (_, spoil, message) => {
    const batch = good();
    spoil(batch);
    expect(() => checkBatch(batch, LIMITS)).toThrow(message);
  });

  it('names positions beyond a model’s, which restart in each document', () => {
    const limits = { ...LIMITS, learnedPositions: 2 };
    expect(checkBatch(good(), limits).samples).toBe(2);
    expect(() => checkBatch({ ...good(), documentIds: undefined }, limits)).toThrow(
      /inputIds, row 0, position 0: expected at most 2 tokens, the model's max positions, got 3; cut/,
    );
  });

  it('checks token types against the model', () => {
    const typed = { ...good(), tokenTypeIds: Int32Array.of(0, 1, 1, 0, 0, 9) };
    expect(checkBatch(typed, { ...LIMITS, tokenTypes: 2 }).tokenTypeIds).toBe(typed.tokenTypeIds);
    expect(() => checkBatch(typed, { ...LIMITS, tokenTypes: 1 })).toThrow(
      /tokenTypeIds, row 0, position 1: .*\[0, 1\).*got 1/,
    );
    expect(() => checkBatch(typed, LIMITS)).toThrow(/tokenTypeIds: expected none \(the model has no token types\)/);
  });

  it('needs documentIds for documents', () => {
    expect(() => checkBatch({ ...good(), documentIds: undefined }, LIMITS, 'document')).toThrow(/batch.documentIds/);
  });
});

describe('checkRows', () => {
  const rows = { batch: 2, time: 2, inputIds: Int32Array.of(1, 2, 3, 0), attentionMask: Uint8Array.of(1, 1, 1, 0) };

  it('needs no labels and reads none', () => {
    const { labels, samples } = checkRows({ ...rows }, LIMITS);
    expect(labels).toEqual(new Int32Array(4).fill(-100));
    expect(samples).toBe(2);
  });

  it('names a row without any token', () => {
    const empty = { ...rows, attentionMask: Uint8Array.of(1, 1, 0, 0) };
    expect(() => checkRows(empty, LIMITS)).toThrow(/attentionMask, row 1: expected at least one token to rate/);
  });
});
