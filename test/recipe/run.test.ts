import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RunRecord } from '../../lib/recipe/run.ts';
import type { ReportData } from '../../lib/report/data.ts';
import { gradfold } from '../support/cli.ts';
import { compileLibrary, type CompiledLibrary } from '../support/compile-library.ts';
import { writeTinyRecipe } from '../support/tiny-run.ts';

let dir: string;
let library: CompiledLibrary;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gradfold-run-'));
  library = await compileLibrary();
}, 240_000);
afterAll(async () => {
  await rm(dir, { recursive: true });
  await library.remove();
});

interface RunJson {
  dir: string;
  report: string;
  data: ReportData;
}

test('a run that is killed goes on, and ends as one that was not', async () => {
  const recipe = await writeTinyRecipe(dir);

  // Killed as soon as the first training is under way: everything before it is finished.
  const child = spawn(
    process.execPath,
    [join(library.directory, 'cli', 'main.js'), 'run', recipe, '-o', join(dir, 'killed')],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
    if (said.includes('train random seed 0:')) child.kill('SIGKILL');
  });
  const [, killedBy] = (await once(child, 'close')) as [number | null, string | null];
  expect(killedBy).toBe('SIGKILL');

  const resumed = await gradfold(['run', recipe, '-o', join(dir, 'killed'), '--json']);
  expect(resumed.status).toBe(0);
  expect(resumed.stderr).toContain('score lqs: done before');
  const whole = await gradfold(['run', recipe, '-o', join(dir, 'whole'), '--json']);
  const [a, b] = [resumed, whole].map(({ stdout }) => JSON.parse(stdout) as RunJson);
  expect(a.data.domains).toEqual(b.data.domains);
  expect(a.data.scorings.map(({ histograms }) => histograms)).toEqual(b.data.scorings.map((x) => x.histograms));
  expect(a.data.curves).toEqual(b.data.curves);

  // All of it is there, nothing half-written is, and a third run has nothing to do.
  expect((await readdir(a.dir, { recursive: true })).filter((name) => /\.tmp|\.pending/.test(name))).toEqual([]);
  const record = JSON.parse(await readFile(join(a.dir, 'run.json'), 'utf8')) as RunRecord;
  expect(record.recipe).toMatchObject({ train: { seeds: [0, 1] } });
  const again = await gradfold(['run', recipe, '-o', join(dir, 'killed')]);
  expect(again.stderr.match(/: done before/g)).toHaveLength(Object.keys(record.stages).length);
  expect(again.stdout).toContain('mean of domains');
}, 120_000);

test('every plan reads the same number of tokens from the same initial weights', async () => {
  const recipe = await writeTinyRecipe(dir);
  await gradfold(['run', recipe, '-o', join(dir, 'whole')]);
  const { stages } = JSON.parse(await readFile(join(dir, 'whole', 'tiny', 'run.json'), 'utf8')) as RunRecord;
  const tokens = Object.entries(stages).flatMap(([name, { facts }]) =>
    name.startsWith('train ') ? [facts.tokens] : [],
  );
  expect(tokens).toEqual([96, 96, 96, 96]);
}, 120_000);

test('an interrupted run stops with status 1 and says how to go on', async () => {
  const recipe = await writeTinyRecipe(dir);
  const interrupt = new AbortController();
  const { status, stderr, stdout } = await gradfold(['run', recipe, '-o', join(dir, 'interrupted')], {
    signal: interrupt.signal,
    onStderr: (text) => {
      if (text.includes('samples:')) interrupt.abort(new Error('interrupted'));
    },
  });
  expect(status).toBe(1);
  expect(stdout).toBe('');
  expect(stderr).toContain('Run the same command again');
  expect(stderr).not.toContain('train random seed 0:');
}, 60_000);

test('--dry-run says what it would cost and touches nothing', async () => {
  const recipe = await writeTinyRecipe(dir);
  const { status, stdout } = await gradfold(['run', recipe, '-o', join(dir, 'dry'), '--dry-run', '--json']);
  expect(status).toBe(0);
  expect((JSON.parse(stdout) as { estimate: { flops: number } }).estimate.flops).toBeGreaterThan(0);
  await expect(readdir(join(dir, 'dry'))).rejects.toThrow('ENOENT');
});
