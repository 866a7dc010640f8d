import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openBackend } from '../../lib/backend/open.ts';
import { openSamples } from '../../lib/data/samples.ts';
import { parseRecipe } from '../../lib/recipe/load.ts';
import type { RunRecord } from '../../lib/recipe/run.ts';
import type { ReportData } from '../../lib/report/data.ts';
import { scoreRows } from '../../lib/score/rater-scores.ts';
import { loadScorer } from '../../lib/score/scorer-files.ts';
import { readScoreTable } from '../../lib/score/table.ts';
import { gradfold } from '../support/cli.ts';
import { tinyDocuments } from '../support/tiny-run.ts';

const RECIPE = `
name: tiny-rate
backend: { name: reference }
corpus:
  source: files
  files: [docs.jsonl]
  corrupt: { shares: { train: 0.4 }, kinds: [shuffle, characters], pieces: { characters: 60 } }
tokenizer: { vocabulary: 280 }
samples: { length: 8, minTokens: 8, shares: { train: 0.5, proxy: 0.1, target: 0.2, validation: 0.2 } }
model: { model_type: llama, hidden_size: 8, intermediate_size: 12, num_hidden_layers: 1, num_attention_heads: 2 }
target: { rows: 12 }
pool: { rows: 40 }
scores:
  rater:
    { method: datarater, steps: 4, batch: 3, targetBatch: 2, population: 2, life: 4, ages: [2, 3], backbone: inner, features: [loss] }
quality: { column: corruption, positive: none, groups: corruption }
explain: { scores: [rater], folds: 3, shown: 2 }
plans:
  all: { order: shuffle }
  rater: { score: rater, select: { topRatio: 0.5 }, order: shuffle }
train: { seeds: [0, 1], steps: 3, batch: 4, lr: 3.0e-3 }
evaluate: { rowsPerDomain: 4, batch: 4, curve: { every: 2, rowsPerDomain: 2 } }
`;

let dir: string;
const at = (...names: string[]) => join(dir, ...names);

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gradfold-rate-run-'));
  await writeFile(at('docs.jsonl'), tinyDocuments(60));
  await writeFile(at('rate.yaml'), RECIPE);
});
afterAll(() => rm(dir, { recursive: true }));

