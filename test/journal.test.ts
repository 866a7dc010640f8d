import { appendFile, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { floatBytes, floatsOf, joinFloats, Journal } from '../lib/journal.ts';
import { useTemporaryDirectory } from './support/temporary-directory.ts';

const directory = useTemporaryDirectory();
const path = () => join(directory(), 'some.journal');

async function write(...entries: string[]): Promise<void> {
  const { journal } = await Journal.open(path());
  for (const entry of entries) await journal.append(Buffer.from(entry));
  await journal.close();
}

async function read(): Promise<string[]> {
  const { journal, entries } = await Journal.open(path());
  await journal.close();
  return entries.map(String);
}

test('entries come back in order, empty ones too, and more can follow', async () => {
  await write('one', '', 'three');
  expect(await read()).toEqual(['one', '', 'three']);
  await write('four');
  expect(await read()).toEqual(['one', '', 'three', 'four']);
});

test('a torn last entry is cut off, wherever it was torn', async () => {
  await write('one', 'two');
  const whole = await readFile(path());
  for (let length = whole.length - 1; length >= 11; length--) {
    await writeFile(path(), whole);
    await truncate(path(), length);
    expect(await read()).toEqual(['one']);
    await write('other');
    expect(await read()).toEqual(['one', 'other']);
  }
});

test('an entry whose bytes never reached the disk ends the journal', async () => {
  await write('one', 'two', 'three');
  const bytes = await readFile(path());
  bytes[11 + 8] ^= 1;
  await writeFile(path(), bytes);
  expect(await read()).toEqual(['one']);
});

test('a file of something else holds no entries', async () => {
  await appendFile(path(), 'hello, this is no journal');
  expect(await read()).toEqual([]);
});

test('clear removes everything', async () => {
  await write('one');
  const { journal } = await Journal.open(path());
  await journal.clear();
  await journal.append(Buffer.from('new'));
  await journal.close();
  expect(await read()).toEqual(['new']);
});

test('a journal that cannot be opened is named', async () => {
  await expect(Journal.open(join(directory(), 'no', 'such'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('numbers become bytes and numbers again', () => {
  const numbers = joinFloats([Float64Array.of(1, NaN), new Float64Array(0), Float64Array.of(-0, Infinity)]);
  expect(floatsOf(Buffer.from(floatBytes(numbers)).subarray(0))).toEqual(Float64Array.of(1, NaN, -0, Infinity));
});
