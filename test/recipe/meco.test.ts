import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { metadataGroups } from '../../lib/recipe/meco/groups.ts';
import { otherMetadata } from '../../lib/recipe/meco/held-out.ts';
import { headline } from '../../lib/recipe/meco/words.ts';
import { parseRecipe } from '../../lib/recipe/load.ts';
import type { RunRecord } from '../../lib/recipe/run.ts';
import type { MeasureRow, MecoData } from '../../lib/report/meco-data.ts';
import { gradfold } from '../support/cli.ts';
import { tinyUrlDocuments } from '../support/tiny-run.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gradfold-meco-'));
  await writeFile(join(dir, 'docs.jsonl'), tinyUrlDocuments(80));
  await writeFile(join(dir, 'tiny.yaml'), TINY);
});
afterAll(() => rm(dir, { recursive: true }));

const TINY = `
method: meco
name: tiny
backend: { name: reference }
corpus: { source: files, files: [docs.jsonl] }
tokenizer: { vocabulary: 280 }
rows: { length: 32, strategy: pack, validation: 0.2 }
cooldown: 0.25
model: { model_type: llama, hidden_size: 8, intermediate_size: 12, num_hidden_layers: 1, num_attention_heads: 2 }
train: { seeds: [0, 1], steps: 4, batch: 2, lr: 3.0e-3 }
evaluate:
  rows: 12
  hosts: 1
  common: 5
  questions: { count: 6, choices: 3, passageWords: 6, continuationWords: 3 }
  prompt: the rose
`;

interface RunJson {
  dir: string;
  report: string;
  data: MecoData;
}

test('a run that is interrupted goes on, and ends as one that was not', async () => {
  const recipe = join(dir, 'tiny.yaml');
  const interrupt = new AbortController();
  const stopped = await gradfold(['run', recipe, '-o', join(dir, 'stopped')], {
    signal: interrupt.signal,
    onStderr: (text) => {
      if (text.includes('train meco seed 0:')) interrupt.abort(new Error('interrupted'));
    },
  });
  expect(stopped.status).toBe(1);
  const resumed = await gradfold(['run', recipe, '-o', join(dir, 'stopped'), '--json']);
  expect(resumed.stderr).toContain('train meco seed 0: done before');
  const whole = await gradfold(['run', recipe, '-o', join(dir, 'whole'), '--json']);
  expect(whole.status).toBe(0);
  const [a, b] = [resumed, whole].map(({ stdout }) => JSON.parse(stdout) as RunJson);
  for (const part of ['headline', 'losses', 'choices', 'steering', 'texts', 'tokens'] as const)
    expect(a.data[part]).toEqual(b.data[part]);

  const { data } = b;
  expect(data.arms.map(({ name }) => name)).toEqual(['standard', 'meco', 'mixed', 'metadata-only']);
  // Under every condition the same tokens, in the same groups.
  const counts = (condition: string) =>
    data.losses.filter((row) => row.condition === condition).map(({ measure, count }) => [measure, count]);
  expect(counts('its own metadata')).toEqual(counts('no metadata'));
  expect(counts('metadata of another text')).toEqual(counts('no metadata'));
  expect(data.choices).toHaveLength(6);
  expect(data.texts.map(({ arm }) => arm)).toEqual(data.arms.flatMap(({ name }) => [name, name, name]));
  expect(new Set(data.texts.map(({ metadata }) => metadata))).toEqual(
    new Set([null, 'garden.example.org', 'harbour.example.org']),
  );
  // Equal steps are equal tokens, but for the last row of a table.
  const { stages } = JSON.parse(await readFile(join(b.dir, 'run.json'), 'utf8')) as RunRecord;
  const tokens = Object.entries(stages).flatMap(([name, { facts }]) =>
    name.startsWith('train ') ? [Number(facts.tokens)] : [],
  );
  expect(tokens).toHaveLength(8);
  for (const each of tokens) expect(each).toBeGreaterThan(4 * 2 * 32 - 32);

  // Nothing half-written, the page is there, and a third run and a second drawing of the page find all of it.
  expect((await readdir(b.dir, { recursive: true })).filter((name) => /\.tmp|\.pending|\.partial/.test(name))).toEqual(
    [],
  );
  const again = await gradfold(['run', recipe, '-o', join(dir, 'whole')]);
  expect(again.stderr.match(/: done before/g)).toHaveLength(Object.keys(stages).length);
  expect(again.stdout).toContain('what metadata do');
  const page = await readFile(b.report, 'utf8');
  expect(page).toContain('What metadata do within each arm');
  const redrawn = await gradfold(['report', b.dir, '-o', join(dir, 'again.html')]);
  expect(redrawn.status).toBe(0);
  expect(await readFile(join(dir, 'again.html'), 'utf8')).toBe(page);
}, 240_000);

