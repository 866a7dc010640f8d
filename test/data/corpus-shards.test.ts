import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCorpus, writeCorpus, type CorpusDocument } from '../../lib/data/corpus.ts';
import { DigestSet } from '../../lib/data/digest-set.ts';
import { temporaryDirectory } from './helpers.ts';

const directory = temporaryDirectory();
const file = (name: string) => join(directory, name);

/** Documents whose columns come late, change their type, or are absent for a while. */
function* documents(count: number): Generator<CorpusDocument> {
  for (let i = 0; i < count; i++) {
    yield {
      id: `id-${i}`,
      text: `text ${i} ${'ü'.repeat(i % 7)}`,
      mixed: i < 6 ? i : i < 12 ? `word ${i}` : i % 2 === 0,
      ...(i % 3 === 0 ? { domain: `d${i % 2}` } : {}),
      ...(i > 14 ? { late: i / 2 } : {}),
    };
  }
}

describe('a corpus in shards', () => {
  it('is the corpus of one file', async () => {
    const written = await writeCorpus(file('shards'), documents(23), { shardDocuments: 5 });
    expect(written).toMatchObject({ documents: 23, duplicates: 0, shards: 5 });
    await writeCorpus(file('one.arrow'), documents(23));
    const [sharded, single] = [await openCorpus(file('shards')), await openCorpus(file('one.arrow'))];
    expect(await readdir(file('shards'))).toContain('corpus-00004-of-00005.arrow');
    expect(sharded.shards!.map(({ start, count }) => [start, count])).toEqual([
      [0, 5],
      [5, 5],
      [10, 5],
      [15, 5],
      [20, 3],
    ]);
    expect([sharded.count, [...sharded.columns].sort()]).toEqual([23, [...single.columns].sort()]);
    for (let i = 0; i < 23; i++) {
      for (const column of single.columns) expect(sharded.value(column, i)).toEqual(single.value(column, i));
      expect([sharded.id(i), sharded.text(i), sharded.domain(i)]).toEqual([
        single.id(i),
        single.text(i),
        single.domain(i),
      ]);
    }
    expect(() => sharded.text(23)).toThrow('row: expected an integer in [0, 22]');
    expect(() => sharded.value('mixd', 0)).toThrow("did you mean 'mixed'?");
  });

  it('has different ids and, when asked to, texts over all shards', async () => {
    const twice = [...documents(9), { id: 'id-0', text: 'again' }];
    const before = await readdir(directory);
    await expect(writeCorpus(file('twice'), twice, { shardDocuments: 4 })).rejects.toThrow('"id-0" twice');
    expect(await readdir(directory)).toEqual(before);
    const copies = [...documents(9), ...[...documents(9)].map((document) => ({ ...document, id: `${document.id}+` }))];
    const written = await writeCorpus(file('unique'), copies, { shardDocuments: 4, deduplicate: true });
    expect(written).toMatchObject({ documents: 9, duplicates: 9, shards: 3 });
  });

  it('may be empty, and is refused over a folder that is there', async () => {
    expect(await writeCorpus(file('empty'), [], { shardDocuments: 4 })).toMatchObject({ documents: 0, shards: 1 });
    expect((await openCorpus(file('empty'))).count).toBe(0);
    await expect(writeCorpus(file('empty'), documents(2), { shardDocuments: 4 })).rejects.toMatchObject({
      code: 'IO',
      message: expect.stringContaining(file('empty')),
    });
    await expect(writeCorpus(file('zero'), [], { shardDocuments: 0 })).rejects.toThrow('shardDocuments');
  });
});

describe('DigestSet', () => {
  it('tells new texts from old ones, while it grows', () => {
    const set = new DigestSet();
    const texts = Array.from({ length: 20_000 }, (_, i) => `text ${i}`);
    for (const pass of [true, false]) expect(texts.filter((text) => set.add(text) === pass)).toHaveLength(20_000);
    expect(set.add('')).toBe(true);
    expect(set.add('')).toBe(false);
    expect(set.size).toBe(20_001);
  });
});
