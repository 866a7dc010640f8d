import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { randomUint32, streamOf } from '../../lib/random.ts';
import { compileLibrary, type CompiledLibrary } from '../support/compile-library.ts';
import { runChild } from '../support/killed-child.ts';

const CHILD = fileURLToPath(new URL('cooldown-child.mjs', import.meta.url));

let library: CompiledLibrary;
let directory: string;

beforeAll(async () => {
  library = await compileLibrary();
  directory = await mkdtemp(join(tmpdir(), 'gradfold-cooldown-kill-'));
}, 180_000);

afterAll(async () => {
  await rm(directory, { recursive: true });
  await library.remove();
});

it(
  'killed before, at and after the boundary, it ends with the bits of an uninterrupted run',
  { timeout: 180_000 },
  async () => {
    const run = (name: string, kill?: { ticks: number; delay: number }) =>
      runChild([CHILD, library.directory, join(directory, name)], kill);
    const whole = await run('whole');
    expect(whole).toMatch(/^[0-9a-f]{64}$/);
    // The first stage has 30 steps: within step 29 or 30, then in the steps around the boundary.
    for (const [attempt, ticks] of [28, 1, 1, 2].entries()) {
      const delay = randomUint32(20, streamOf('cooldown kill'), attempt) % 8;
      expect(await run('killed', { ticks, delay })).toBeUndefined();
    }
    expect(await run('killed')).toBe(whole);
    const [a, b] = await Promise.all(
      ['whole', 'killed'].map((name) => readFile(join(directory, name, 'train.jsonl'), 'utf8')),
    );
    const numbers = (log: string) =>
      log
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as { step: number; loss: number; lr: number })
        .map(({ step, loss, lr }) => ({ step, loss, lr }));
    expect(numbers(b)).toEqual(numbers(a));
    expect(numbers(b)).toHaveLength(40);
  },
);
