import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSamples } from '../../lib/data/samples.ts';
import { averageLoss } from '../../lib/recipe/autoscale/ddo-search.ts';
import { estimateAutoscale, regressionSize } from '../../lib/recipe/autoscale/estimate.ts';
import type { AutoscaleRecipe } from '../../lib/recipe/autoscale/schema.ts';
import { headlineOf, moved } from '../../lib/recipe/autoscale/words.ts';
import { parseRecipe } from '../../lib/recipe/load.ts';
import type { AutoscaleData, ComparedMixture } from '../../lib/report/autoscale-data.ts';
import { gradfold } from '../support/cli.ts';
import { tinyDocuments } from '../support/tiny-run.ts';

const recipe = (model: string, more = '') => `
method: autoscale
name: tiny-${model}
backend: { name: reference }
corpus: { source: files, files: [docs.jsonl] }
tokenizer: { vocabulary: 280, mask: ${model === 'bert'} }
samples: { length: 8, minTokens: 8, shares: { train: 0.5, proxy: 0.1, target: 0.2, validation: 0.2 } }
model: { model_type: ${model}, hidden_size: 8, intermediate_size: 12, num_hidden_layers: 1, num_attention_heads: 2 }
domains: [garden, harbour]
train: { batch: 4, lr: 1.0e-2 }
scales: { small: [8, 16], target: 32 }
search: { up: 2, down: 2, seeds: [0, 1] }
measure: { rowsPerDomain: 4 }
compare: { seeds: [0, 1], rowsPerDomain: 6, regression: { runs: 4 } }
${more}`;

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gradfold-autoscale-'));
  await writeFile(join(dir, 'docs.jsonl'), tinyDocuments(80));
});
afterAll(() => rm(dir, { recursive: true }));

async function run(name: string, text: string, command: string[]): Promise<AutoscaleData> {
  const path = join(dir, `${name}.yaml`);
  await writeFile(path, text);
  const { status, stderr, stdout } = await gradfold([...command, path, '-o', dir, '--json']);
  expect(stderr).not.toMatch(/error/);
  expect(status).toBe(0);
  return (JSON.parse(stdout) as { data: AutoscaleData }).data;
}

describe.each(['llama', 'bert'])('a recipe of AutoScale with %s', (model) => {
  it('searches, predicts, and trains every mixture on the same number of rows', { timeout: 240_000 }, async () => {
    const data = await run(model, recipe(model), ['mix', 'run']);
    const { findings, mixtures, costs } = data;
    expect(findings.domains).toEqual(['garden', 'harbour']);
    const { small, target } = findings;
    expect(small.scales.map(({ total }) => total)).toEqual([8, 16]);
    expect(small.prediction!.target).toBe(32);
    expect(target!.scales.map(({ total }) => total)).toEqual([32]);
    for (const { weights, optimum } of [...small.scales, ...target!.scales]) {
      expect(weights[0] + weights[1]).toBeCloseTo(1, 12);
      expect(optimum!.kktResidual).toBeLessThan(1e-10);
    }
    expect(mixtures.map(({ name }) => name)).toEqual([
      'uniform',
      'proportional',
      'regression',
      'small-optimum',
      'autoscale',
      'target-optimum',
    ]);
    const samples = await openSamples(join(dir, `tiny-${model}`, 'samples.arrow'));
    const sizes = [0, 0];
    for (const row of samples.rows('train')) sizes[samples.domain(row) === 'garden' ? 0 : 1]++;
    for (const { domains, weights, losses } of mixtures) {
      expect(domains.reduce((sum, { rows }) => sum + rows, 0)).toBe(32);
      expect(weights[0] + weights[1]).toBeCloseTo(1, 12);
      for (const [d, use] of domains.entries()) {
        expect(use).toEqual({
          domain: findings.domains[d],
          available: sizes[d],
          rows: 32 * weights[d],
          epochs: (32 * weights[d]) / sizes[d],
        });
      }
      const [garden, harbour, average] = losses;
      expect(losses.map(({ measure }) => measure)).toEqual(['garden', 'harbour', 'average']);
      expect(average.mean).toBeCloseTo((garden.mean + harbour.mean) / 2, 12);
      // An untrained model of 280 tokens is at ln 280 = 5.6; some learning has taken place.
      expect(average.mean).toBeLessThan(5.6);
    }
    // 2m + 1 runs a seed, each domain doubled and halved: 1 + 2 · 3/2 + 2 · 3/4 base runs of tokens.
    const search = costs.find(({ stage }) => stage === 'search at 16 rows')!;
    expect(search).toMatchObject({ runs: 10, tokens: 2 * 8 * (16 + 2 * 24 + 2 * 12) });

    const page = await readFile(join(dir, `tiny-${model}`, 'report.html'), 'utf8');
    for (const words of ['Every mixture at 32 rows', 'searched at 32', 'target-optimum', data.headline.slice(0, 20)]) {
      expect(page).toContain(words);
    }
  });
});

