import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readScores, writeScores } from '../../lib/score/columns.ts';

let directory: string;
let path: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gradfold-scores-'));
  path = join(directory, 'scores.arrow');
  await writeScores(
    path,
    { lqs: Float64Array.of(1, -0, Infinity), rater: Float32Array.of(0.1, NaN, 2) },
    { step: '7' },
  );
});
afterAll(() => rm(directory, { recursive: true }));

test('a column comes back with its type and values', async () => {
  expect(await readScores(path, 'lqs')).toEqual(Float64Array.of(1, -0, Infinity));
});

test('a NaN is named by column and row', async () => {
  await expect(readScores(path, 'rater')).rejects.toThrow('rater[1]: expected a number, got NaN');
});

test('an unknown column is an error that lists the columns and suggests the nearest', async () => {
  await expect(readScores(path, 'lsq')).rejects.toThrow('one of lqs, rater, got "lsq"; did you mean "lqs"?');
});

test('a truncated file is refused', async () => {
  const cut = join(directory, 'cut.arrow');
  await writeFile(cut, (await readFile(path)).subarray(0, -20));
  await expect(readScores(cut, 'lqs')).rejects.toThrow(expect.objectContaining({ code: 'INVALID_FILE' }));
});

test.each([
  [{}, 'columns: expected at least one score column'],
  [{ a: [1, 2] }, 'columns.a: expected a Float32Array or Float64Array'],
  [{ a: new Float32Array(2), b: new Float32Array(3) }, 'b: expected 2 values (as a has), got 3'],
])('columns %o are refused', async (columns, message) => {
  await expect(writeScores(join(directory, 'x'), columns as Record<string, Float32Array>)).rejects.toThrow(message);
});
