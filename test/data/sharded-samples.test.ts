import { copyFile, cp, mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { SamplesBuilder } from '../../lib/data/flat-samples.ts';
import { openSamples, writeSamples, SPLITS, type Samples } from '../../lib/data/samples.ts';
import { layShards, shardOf } from '../../lib/data/shards.ts';
import { randomUint32, streamOf } from '../../lib/random.ts';
import { drawRows } from '../../lib/recipe/rows.ts';
import { temporaryDirectory } from './helpers.ts';

const directory = temporaryDirectory();
const file = (...names: string[]) => join(directory, ...names);
const ROWS = 103;
const SHARD_ROWS = 20;
let whole: Samples;
let sharded: Samples;

/** Rows of 1 to 16 tokens, domains that come and go, all splits. */
function samplesOf(count: number, length = 16): Samples {
  const draw = (i: number) => randomUint32(5, streamOf('sharded samples'), i);
  const builder = new SamplesBuilder(length);
  for (let i = 0; i < count; i++) {
    const tokens = Int32Array.from({ length: 1 + (draw(i) % length) }, (_, t) => (i * 31 + t) % 97);
    builder.add(tokens, i >> 1, `domain ${i % 7 === 0 ? i : i % 3}`, SPLITS[draw(i + count) % SPLITS.length]);
  }
  return builder.build();
}

beforeAll(async () => {
  whole = samplesOf(ROWS);
  await writeSamples(file('whole.arrow'), whole);
  await writeSamples(file('sharded'), whole, { shardRows: SHARD_ROWS });
  sharded = await openSamples(file('sharded'));
});

describe('samples in shards', () => {
  it('lie in files that say how many there are', async () => {
    const names = Array.from({ length: 6 }, (_, i) => `samples-0000${i}-of-00006.arrow`);
    expect((await readdir(file('sharded'))).sort()).toEqual(names);
    expect(sharded.shards).toEqual(
      names.map((name, i) => ({ path: file('sharded', name), start: i * SHARD_ROWS, count: i < 5 ? SHARD_ROWS : 3 })),
    );
  });

  it('are the rows of one file, in everything that is asked of them', async () => {
    const single = await openSamples(file('whole.arrow'));
    expect([sharded.count, sharded.length]).toEqual([single.count, single.length]);
    for (let i = 0; i < ROWS; i++) {
      expect(sharded.tokens(i)).toEqual(single.tokens(i));
      expect([sharded.document(i), sharded.domain(i), sharded.split(i)]).toEqual([
        single.document(i),
        single.domain(i),
        single.split(i),
      ]);
    }
    for (const split of SPLITS) {
      expect(sharded.rows(split)).toEqual(single.rows(split));
      for (const domain of ['domain 1', undefined])
        expect(drawRows(sharded, { split, domain, seed: 3 })).toEqual(drawRows(single, { split, domain, seed: 3 }));
    }
    expect(sharded.tokens(0).buffer).toBe(sharded.tokens(1).buffer);
    expect(() => sharded.tokens(ROWS)).toThrow(`sample: expected an integer in [0, ${ROWS - 1}]`);
    expect(() => sharded.domain(0.5)).toThrow('sample');
  });

  it('take announcements of rows', () => {
    sharded.prefetch!(Uint32Array.of(0, ROWS - 1, SHARD_ROWS));
    sharded.prefetch!([]);
    expect(() => sharded.prefetch!([ROWS])).toThrow('sample');
  });

  it('are written again as one file, or in other shards, of the same rows', async () => {
    await writeSamples(file('joined.arrow'), sharded);
    await writeSamples(file('resharded'), sharded, { shardRows: 7 });
    const resharded = await openSamples(file('resharded'));
    expect(resharded.shards).toHaveLength(Math.ceil(ROWS / 7));
    for (const copy of [await openSamples(file('joined.arrow')), resharded]) {
      expect(copy.count).toBe(ROWS);
      for (let i = 0; i < ROWS; i++) {
        expect(copy.tokens(i)).toEqual(whole.tokens(i));
        expect(copy.domain(i)).toBe(whole.domain(i));
      }
    }
  });

  it('may be named in a list, in its order, empty ones among them', async () => {
    await writeSamples(file('empty.arrow'), samplesOf(0));
    const [first, second] = [file('sharded', 'samples-00000-of-00006.arrow'), file('whole.arrow')];
    const listed = await openSamples([file('empty.arrow'), first, file('empty.arrow'), second, file('empty.arrow')]);
    expect(listed.count).toBe(SHARD_ROWS + ROWS);
    expect(listed.tokens(SHARD_ROWS - 1)).toEqual(whole.tokens(SHARD_ROWS - 1));
    expect(listed.tokens(SHARD_ROWS)).toEqual(whole.tokens(0));
    expect(listed.shards!.map(({ start }) => start)).toEqual([0, 0, 20, 20, 123]);
    await expect(openSamples([])).rejects.toThrow('an empty list');
  });

  it('may be none: one empty shard is written', async () => {
    await writeSamples(file('none'), samplesOf(0), { shardRows: 5 });
    expect(await readdir(file('none'))).toEqual(['samples-00000-of-00001.arrow']);
    expect((await openSamples(file('none'))).count).toBe(0);
  });

  it('are refused where a file could not hold them', async () => {
    for (const shardRows of [0, 1.5, 2 ** 25 + 1])
      await expect(writeSamples(file('big'), whole, { shardRows })).rejects.toThrow('shardRows');
    await expect(writeSamples(file('sharded'), whole, { shardRows: 9 })).rejects.toMatchObject({
      code: 'IO',
      message: expect.stringContaining('in the way'),
    });
    expect((await readdir(directory)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
    expect((await readdir(file('sharded'))).length).toBe(6);
  });
});

describe('a folder that is not whole', () => {
  const shard = (i: number) => `samples-0000${i}-of-00006.arrow`;
  const copied = async (name: string) => {
    await cp(file('sharded'), file(name), { recursive: true });
    return file(name);
  };
  const refusal = (path: string) => openSamples(path).catch((error: { code: string; message: string }) => error);

  it('names the shards that are missing', async () => {
    const folder = await copied('missing');
    await rm(join(folder, shard(3)));
    expect(await refusal(folder)).toMatchObject({
      code: 'INVALID_FILE',
      message: expect.stringContaining(`expected 6 shards, got 5; missing: ${shard(3)};`),
    });
    for (const i of [0, 1, 5]) await rm(join(folder, shard(i)));
    expect(await refusal(folder)).toMatchObject({
      message: expect.stringContaining(`missing: ${shard(0)}, ${shard(1)}, ${shard(3)} and 1 more`),
    });
  });

  it('names the shard that is truncated, and the one that is something else', async () => {
    const folder = await copied('damaged');
    const bytes = await readFile(join(folder, shard(2)));
    await writeFile(join(folder, shard(2)), bytes.subarray(0, bytes.length - 8));
    expect(await refusal(folder)).toMatchObject({
      code: 'INVALID_FILE',
      message: expect.stringMatching(/samples-00002-of-00006\.arrow: .*truncated/),
    });
    await writeFile(join(folder, shard(2)), 'not a table, though it has the name of one');
    expect(await refusal(folder)).toMatchObject({ message: expect.stringMatching(/00002.*begins with ARROW1/) });
    await writeFile(join(folder, shard(2)), '');
    expect(await refusal(folder)).toMatchObject({ message: expect.stringMatching(/00002.*begins with ARROW1/) });
  });

  it('passes over files of other names', async () => {
    const folder = await copied('foreign');
    await copyFile(file('whole.arrow'), join(folder, 'scores.arrow'));
    await writeFile(join(folder, 'tokenizer.json'), '{}');
    await writeFile(join(folder, '.samples.arrow.1-a.tmp'), 'half');
    expect((await openSamples(folder)).count).toBe(ROWS);
  });

  it('tells two tables in one folder, none, and several that are no shards', async () => {
    const folder = await copied('two');
    await copyFile(file('whole.arrow'), join(folder, 'samples-00000-of-00001.arrow'));
    expect(await refusal(folder)).toMatchObject({
      code: 'INVALID_FILE',
      message: expect.stringMatching(/samples-…-of-00001\.arrow, samples-…-of-00006\.arrow/),
    });
    await mkdir(file('bare'));
    expect(await refusal(file('bare'))).toMatchObject({ code: 'INVALID_FILE' });
    await copyFile(file('whole.arrow'), file('bare', 'a.arrow'));
    expect(await openSamples(file('bare'))).toMatchObject({ count: ROWS });
    await copyFile(file('whole.arrow'), file('bare', 'b.arrow'));
    expect(await refusal(file('bare'))).toMatchObject({ message: expect.stringContaining('a.arrow, b.arrow') });
    expect(await refusal(file('nowhere'))).toMatchObject({ code: 'NOT_FOUND' });
  });

  it('refuses shards of another row length', async () => {
    const folder = await copied('lengths');
    await writeSamples(file('short.arrow'), samplesOf(SHARD_ROWS, 8));
    await rename(file('short.arrow'), join(folder, shard(1)));
    expect(await refusal(folder)).toMatchObject({
      code: 'INVALID_FILE',
      message: expect.stringMatching(/00001-of-00006\.arrow: expected rows of up to 16 tokens.*got 8/),
    });
  });
});

describe('the numbering of rows', () => {
  it('finds the shard of a row, past empty ones', () => {
    const shards = layShards([0, 3, 0, 0, 2, 1, 0].map((count, i) => ({ path: `${i}`, count })));
    expect([0, 1, 2, 3, 4, 5].map((row) => shardOf(shards, row, 'row'))).toEqual([1, 1, 1, 4, 4, 5]);
    expect(() => shardOf(shards, 6, 'row')).toThrow('row: expected an integer in [0, 5]');
  });

  it('ends where row numbers of 32 bits do', () => {
    const half = { path: 'a', count: 2 ** 31 };
    expect(shardOf(layShards([half, half]), 2 ** 32 - 1, 'row')).toBe(1);
    expect(() => layShards([half, half, { path: 'b', count: 1 }])).toThrow('at most 4294967296 rows');
  });
});