test('a recipe trains a rater, filters with it, compares trainings and explains the scores', async () => {
  const { status, stdout, stderr } = await gradfold(['run', at('rate.yaml'), '-o', at('runs'), '--json']);
  expect(stderr.split('\n').filter((line) => line.startsWith('gradfold:'))).toEqual([]);
  expect(status).toBe(0);
  const { data } = JSON.parse(stdout) as { data: ReportData };
  const run = at('runs', 'tiny-rate');

  // The rater that stays gives the scores that were filtered by.
  const { rows, scores } = await readScoreTable(join(run, 'scores', 'rater.arrow'), 'rater');
  const backend = await openBackend('reference');
  const { rater, record, tokenizer } = await loadScorer(join(run, 'scores', 'rater', 'model'), { backend });
  const samples = await openSamples(join(run, 'samples.arrow'));
  const again = await scoreRows(rater, samples, rows);
  expect(Math.max(...again.map((score, i) => Math.abs(score - scores[i])))).toBeLessThan(1e-6);
  backend.dispose();
  expect(new Set(scores).size).toBeGreaterThan(1);
  expect(tokenizer).toBeDefined();
  expect(record).toMatchObject({ column: 'rater', method: 'datarater', steps: 4 });
  expect(record.metaFlops).toBeGreaterThan(0);
  const log = (await readFile(join(run, 'scores', 'rater', 'log.jsonl'), 'utf8')).trimEnd().split('\n');
  expect(log).toHaveLength(4);

  const page = await readFile(join(run, 'explain-rater.html'), 'utf8');
  expect(page).toMatch(/text heuristics explain/);
  // The run's own page holds all of it, with a link to it at the top.
  const report = await readFile(join(run, 'report.html'), 'utf8');
  expect(report).toContain('<a href="#explain-rater">');
  expect(report.match(/<article id="explain-rater">.*?<\/article>/s)![0]).toContain('Correlation with each heuristic');
  expect(report).not.toMatch(/NaN|undefined|<script/);
  expect(data.explanations!.map(({ file }) => file)).toEqual(['explain-rater.html']);
  expect(data.plans.map(({ name }) => name)).toEqual(['all', 'rater']);
  expect(data.quality!.scores[0].byGroup).toHaveProperty('shuffle');

  // Starts of 3 steps of 3 rows, 4 meta-steps, then the pool, in forward passes, the reference's as well; against a
  // training of 3 steps of 4 rows. A rated row is 3 passes of the rater, forward and back, and one of the reference.
  const perStep = 3 * (2 * 3 + 8 + 3) + 2 * 3 + 2 * 3 * (3 + 1);
  expect(data.scorings[0].trainings).toBeCloseTo((3 * 3 * 3 + 4 * perStep + 40 * 2) / (3 * 4 * 3), 9);

  // Net gain of the filtered plan, with every seed; the pool is scored beforehand, and half of it dropped.
  expect(data.gains!.map(({ measure }) => measure)).toEqual(['mean of domains']);
  const [{ plan, gain }, ...others] = data.gains![0].plans;
  expect([plan, others]).toEqual(['rater', []]);
  expect(gain.perSeed).toHaveLength(2);
  expect(gain.scoring).toBeCloseTo((40 * 2) / (3 * 4 * 3), 9);
  expect(gain.overSampling).toBeCloseTo(gain.scoring * (1 - 12 / 40), 9); // 20 are kept, 12 of them trained on
  expect(gain.scoring + gain.metaTraining).toBeCloseTo(data.scorings[0].trainings, 9);
  for (const { net, saved } of gain.perSeed) expect(net).toBeCloseTo(saved - data.scorings[0].trainings, 9);
  expect(report).toContain('Net gain at matched loss, mean of domains');

  const rest = await readdir(join(run, 'scores'));
  expect(rest.sort()).toEqual(['rater', 'rater.arrow']);
  const { stages } = JSON.parse(await readFile(join(run, 'run.json'), 'utf8')) as RunRecord;
  expect(stages['score rater'].facts).toMatchObject({ poolRows: 40, targetRows: 12 });
  const second = await gradfold(['run', at('rate.yaml'), '-o', at('runs')]);
  expect(second.stdout).toMatch(/^net gain, mean of domains +saved +scoring .* training the scorer +net gain/m);
  expect(second.stdout).toMatch(/^rater +[+−][\d.]+ ± .*[+−][\d.]+\*?, [+−][\d.]+\*? +/m);
  expect(second.stdout).toContain('Alone on a page: explain-rater.html.');
  expect(second.stderr.match(/: done before/g)).toHaveLength(Object.keys(stages).length);
}, 120_000);

test('recipes/rate.yaml is valid', async () => {
  const recipe = parseRecipe(await readFile(new URL('../../recipes/rate.yaml', import.meta.url), 'utf8'));
  expect(recipe).toMatchObject({ name: 'rate', explain: { scores: ['rater'] } });
});

test('a recipe says what its rater lacks', () => {
  const parsed = (from: string, to: string) => () => parseRecipe(RECIPE.replace(from, to), 'rate.yaml');
  expect(parsed('population: 2', 'population: 2, modelsPerStep: 3')).toThrow(
    'expected at most 2, all of the population',
  );
  expect(parsed('target: { rows: 12 }', '')).toThrow('method datarater needs a section "target"');
  expect(parsed('scores: [rater], folds', 'scores: [other], folds')).toThrow('no scoring is called "other"');
  expect(parsed('backbone: inner', 'backbone: outer')).toThrow('backbone');
  expect(parsed('steps: 4', 'steps: 4, clipNorm: 1')).toThrow('add "normalize: false"');
  expect(parsed('steps: 4', 'steps: 4, rated: 1')).toThrow('rated');
  const settings = 'steps: 4, clipNorm: 1, normalize: false, warmup: 2, weightDecay: 0.1, sharedOptimizer: true';
  const rater = { clipNorm: 1, normalize: false, warmup: 2, weightDecay: 0.1, sharedOptimizer: true, rated: 'inner' };
  expect(parsed('steps: 4', `${settings}, firstOrder: true, rated: inner`)()).toMatchObject({
    scores: { rater: { ...rater, firstOrder: true } },
  });
});
