import { access, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readArrowFile } from '../../lib/data/arrow-file.ts';
import { mergeScores } from '../../lib/score/merge.ts';
import { scoreShard, shardPath, shardRows, type ShardScoring } from '../../lib/score/shards.ts';
import { readScoreTable, writeScoreTable } from '../../lib/score/table.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

const directory = useTemporaryDirectory();
const at = (name: string) => join(directory(), name);
const rows = Uint32Array.from({ length: 11 }, (_, i) => 3 * i + 1);

/** A scoring whose calls are noted down, and fail from the `failing`-th on. */
function scoring(options: Partial<ShardScoring> = {}, failing = Infinity): ShardScoring & { calls: number[][] } {
  const calls: number[][] = [];
  return {
    out: at('scores.arrow'),
    rows,
    columns: ['double', 'root'],
    score: async (part) => {
      if (calls.length === failing) throw new Error('killed');
      calls.push([...part]);
      return { double: Float64Array.from(part, (x) => 2 * x), root: Float64Array.from(part, Math.sqrt) };
    },
    fingerprint: { model: 'a' },
    chunk: 3,
    calls,
    ...options,
  };
}

describe('shardRows', () => {
  it.each([1, 2, 3, 10, 11, 13])('divides rows into %i stretches of nearly equal length', (count) => {
    const parts = Array.from({ length: count }, (_, index) => shardRows(rows, { index, count }));
    expect(parts.flatMap((part) => [...part])).toEqual([...rows]);
    const lengths = parts.map(({ length }) => length);
    expect(Math.max(...lengths) - Math.min(...lengths)).toBeLessThanOrEqual(1);
  });

  it.each([1, 2, 3])('begins each of %i parts with a chunk where there are enough', (count) => {
    const parts = Array.from({ length: count }, (_, index) => shardRows(rows, { index, count }, 3));
    expect(parts.flatMap((part) => [...part])).toEqual([...rows]);
    const begins = parts.map((part) => rows.indexOf(part[0]));
    expect(begins.map((begin) => begin % 3)).toEqual(parts.map(() => 0));
    const lengths = parts.map(({ length }) => length);
    expect(Math.max(...lengths) - Math.min(...lengths)).toBeLessThanOrEqual(3);
  });

  it('is all rows without a shard', () => expect(shardRows(rows)).toBe(rows));

  it('refuses an index that is not there', () => {
    expect(() => shardRows(rows, { index: 2, count: 2 })).toThrow('shard.index: expected an integer in [0, 1], got 2');
  });
});

it('shardPath puts the part into the name', () => {
  expect(shardPath('a.b/scores.arrow', { index: 3, count: 16 })).toBe('a.b/scores-00003-of-00016.arrow');
  expect(shardPath('scores', { index: 0, count: 2 })).toBe('scores-00000-of-00002.arrow');
  expect(shardPath('scores.arrow')).toBe('scores.arrow');
});

describe('scoreShard', () => {
  it('writes the columns of a part, a stretch at a time, and leaves nothing else', async () => {
    const progress: number[] = [];
    const one = scoring({ shard: { index: 1, count: 2 }, onProgress: ({ done }) => progress.push(done) });
    const { path, computed } = await scoreShard(one);
    expect([path, computed]).toEqual([at('scores-00001-of-00002.arrow'), true]);
    expect(one.calls).toEqual([
      [19, 22, 25],
      [28, 31],
    ]);
    expect(progress).toEqual([3, 5]);
    const table = await readScoreTable(path, 'root');
    expect([...table.rows]).toEqual([19, 22, 25, 28, 31]);
    expect([...table.scores]).toEqual([19, 22, 25, 28, 31].map(Math.sqrt));
    expect(await readdir(directory())).toEqual(['scores-00001-of-00002.arrow']);
  });

  it.each([0, 1, 2, 3])('goes on after %i stretches', async (failing) => {
    await expect(scoreShard(scoring({}, failing))).rejects.toThrow('killed');
    const rest = scoring();
    await scoreShard(rest);
    expect(rest.calls).toHaveLength(4 - failing);
    const { scores } = await readScoreTable(at('scores.arrow'), 'double');
    expect([...scores]).toEqual(Array.from(rows, (row) => 2 * row));
    expect(await readdir(directory())).toEqual(['scores.arrow']);
  });

  it('does not go on with what another scoring left', async () => {
    await expect(scoreShard(scoring({}, 2))).rejects.toThrow('killed');
    const other = scoring({ fingerprint: { model: 'b' } });
    await scoreShard(other);
    expect(other.calls).toHaveLength(4);
  });

  it('leaves a finished table as it is, and refuses another file in its place', async () => {
    await scoreShard(scoring());
    const again = scoring();
    expect(await scoreShard(again)).toMatchObject({ computed: false });
    expect(again.calls).toEqual([]);
    const refused = /scores\.arrow: expected nothing there, or the scores of this very call, got "another file"; give/;
    await expect(scoreShard(scoring({ fingerprint: { model: 'b' } }))).rejects.toThrow(refused);
    await expect(scoreShard(scoring({ rows: rows.slice(1) }))).rejects.toThrow(refused);
  });

  it('refuses scores of another length', async () => {
    const score = async () => ({ double: new Float64Array(2), root: new Float64Array(3) });
    await expect(scoreShard(scoring({ score }))).rejects.toThrow(
      'scores of double: expected 3 values (one a row), got 2',
    );
  });

  it('stops with the signal’s reason before a stretch', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const stopped = scoring({ signal: controller.signal, onProgress: () => controller.abort(reason) });
    await expect(scoreShard(stopped)).rejects.toBe(reason);
    expect(stopped.calls).toHaveLength(1);
    await expect(access(at('scores.arrow'))).rejects.toThrow();
  });
});

