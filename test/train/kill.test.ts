import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { randomUint32, streamOf } from '../../lib/random.ts';
import { TESTED_BACKENDS } from '../support/backends.ts';
import { compileLibrary, type CompiledLibrary } from '../support/compile-library.ts';
import { runChild } from '../support/killed-child.ts';

const CHILD = fileURLToPath(new URL('kill-child.mjs', import.meta.url));

let library: CompiledLibrary;
let directory: string;

beforeAll(async () => {
  library = await compileLibrary();
  directory = await mkdtemp(join(tmpdir(), 'gradfold-kill-'));
}, 180_000);

afterAll(async () => {
  await rm(directory, { recursive: true });
  await library.remove();
});

/** Resolves to the digest of the final parameters; undefined when the child was killed. */
function trainInChild(run: string, backend: string, kill?: { ticks: number; delay: number }) {
  return runChild([CHILD, library.directory, run, backend], kill);
}

describe.for(TESTED_BACKENDS.filter(({ available }) => available))(
  'a training process on $name killed with SIGKILL',
  ({ name }) => {
    it('goes on, kill after kill, to the bits of an uninterrupted one', { timeout: 180_000 }, async () => {
      const whole = await trainInChild(join(directory, `${name}-whole`), name);
      expect(whole).toMatch(/^[0-9a-f]{64}$/);

      const run = join(directory, `${name}-killed`);
      const draw = (index: number) => randomUint32(20, streamOf('kill'), index);
      for (let attempt = 0; attempt < 3; attempt++) {
        // Within a step, its log line or its checkpoint, wherever the delay falls.
        const kill = { ticks: 2 + (draw(2 * attempt) % 6), delay: draw(2 * attempt + 1) % 12 };
        expect(await trainInChild(run, name, kill)).toBeUndefined();
      }
      expect(await trainInChild(run, name)).toBe(whole);

      const log = (await readFile(join(run, 'train.jsonl'), 'utf8')).trimEnd().split('\n');
      expect(log.map((line) => (JSON.parse(line) as { step: number }).step)).toEqual(Array.from(log, (_, i) => i + 1));
      expect(log).toHaveLength(40);
      expect((await readdir(join(run, 'checkpoints'))).sort()).toEqual(['step-000039', 'step-000040']);
    });
  },
);
