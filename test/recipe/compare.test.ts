import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ReportData } from '../../lib/report/data.ts';
import { gradfold } from '../support/cli.ts';
import { compileLibrary, type CompiledLibrary } from '../support/compile-library.ts';
import { writeTinyRecipe } from '../support/tiny-run.ts';

let dir: string;
let library: CompiledLibrary;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gradfold-compare-'));
  library = await compileLibrary();
}, 240_000);
afterAll(async () => {
  await rm(dir, { recursive: true });
  await library.remove();
});

const PLANS = [
  'random',
  'perplexity-sort',
  'perplexity-fold2',
  'pds-sort',
  'pds-fold2',
  'lqs-sort',
  'lqs-fold2',
  'lqs-top50-shuffle',
  'scorer-top12rows-each-jitter4',
  'gradient-top12rows-each-jitter4',
  'words-top12rows-each-jitter4',
  'both-top12rows-each-jitter4',
];

/** Runs the comparison in a process of its own and kills it when it has said `text`. */
async function killedAt(recipe: string, out: string, text: string): Promise<void> {
  const child = spawn(process.execPath, [join(library.directory, 'cli', 'main.js'), 'compare', recipe, '-o', out], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
    if (said.includes(text)) child.kill('SIGKILL');
  });
  const [, killedBy] = (await once(child, 'close')) as [number | null, string | null];
  expect(killedBy).toBe('SIGKILL');
}

async function compared(recipe: string, out: string): Promise<{ dir: string; data: ReportData; said: string }> {
  const { status, stdout, stderr } = await gradfold(['compare', recipe, '-o', out, '--json']);
  expect(stderr.split('\n').filter((line) => line.startsWith('gradfold:'))).toEqual([]);
  expect(status).toBe(0);
  return { ...(JSON.parse(stdout) as { dir: string; data: ReportData }), said: stderr };
}

test('a comparison that is killed twice ends as one that was not', async () => {
  const recipe = await writeTinyRecipe(dir, { comparison: true });
  const killed = join(dir, 'killed');
  await killedAt(recipe, killed, 'score lqs, pds:');
  await killedAt(recipe, killed, 'train pds-sort seed 1:');
  const resumed = await compared(recipe, killed);
  expect(resumed.said).toContain('train perplexity-sort seed 0: done before');
  const whole = await compared(recipe, join(dir, 'whole'));

  expect(resumed.data.plans.map(({ name }) => name)).toEqual(PLANS);
  for (const part of ['domains', 'curves', 'reaches', 'positions', 'agreement', 'quality'] as const) {
    expect(resumed.data[part]).toEqual(whole.data[part]);
  }
  const left = await readdir(resumed.dir, { recursive: true });
  expect(left.filter((name) => /\.tmp|\.pending|\.sweep|checkpoints$/.test(name))).toEqual(['pretrain/checkpoints']);
}, 240_000);

test('the baseline is trained once a seed, and no plan is trained on twice', async () => {
  const recipe = await writeTinyRecipe(dir, { comparison: true });
  const { data } = await compared(recipe, join(dir, 'whole'));
  // Scored at a single step, where nothing is divided by yet, LQS is PDS.
  expect(data.agreement.find(({ a, b }) => a === 'lqs' && b === 'pds')!.spearman!.value).toBeCloseTo(1, 12);
  const sameAs = Object.fromEntries(data.plans.map(({ name, sameAs }) => [name, sameAs]));
  expect(sameAs).toMatchObject({ random: null, 'pds-sort': null, 'lqs-sort': 'pds-sort', 'lqs-fold2': 'pds-fold2' });
  for (const { plans } of data.domains) {
    const of = (name: string) => plans.find(({ plan }) => plan === name)!;
    expect(of('lqs-sort').difference!.perSeed).toEqual(of('pds-sort').difference!.perSeed);
  }
}, 240_000);

test('differences are tested, curves give steps, and scoring has its cost', async () => {
  const recipe = await writeTinyRecipe(dir, { comparison: true });
  const { data } = await compared(recipe, join(dir, 'whole'));
  for (const { plans } of data.domains) {
    expect(plans[0].difference).toBeNull();
    for (const { difference } of plans.slice(1)) {
      expect(difference!.perSeed).toHaveLength(2);
      expect(difference!.test!.adjusted).toBeGreaterThanOrEqual(difference!.test!.t);
      expect(difference!.test!.permutation).toBeGreaterThanOrEqual(0.5);
    }
  }
  expect(data.reaches.map(({ measure }) => measure)).toEqual(['garden', 'mean of domains']);
  for (const { mean } of data.reaches.map(({ plans }) => plans[0])) expect(mean).toBeLessThanOrEqual(3);
  const costs = Object.fromEntries(data.scorings.map(({ name, trainings }) => [name, trainings]));
  // In backward passes of a row, of which a training takes 12: the model that scores 16, the pool forward only 8;
  // or, for LQS, the sweep's 12 and 32, 4 targets at 4 iterates, the pool's 24, and 6 proxies at 3.
  expect(costs.perplexity).toBeCloseTo((16 + 8) / 12, 10);
  expect(costs.lqs).toBeCloseTo((16 + 12 + 32 + 16 + 24 + 18) / 12, 10);
  expect(data.quality!.scores.map(({ name }) => name)).toContain('perplexity');
  expect(data.quality!.purity.map(({ name }) => name)).toContain('lqs-top50');
  // A combination costs what its parts do, with one model that scores: 16, LQS, and 24 + 4 + 32 batches of 8 backward.
  expect(costs.both).toBeCloseTo(costs.lqs + (24 + 4 + 32 * 8) / 12, 10);
  expect(costs.words).toBe(0);
}, 240_000);

test('the table on the terminal has one line a plan', async () => {
  const recipe = await writeTinyRecipe(dir, { comparison: true });
  const { stdout } = await gradfold(['compare', recipe, '-o', join(dir, 'whole')]);
  for (const plan of PLANS) expect(stdout).toMatch(new RegExp(`^${plan} `, 'm'));
  expect(stdout).toContain('steps to the loss of random');
}, 240_000);

test('a recipe with a single plan has nothing to compare', async () => {
  const recipe = await writeTinyRecipe(dir);
  const text = await readFile(recipe, 'utf8');
  await writeFile(recipe, text.replace(/^ {2}delt:.*$/m, ''));
  const { status, stderr } = await gradfold(['compare', recipe, '-o', join(dir, 'one')]);
  expect(status).toBe(2);
  expect(stderr).toContain('expected two plans or more, got random alone');
});
