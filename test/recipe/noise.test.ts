import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openCorpus } from '../../lib/data/corpus.ts';
import { openSamples } from '../../lib/data/samples.ts';
import { readPlan } from '../../lib/order/plan.ts';
import { parseRecipe } from '../../lib/recipe/load.ts';
import type { Recipe } from '../../lib/recipe/schema.ts';
import type { ReportData } from '../../lib/report/data.ts';
import { NgramModel } from '../../lib/score/ngram.ts';
import { readScoreTable } from '../../lib/score/table.ts';
import { gradfold } from '../support/cli.ts';
import { tinyDocuments } from '../support/tiny-run.ts';

const ARPA = '\\data\\\nngram 1=4\n\n\\1-grams:\n-2\t<unk>\n-0.3\tthe\n-0.4\trose\n-0.2\t</s>\n\n\\end\\\n';
const RECIPE = `
name: noisy
backend: { name: reference }
corpus:
  source: files
  files: [docs.jsonl]
  # The passages of other languages would have to be fetched.
  corrupt: { shares: { train: 0.4 }, kinds: [shuffle, characters, boilerplate], pieces: { characters: 60 } }
tokenizer: { vocabulary: 280 }
samples: { length: 8, minTokens: 8, shares: { train: 0.6, proxy: 0.1, target: 0.1, validation: 0.2 } }
model: { model_type: llama, hidden_size: 8, intermediate_size: 12, num_hidden_layers: 1, num_attention_heads: 2 }
pretrain: { steps: 4, batch: 4, lr: 3.0e-3, warmup: 2 }
target: { rows: 4 }
pool: { rows: 48 }
scores:
  lqs: &sweep { method: lqs, steps: 2, batch: 4, lr: 0.01, interval: 1 }
  lqs_adam: { <<: *sweep, metric: adam }
  in_run: &run { method: in_run, passes: 2 }
  in_run_adam: { <<: *run, metric: adam }
  ngram: { method: ngram, arpa: lm.arpa }
  perplexity: { method: perplexity }
quality: { positive: clean, groups: corruption }
plans:
  random: { order: shuffle }
  lqs: { score: lqs, select: { topRatio: 0.5 }, order: shuffle }
  ngram: { score: ngram, select: { topRatio: 0.5 }, order: shuffle }
train: { seeds: [0, 1], steps: 2, batch: 4, lr: 3.0e-3 }
evaluate: { rowsPerDomain: 4, batch: 4 }
`;

let dir: string;
let data: ReportData;
const at = (...parts: string[]) => join(dir, ...parts);
const scoresOf = async (name: string) => (await readScoreTable(at('noisy', 'scores', `${name}.arrow`), name)).scores;

async function run(): Promise<{ data: ReportData; said: string }> {
  const { status, stdout, stderr } = await gradfold(['run', at('noisy.yaml'), '-o', dir, '--json']);
  expect(stderr.split('\n').filter((line) => line.startsWith('gradfold:'))).toEqual([]);
  expect(status).toBe(0);
  return { ...(JSON.parse(stdout) as { data: ReportData }), said: stderr };
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gradfold-noise-'));
  await writeFile(at('docs.jsonl'), tinyDocuments(60));
  await writeFile(at('lm.arpa'), ARPA);
  await writeFile(at('noisy.yaml'), RECIPE);
  ({ data } = await run());
}, 120_000);
afterAll(() => rm(dir, { recursive: true }));