describe('a finished run of AutoScale', () => {
  it('is not repeated, and gradfold run shows the same', { timeout: 60_000 }, async () => {
    const path = join(dir, 'llama.yaml');
    const { stderr, stdout } = await gradfold(['run', path, '-o', dir]);
    expect(stderr.match(/: done before/g)).toHaveLength(9);
    expect(stdout).toMatch(/^domain weights +garden +harbour\noptimum at 8 rows/);
    expect(stdout).toMatch(/predicted at 32 rows .*\noptimum at 32 rows /);
    expect(stdout).toMatch(/trained on 32 rows/);
    // The search's table is what the other commands read.
    const predict = await gradfold([
      'mix',
      'predict',
      ...[8, 16].map((rows) => join(dir, 'tiny-llama', `search-${rows}`, 'results.csv')),
      '--target',
      '32',
      '--json',
    ]);
    const data = JSON.parse(await readFile(join(dir, 'tiny-llama', 'report.json'), 'utf8')) as AutoscaleData;
    const { prediction } = JSON.parse(predict.stdout) as { prediction: { weights: number[] } };
    expect(prediction.weights).toEqual(data.findings.small.prediction!.weights);
  });

  it(
    'trains the others alone where the target is not searched, in the cheaper form',
    { timeout: 120_000 },
    async () => {
      const text = recipe('llama')
        .replace('target: 32', 'target: 32, searchTarget: false')
        .replace('down: 2', 'down: null')
        .replace('tiny-llama', 'cheap');
      const { findings, mixtures, costs } = await run('cheap', text, ['run']);
      expect(findings.target).toBeNull();
      expect(mixtures.map(({ name }) => name)).not.toContain('target-optimum');
      expect(costs[0]).toMatchObject({ stage: 'search at 8 rows', runs: 6 }); // m + 1 a seed
    },
  );
});

describe('a wrong recipe', () => {
  it.each([
    ['bert needs a mask token', recipe('bert').replace('mask: true', 'mask: false')],
    ['scales: must ascend', recipe('llama').replace('[8, 16]', '[16, 8]')],
    [
      'must name the domains garden, harbour; wrong: harbour, sea',
      recipe('llama').replace('seeds: [0, 1] }\nm', 'seeds: [0, 1], base: { garden: 1, sea: 2 } }\nm'),
    ],
    ['give up, down or both', recipe('llama').replace('up: 2, down: 2', 'up: null, down: null')],
    ['unknown key "search.upp"; did you mean "up"?', recipe('llama').replace('up: 2', 'upp: 2')],
  ])('is refused: %s', (message, text) => {
    expect(() => parseRecipe(text)).toThrow(message);
  });

  it('is refused by mix run where it is of another method', async () => {
    await writeFile(join(dir, 'other.yaml'), 'name: x');
    const { status } = await gradfold(['mix', 'run', join(dir, 'other.yaml')]);
    expect(status).toBe(1);
  });
});

it('pays the regression what the search at small scales costs', () => {
  const parsed = parseRecipe(recipe('llama').replace(', regression: { runs: 4 }', '')) as AutoscaleRecipe;
  // (1 + 2 · 3/2 + 2 · 3/4) · (8 + 16) rows a seed, in runs of 8 rows.
  expect(regressionSize(parsed)).toEqual({ rows: 8, runs: (2 * 5.5 * 24) / 8 });
  const { trainings, stages } = estimateAutoscale(parsed);
  expect(trainings).toBe(3 * 10 + 33 + 6 * 2);
  expect(stages[0]).toMatchObject({ stage: 'search at 8 rows, 10 runs', tokens: 8 * (2 * 5.5 * 8 + 10 * 2 * 4) });
});

describe('words', () => {
  const mixture = (name: string, difference: object | null): ComparedMixture =>
    ({ name, title: name, losses: [{ measure: 'average', mean: 3, sd: 0, difference }] }) as unknown as ComparedMixture;

  it.each([
    [
      -0.05,
      0.01,
      true,
      'AutoScale’s mixture is better: −0.050 nats on average over domains against uniform (p = 0.010).',
    ],
    [
      0.05,
      0.01,
      true,
      'AutoScale’s mixture is worse: +0.050 nats on average over domains against uniform (p = 0.010).',
    ],
    [
      -0.01,
      0.4,
      false,
      'AutoScale’s mixture: −0.010 nats on average over domains against uniform, which is no clear difference (p = 0.40).',
    ],
  ])('say what was found, whichever way it fell: %d', (mean, adjusted, clear, expected) => {
    const difference = { mean, sd: 0.01, perSeed: [], test: { adjusted }, clear };
    expect(headlineOf([mixture('uniform', null), mixture('autoscale', difference)])).toBe(expected);
  });

  it('measure how far mixtures are apart by the share of the data that changes its domain', () => {
    expect(moved([0.5, 0.3, 0.2], [0.3, 0.3, 0.4])).toBeCloseTo(0.2, 15);
  });

  it('average losses by weight', () => {
    expect(averageLoss({ a: 2, b: 4 })).toBe(3);
    expect(averageLoss({ a: 2, b: 4, c: 100 }, { a: 3, b: 1 })).toBe(2.5);
    expect(() => averageLoss({ a: 2 }, { a: 1, b: 1 })).toThrow('loss of b: expected a finite number, got undefined');
  });
});