test('--dry-run names the arms and what they cost', async () => {
  const { status, stdout } = await gradfold(['run', join(dir, 'tiny.yaml'), '-o', join(dir, 'dry'), '--dry-run']);
  expect(status).toBe(0);
  expect(stdout).toContain('4 plans, 8 trainings: standard, meco, mixed, metadata-only');
  const compared = await gradfold(['compare', join(dir, 'tiny.yaml')]);
  expect([compared.status, compared.stderr]).toEqual([2, expect.stringContaining('expected a recipe of method plans')]);
});

describe('the recipe', () => {
  const parsed = (text: string) => {
    const recipe = parseRecipe(text, 'meco.yaml');
    if (recipe.method !== 'meco') throw new Error(recipe.method);
    return recipe;
  };

  test('fills in the settings of the paper', async () => {
    const { train, cooldown, metadata } = parsed(TINY.replace('steps: 4', 'steps: 200'));
    expect(train).toMatchObject({ weightDecay: 0.033, warmup: 10, betas: [0.9, 0.95], finalLr: 0.1 });
    expect([cooldown, metadata.prefix, metadata.suffix]).toEqual([0.25, 'URL: ', '\n\n']);
    const shipped = await readFile(new URL('../../recipes/meco.yaml', import.meta.url), 'utf8');
    expect(parsed(shipped)).toMatchObject({ corpus: { source: 'packages' }, cooldown: 0.1 });
  });

  test.each([
    ['cooldown: 0.25', 'cooldown: 0.01', 'cooldown: leaves one of the two stages without a step'],
    ['cooldown: 0.25', 'arms: [meco, standard]', 'arms: standard first, each once'],
    ['rows: 12', 'rowz: 12', 'unknown key "evaluate.rowz"; did you mean "rows"?'],
    ['strategy: pack', 'strategy: pick', 'rows.strategy'],
  ])('%s as %s is refused', (from, to, message) => {
    expect(() => parseRecipe(TINY.replace(from, to), 'meco.yaml')).toThrow(message);
  });
});

test('metadataGroups counts documents of the training split, not their pieces', () => {
  const metadata = [...new Array<string>(6).fill('a'), ...new Array<string>(3).fill('b'), 'c', null];
  const pieces = (row: number) => [
    { document: row, domain: 'd', metadata: metadata[row], start: 0, end: 1 },
    { document: 0, domain: 'd', metadata: 'a', start: 1, end: 2 },
  ];
  const groups = metadataGroups({ rows: () => Uint32Array.from(metadata.keys()), pieces }, { single: 1, common: 3 });
  expect(groups.frequent).toEqual(['a', 'b', 'c']);
  expect(['a', 'b', 'c', 'z', null].map((name) => groups.groupOf(name))).toEqual([
    'a',
    'others of 3 or more',
    'fewer than 3',
    'not in training',
    'no metadata',
  ]);
});

test('otherMetadata gives everyone metadata of another kind', () => {
  expect(otherMetadata(['a', 'a', 'b', null], Uint32Array.of(1, 3, 2, 0))).toEqual(['b', 'b', 'a', null]);
  expect(otherMetadata(['a', 'a'], Uint32Array.of(0, 1))).toEqual(['a', 'a']);
});

describe('headline', () => {
  const row = (measure: string, mean: number, clear: boolean): MeasureRow => ({
    measure,
    condition: 'no metadata',
    count: 10,
    arms: [
      {
        arm: 'standard',
        mean: 1,
        sd: 0,
        difference: { mean: -mean, sd: 0.001, perSeed: [], test: null, clear: false },
      },
      { arm: 'meco', mean: 1 + mean, sd: 0, difference: { mean, sd: 0.001, perSeed: [], test: null, clear } },
    ],
  });

  test.each([
    [0.02, true, 'In loss without metadata meco loses to standard (+0.020 ± 0.001 nats)'],
    [-0.02, true, 'In loss without metadata meco beats standard (−0.020 ± 0.001 nats)'],
    [-0.02, false, 'In loss without metadata meco and standard cannot be told apart (−0.020 ± 0.001 nats)'],
  ])('a loss of %d (clear: %s) reads as it is', (mean, clear, words) => {
    const text = headline({
      losses: [row('all', mean, clear)],
      choices: [row('raw', 0, false), row('per character', mean, clear)],
      steering: [row('all', mean, clear), row('all', 0, false), row('all', mean, clear)],
    });
    expect(text).toContain(words);
    const better = mean < 0 ? 'loses to' : 'beats'; // of shares more is better
    if (clear) expect(text).toContain(`in multiple choice without metadata meco ${better} standard`);
    expect(text).toContain(clear ? `own metadata ${mean < 0 ? 'lower' : 'raise'} its loss` : 'is not clear');
  });
});
