import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { randomUint32, streamOf } from '../../lib/random.ts';
import { TESTED_BACKENDS } from '../support/backends.ts';
import { compileLibrary, type CompiledLibrary } from '../support/compile-library.ts';
import { runChild } from '../support/killed-child.ts';

const CHILD = fileURLToPath(new URL('data-rater-child.mjs', import.meta.url));
const KILLS = 3;

let library: CompiledLibrary;
let directory: string;

beforeAll(async () => {
  library = await compileLibrary();
  directory = await mkdtemp(join(tmpdir(), 'gradfold-data-rater-kill-'));
}, 180_000);

afterAll(async () => {
  await rm(directory, { recursive: true });
  await library.remove();
});

describe.for(TESTED_BACKENDS.filter(({ available }) => available))(
  'meta-training on $name killed with SIGKILL',
  ({ name }) => {
    it('goes on, kill after kill, to the bits of an uninterrupted one', { timeout: 240_000 }, async () => {
      const run = async (folder: string, kill?: { ticks: number; delay: number }) => {
        const path = join(directory, `${name}-${folder}`);
        await mkdir(path, { recursive: true });
        return runChild([CHILD, library.directory, path, name], kill);
      };
      const whole = await run('whole');
      expect(whole).toMatch(/^[0-9a-f]{64}$/);
      const draw = (index: number) => randomUint32(20, streamOf('kill/rate'), index);
      for (let attempt = 0; attempt < KILLS; attempt++) {
        // Within a meta-step, a log line or a checkpoint, wherever the delay falls; early enough for all the kills.
        const kill = { ticks: 3 + (draw(2 * attempt) % 5), delay: draw(2 * attempt + 1) % 8 };
        expect(await run('killed', kill)).toBeUndefined();
      }
      expect(await run('killed')).toBe(whole);

      const lines = async (folder: string) =>
        (await readFile(join(directory, `${name}-${folder}`, 'log.jsonl'), 'utf8'))
          .trimEnd()
          .split('\n')
          .map((line) => ({ ...(JSON.parse(line) as object), seconds: 0 }));
      expect(await lines('killed')).toEqual(await lines('whole'));
    });
  },
);
