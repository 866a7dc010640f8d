import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { hashOf, runStages, type Stage } from '../../lib/recipe/stage.ts';

let dir: string;
let ran: string[];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gradfold-stage-'));
  ran = [];
});
afterEach(() => rm(dir, { recursive: true }));

/** Stages a → b, c alone; each writes its name. */
function stages(configs: { a?: number; b?: number; c?: number } = {}): Stage<null>[] {
  const stage = (name: 'a' | 'b' | 'c', inputs: string[]): Stage<null> => ({
    name,
    inputs,
    outputs: [`${name}.txt`],
    config: configs[name] ?? 0,
    async run() {
      ran.push(name);
      await writeFile(join(dir, `${name}.txt`), name);
      return { name };
    },
  });
  return [stage('a', []), stage('b', ['a']), stage('c', [])];
}

const run = (list: Stage<null>[]) => runStages(list, null, { dir, version: '1' });

test('finished stages are skipped', async () => {
  const first = await run(stages());
  expect(await run(stages())).toEqual(first);
  expect(ran).toEqual(['a', 'b', 'c']);
});

test('a changed stage runs again with those that read its outputs', async () => {
  await run(stages());
  ran = [];
  await run(stages({ a: 1 }));
  expect(ran).toEqual(['a', 'b']);
});

test('a stage whose output is gone runs again', async () => {
  await run(stages());
  ran = [];
  await rm(join(dir, 'b.txt'));
  await run(stages());
  expect(ran).toEqual(['b']);
});

test('an interrupted stage finds its partial output; a changed one starts clean', async () => {
  const found: string[] = [];
  const partial = (config: number, fail: boolean): Stage<null>[] => [
    {
      name: 'long',
      inputs: [],
      outputs: ['long/'],
      config,
      async run() {
        found.push(await readFile(join(dir, 'long', 'part'), 'utf8').catch(() => 'nothing'));
        await writeFile(join(dir, 'long', 'part'), `config ${config}`);
        if (fail) throw new Error('killed');
        return {};
      },
    },
  ];
  await expect(run(partial(1, true))).rejects.toThrow('killed');
  const stamps = await run(partial(1, false));
  expect(stamps.long.resumed).toBe(true);
  await expect(run(partial(2, true))).rejects.toThrow('killed');
  expect(found).toEqual(['nothing', 'config 1', 'nothing']);
});

test('a stage that does not write what it promised is an error, not a success', async () => {
  const [stage] = stages();
  await expect(run([{ ...stage, outputs: ['other.txt'] }])).rejects.toThrow(/stage a: expected other\.txt/);
  await expect(access(join(dir, 'stamps', 'a.json'))).rejects.toThrow();
});

test('hashOf does not depend on the order of keys', () => {
  expect(hashOf({ a: 1, b: { c: 2, d: [3, 4] } })).toBe(hashOf({ b: { d: [3, 4], c: 2 }, a: 1 }));
  expect(hashOf({ a: [1, 2] })).not.toBe(hashOf({ a: [2, 1] }));
});

test('what a killed stage was still writing is removed, its finished parts and the files of others are not', async () => {
  const names = [
    'folder/.half.arrow.1-00000000.tmp',
    'folder/part',
    '.out.txt.1-00000000.tmp',
    '.other.txt.1-00000000.tmp',
  ];
  const stage = (interrupted: boolean): Stage<null> => ({
    name: 'long',
    inputs: [],
    outputs: ['folder/', 'out.txt'],
    config: 0,
    async run() {
      if (interrupted) {
        for (const name of names) await writeFile(join(dir, name), '');
        throw new Error('interrupted');
      }
      await writeFile(join(dir, 'out.txt'), '');
      return {};
    },
  });
  await expect(run([stage(true)])).rejects.toThrow('interrupted');
  await run([stage(false)]);
  const left = await Promise.all(
    names.map((name) =>
      access(join(dir, name)).then(
        () => name,
        () => undefined,
      ),
    ),
  );
  expect(left.filter((name) => name !== undefined)).toEqual(['folder/part', '.other.txt.1-00000000.tmp']);
});
