import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { randomUint32, streamOf } from '../../lib/random.ts';
import { TESTED_BACKENDS } from '../support/backends.ts';
import { compileLibrary, type CompiledLibrary } from '../support/compile-library.ts';

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

/**
 * Runs the child on `run`, and sends it SIGKILL `delay` ms after it has reported `steps` steps of its own.
 * Resolves to the digest it printed; undefined when it was killed.
 */
async function trainInChild(
  run: string,
  backend: string,
  kill?: { steps: number; delay: number },
): Promise<string | undefined> {
  const child = spawn(process.execPath, [CHILD, library.directory, run, backend], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = new Promise<string | null>((resolve) => child.once('close', (_, signal) => resolve(signal)));
  let steps = 0;
  let digest: string | undefined;
  for await (const line of createInterface({ input: child.stdout })) {
    const [event, value] = line.split(' ');
    if (event === 'done') digest = value;
    else if (++steps === kill?.steps) setTimeout(() => child.kill('SIGKILL'), kill.delay);
  }
  expect(await exit).toBe(kill ? 'SIGKILL' : null);
  return digest;
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
        const kill = { steps: 2 + (draw(2 * attempt) % 6), delay: draw(2 * attempt + 1) % 12 };
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
