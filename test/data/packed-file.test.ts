import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tableFromIPC } from 'apache-arrow';
import { describe, expect, it } from 'vitest';
import { openBackend } from '../../lib/backend/open.ts';
import { collate } from '../../lib/data/batch.ts';
import { PackedFileWriter, type WrittenRow } from '../../lib/data/packed-file.ts';
import { isPacked, openSamples, SPLITS, writeSamples, type PackedSamples } from '../../lib/data/samples.ts';
import { rowOf, sampleBatches } from '../../lib/data/token-source.ts';
import { rowLosses } from '../../lib/evaluate/losses.ts';
import { LanguageModel } from '../../lib/model/language-model.ts';
import { planOf } from '../../lib/order/plan.ts';
import { randomUint32 } from '../../lib/random.ts';
import { train } from '../../lib/train/trainer.ts';
import { ARCHITECTURES, TINY } from '../support/models.ts';
import { temporaryDirectory } from './helpers.ts';

const directory = temporaryDirectory();
const file = (name: string) => join(directory, name);
const LENGTH = 64;

/** Rows of up to five pieces with any metadata; `count` of them take several record batches. */
function randomRow(i: number): WrittenRow {
  const draw = (index: number, below: number) => randomUint32(9, i, index) % below;
  const lengths = Array.from({ length: 1 + draw(0, 5) }, (_, piece) => 1 + draw(1 + piece, 12));
  const documentIds = lengths.flatMap((length, id) => Array.from({ length }, () => id));
  const inputIds = Int32Array.from(documentIds, (_, t) => draw(10 + t, 2 ** 30));
  return {
    inputIds,
    labels: inputIds.map((id, t) => (draw(10 + t, 3) === 0 ? -100 : id)),
    documentIds,
    split: SPLITS[draw(6, 4)],
    pieces: lengths.map((_, piece) => ({
      document: draw(7, 1000) + piece,
      domain: ['web', 'böoks', ''][draw(8, 3)],
      metadata: [null, '', 'host.org', 'ünï🦀'][draw(9, 4)],
    })),
  };
}

async function write(
  path: string,
  rows: readonly WrittenRow[],
  options = { length: LENGTH, batchTokens: 500 },
): Promise<PackedSamples> {
  const writer = await PackedFileWriter.create(path, options);
  for (const row of rows) await writer.add(row);
  expect(writer.count).toBe(rows.length);
  await writer.commit();
  return (await openSamples(path)) as PackedSamples;
}

function expectRows(samples: PackedSamples, rows: readonly WrittenRow[]): void {
  expect(samples.count).toBe(rows.length);
  rows.forEach((row, i) => {
    const { inputIds, labels, documentIds } = samples.row(i);
    expect(inputIds).toEqual(row.inputIds);
    expect(labels).toEqual(row.labels);
    expect(Array.from(documentIds).join()).toBe(Array.from(row.documentIds).join());
    const pieces = samples.pieces(i);
    expect(pieces.map(({ document, domain, metadata }) => ({ document, domain, metadata }))).toEqual(row.pieces);
    const starts = row.pieces.map((_, id) => Array.from(row.documentIds).indexOf(id));
    expect(pieces.map(({ start }) => start)).toEqual(starts);
    expect(pieces.map(({ end }) => end)).toEqual([...starts.slice(1), row.inputIds.length]);
    expect([samples.split(i), samples.document(i)]).toEqual([row.split, row.pieces[0].document]);
  });
  for (const split of SPLITS) {
    const expected = rows.flatMap((row, i) => (row.split === split ? [i] : []));
    expect([...samples.rows(split)]).toEqual(expected);
  }
}