test('noise is planted in the training split alone, and the page tells how much of it each plan reads', async () => {
  const corpus = await openCorpus(at('noisy', 'corpus.arrow'));
  const samples = await openSamples(at('noisy', 'samples.arrow'));
  const isClean = (row: number) => corpus.value('corruption', samples.document(row)) === 'none';
  expect(samples.rows('train').every(isClean)).toBe(false);
  for (const split of ['proxy', 'target', 'validation'] as const) expect(samples.rows(split).every(isClean)).toBe(true);

  for (const { name, purity } of data.plans) {
    const plans = await Promise.all(
      [0, 1].map((seed) => readPlan(at('noisy', 'train', `${name}-seed${seed}`, 'plan.arrow'))),
    );
    const rows = plans.flatMap((plan) => [...plan.rows]);
    expect(purity).toBeCloseTo(rows.filter(isClean).length / rows.length, 12);
  }
  const html = await readFile(at('noisy', 'report.html'), 'utf8');
  expect(html).toContain('<th>clean rows</th>');
  for (const { purity } of data.plans) expect(html).toContain(`<td>${(100 * purity!).toFixed(1)} %</td>`);
});

test('every scoring is judged by the noise that it did not see, with its error', () => {
  const { scores, purity, positives, negatives } = data.quality!;
  expect(positives + negatives).toBe(48);
  for (const { auc, byGroup } of scores) {
    expect(auc.value).toBeGreaterThanOrEqual(0);
    expect(auc.standardError).toBeGreaterThan(0);
    expect(Object.keys(byGroup)).toEqual(['boilerplate', 'characters', 'shuffle']);
  }
  // Words that the n-gram model knows are in clean rows, and shuffled ones.
  const ngram = scores.find(({ name }) => name === 'ngram')!;
  expect(ngram.byGroup.boilerplate.value).toBeGreaterThan(0.5);
  const [all] = purity;
  expect(all.share!.value).toBeCloseTo(positives / 48, 12);
  expect(all.share!.standardError).toBeCloseTo(Math.sqrt((positives * negatives) / 48) / 48, 12);
});

test('lqs and in-run scores come in both metrics from one stage each, which differ', async () => {
  for (const name of ['lqs', 'in_run']) {
    expect(data.scorings.find((scoring) => scoring.name === name)!.sharedWith).toEqual([`${name}_adam`]);
    const [plain, adam] = [await scoresOf(name), await scoresOf(`${name}_adam`)];
    expect(plain).toHaveLength(48);
    for (const scores of [plain, adam]) expect(scores.every(Number.isFinite)).toBe(true);
    expect(adam).not.toEqual(plain);
  }
  expect(data.scorings.map(({ title }) => title)).toEqual([
    'LQS',
    'LQS in Adam’s metric',
    'in-run score',
    'in-run score in Adam’s metric',
    'low n-gram perplexity',
    'low perplexity',
  ]);
});

test('the n-gram scores are those of the file, whose change is noticed', async () => {
  const corpus = await openCorpus(at('noisy', 'corpus.arrow'));
  const samples = await openSamples(at('noisy', 'samples.arrow'));
  const model = await NgramModel.read(at('lm.arpa'));
  const { rows, scores } = await readScoreTable(at('noisy', 'scores', 'ngram.arrow'), 'ngram');
  rows.forEach((row, i) => {
    expect(scores[i]).toBeCloseTo(-Math.log(model.perplexity(corpus.text(samples.document(row)))), 12);
  });
  await writeFile(at('lm.arpa'), ARPA.replace('-0.3', '-0.9'));
  const again = await run();
  expect(again.said).not.toContain('score ngram: done before');
  expect(again.said).toContain('score perplexity: done before');
  expect(await scoresOf('ngram')).not.toEqual(scores);
  await rm(at('lm.arpa'));
  const { status, stderr } = await gradfold(['run', at('noisy.yaml'), '-o', dir]);
  expect(status).toBe(1);
  expect(stderr).toContain(`cannot read ${at('lm.arpa')}`);
}, 60_000);

test('the recipe of the repository is valid', async () => {
  const text = await readFile(new URL('../../recipes/noise.yaml', import.meta.url), 'utf8');
  const { corpus, quality } = parseRecipe(text) as Recipe;
  expect(corpus.corrupt!.shares).toEqual({ train: 0.3, proxy: 0.3 });
  expect(quality).toEqual({ column: 'label', positive: 'clean', groups: 'corruption' });
});