describe('mergeScores', () => {
  async function writeParts(count: number, options: Partial<ShardScoring> = {}): Promise<string[]> {
    const paths: string[] = [];
    for (let index = 0; index < count; index++) {
      paths.push((await scoreShard(scoring({ shard: { index, count }, metadata: { method: 'x' }, ...options }))).path);
    }
    return paths;
  }

  it('puts parts together to what one call writes', async () => {
    const paths = await writeParts(4);
    const { path } = await scoreShard(scoring({ metadata: { method: 'x' } }));
    const merged = await mergeScores(paths.toReversed());
    expect(merged.rows).toEqual(rows);
    for (const name of ['double', 'root']) {
      expect(merged.columns[name]).toEqual((await readScoreTable(path, name)).scores);
    }
    const { metadata } = (await readArrowFile(path)).schema;
    expect(merged.metadata).toEqual(Object.fromEntries(metadata));
  });

  it('names parts that are missing', async () => {
    const paths = await writeParts(4);
    await expect(mergeScores(paths.slice(1, 3))).rejects.toThrow(
      'parts: expected all 4, got 2; missing: 0, 3; score those with --shard',
    );
  });

  it('names a part of another scoring, or of another division', async () => {
    const [first, , third] = await writeParts(3);
    const [, other] = await writeParts(3, { out: at('other.arrow'), fingerprint: { model: 'b' } });
    await expect(mergeScores([first, other, third])).rejects.toThrow(`${other}: expected a part of the scoring that`);
    const [, half] = await writeParts(2);
    await expect(mergeScores([first, half, third])).rejects.toThrow(`${half}: expected a part of the scoring that`);
  });

  it('sorts tables that are no parts, and refuses a row that is scored twice', async () => {
    await writeScoreTable(
      at('a.arrow'),
      Uint32Array.of(7, 2),
      { s: Float64Array.of(70, 20) },
      { method: 'm', of: 'a' },
    );
    await writeScoreTable(at('b.arrow'), Uint32Array.of(5), { s: Float64Array.of(50) }, { method: 'm', of: 'b' });
    expect(await mergeScores([at('a.arrow'), at('b.arrow')])).toEqual({
      rows: Uint32Array.of(2, 5, 7),
      columns: { s: Float64Array.of(20, 50, 70) },
      metadata: { method: 'm' },
    });
    await writeScoreTable(at('c.arrow'), Uint32Array.of(2), { s: Float64Array.of(50) });
    await expect(mergeScores([at('a.arrow'), at('c.arrow')])).rejects.toThrow(
      /row 2 is scored twice: in .*a\.arrow and/,
    );
  });

  it('refuses tables of other columns, and files that are no score tables', async () => {
    await writeScoreTable(at('a.arrow'), Uint32Array.of(1), { s: Float64Array.of(1) });
    await writeScoreTable(at('b.arrow'), Uint32Array.of(2), { t: Float64Array.of(1) });
    await expect(mergeScores([at('a.arrow'), at('b.arrow')])).rejects.toThrow(/b\.arrow: expected the columns s of/);
    await writeFile(at('c.arrow'), 'nothing of the kind');
    await expect(mergeScores([at('c.arrow')])).rejects.toMatchObject({ code: 'INVALID_FILE' });
    await expect(mergeScores([])).rejects.toThrow('paths: expected at least one score table');
  });
});