describe('packed files', () => {
  const rows = Array.from({ length: 150 }, (_, i) => randomRow(i));

  it('come back as they were written, over several record batches and files', async () => {
    const samples = await write(file('many.arrow'), rows);
    expect(tableFromIPC(await readFile(file('many.arrow'))).batches.length).toBeGreaterThan(5);
    expect(isPacked(samples)).toBe(true);
    expectRows(samples, rows);
    await write(file('other.arrow'), rows.slice(0, 3));
    const both = (await openSamples([file('other.arrow'), file('many.arrow')])) as PackedSamples;
    expect(both.shards!.map(({ count }) => count)).toEqual([3, 150]);
    expectRows(both, [...rows.slice(0, 3), ...rows]);
    both.prefetch!([0, 5, 152]);
  });

  it('are views where they can be, and rows for batches', async () => {
    const samples = (await openSamples(file('many.arrow'))) as PackedSamples;
    const row = samples.row(7);
    expect((row.inputIds as Int32Array).buffer).toBe(samples.tokens(7).buffer);
    expect((row.documentIds as Uint16Array).buffer).toBe((samples.row(8).documentIds as Uint16Array).buffer);
    expect(rowOf(samples, 7)).toEqual(row);
    const [batch] = sampleBatches(samples, [7, 8], 2);
    expect([...batch.labels.subarray(0, rows[7].labels.length)]).toEqual([...rows[7].labels]);
  });

  it('may hold nothing', async () => {
    const samples = await write(file('empty.arrow'), []);
    expect([samples.count, samples.length, samples.rows('train').length]).toEqual([0, LENGTH, 0]);
  });

  it('refuse what does not belong together', async () => {
    const [row] = rows;
    await write(file('longer.arrow'), [row], { length: LENGTH + 1, batchTokens: 9 });
    await expect(openSamples([file('many.arrow'), file('longer.arrow')])).rejects.toThrow(
      /longer.arrow: expected rows of/,
    );
    await writeSamples(file('flat.arrow'), {
      count: 1,
      length: 4,
      tokens: () => Int32Array.of(1, 2),
      document: () => 0,
      domain: () => 'd',
      split: () => 'train',
      rows: () => new Uint32Array(1),
    });
    await expect(openSamples([file('many.arrow'), file('flat.arrow')])).rejects.toThrow(
      /flat.arrow: expected packed rows/,
    );
    const bytes = await readFile(file('many.arrow'));
    await writeFile(file('torn.arrow'), bytes.subarray(0, bytes.length - 9));
    await expect(openSamples(file('torn.arrow'))).rejects.toMatchObject({ code: 'INVALID_FILE' });
  });

  it('refuse rows that are too long or empty, and leave nothing behind', async () => {
    const writer = await PackedFileWriter.create(file('refused.arrow'), { length: 8 });
    const empty = { ...rows[0], inputIds: new Int32Array(0) };
    await expect(writer.add(rows[0])).rejects.toThrow(/tokens of a packed row: expected an integer in \[1, 8\]/);
    await expect(writer.add(empty)).rejects.toThrow(/tokens of a packed row/);
    await writer.discard();
    await expect(PackedFileWriter.create(file('refused.arrow'), { length: 2 ** 16 + 1 })).rejects.toThrow(/length/);
    expect((await readdir(directory)).filter((name) => name.includes('refused'))).toEqual([]);
  });
});

describe('packed rows in training', () => {
  it('train a decoder, and are refused to a model of masked tokens', async () => {
    const backend = await openBackend('reference');
    const rows = Array.from({ length: 6 }, (_, i) => {
      const inputIds = Int32Array.from({ length: 12 }, (_, t) => (3 * t + i) % 11);
      const documentIds = Array.from(inputIds, (_, t) => (t < 5 ? 0 : 1));
      const labels = inputIds.map((id, t) => (t === 0 || t === 5 ? -100 : id));
      const piece = { document: i, domain: 'd', metadata: null };
      return { inputIds, labels, documentIds, split: 'train' as const, pieces: [piece, piece] };
    });
    const samples = await write(file('train.arrow'), rows);
    const plan = planOf(samples.rows('train'), null, { method: 'shuffle', seed: 1 });
    const call = (model: LanguageModel) =>
      train({ model, plan, samples, batchSize: 3, steps: 2, optimizer: { kind: 'sgd', lr: 0.1 } });
    const model = await LanguageModel.initialize(TINY, { backend, seed: 1 });
    const [first, ...others] = await rowLosses(model, samples, [0, 1, 2]);
    const alone = await model.loss(collate([samples.row(0)]));
    expect(first).toBeCloseTo(alone.mean, 12);
    expect(others).toHaveLength(2);
    expect(await call(model)).toMatchObject({ step: 2, tokens: 72 });
    expect((await rowLosses(model, samples, [0]))[0]).not.toBe(first);
    const masked = await LanguageModel.initialize(ARCHITECTURES.bert, { backend, seed: 1 });
    await expect(call(masked)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    await expect(rowLosses(masked, samples, [0])).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    backend.dispose();
  });
});
