import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { randomUint32, streamOf } from '../../lib/random.ts';
import { TESTED_BACKENDS } from '../support/backends.ts';
import { compileLibrary, type CompiledLibrary } from '../support/compile-library.ts';
import { runChild } from '../support/killed-child.ts';

const CHILD = fileURLToPath(new URL('kill-child.mjs', import.meta.url));
/** Lines a step prints when it is not killed, at least. */
const STEPS = { annotate: 140, fit: 60, apply: 40 };
const KILLS = 4;

let library: CompiledLibrary;
let directory: string;

beforeAll(async () => {
  library = await compileLibrary();
  directory = await mkdtemp(join(tmpdir(), 'gradfold-score-kill-'));
}, 180_000);

afterAll(async () => {
  await rm(directory, { recursive: true });
  await library.remove();
});

describe.for(TESTED_BACKENDS.filter(({ available }) => available))(
  'a process on $name killed with SIGKILL',
  ({ name }) => {
    it.for(Object.entries(STEPS))(
      'goes on, kill after kill, to the bits of an uninterrupted %s',
      { timeout: 180_000 },
      async ([step, ticks]) => {
        const run = async (folder: string, kill?: { ticks: number; delay: number }) => {
          const path = join(directory, `${name}-${step}-${folder}`);
          await mkdir(path, { recursive: true });
          return runChild([CHILD, library.directory, path, name, step], kill);
        };
        const whole = await run('whole');
        expect(whole).toMatch(/[0-9a-f]{64}$/);
        const draw = (index: number) => randomUint32(20, streamOf(`kill/${step}`), index);
        for (let attempt = 0; attempt < KILLS; attempt++) {
          // Within a pass, an entry of a journal or a checkpoint, wherever the delay falls; early enough for all the kills.
          const kill = {
            ticks: 1 + (draw(2 * attempt) % Math.floor(ticks / KILLS - 3)),
            delay: draw(2 * attempt + 1) % 3,
          };
          // On a busy machine the signal may come after the last line.
          expect([undefined, whole]).toContain(await run('killed', kill));
        }
        expect(await run('killed')).toBe(whole);
      },
    );
  },
);
