import { existsSync, statSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { readScoreTable } from '../../lib/score/table.ts';
import { TEXT_FEATURES } from '../../lib/score/text-features.ts';
import { gradfold } from '../support/cli.ts';
import { tinyDocuments } from '../support/tiny-run.ts';

let dir: string;
const at = (name: string) => join(dir, name);

async function json(...argv: string[]): Promise<Record<string, unknown>> {
  const { status, stdout, stderr } = await gradfold([...argv, '--json']);
  expect(stderr.split('\n').filter((line) => line.startsWith('gradfold:'))).toEqual([]);
  expect(status).toBe(0);
  return JSON.parse(stdout) as Record<string, unknown>;
}

const training = () => [
  ...['--samples', at('tokens/samples.arrow'), '--config', at('config.json'), '--backend', 'reference'],
  ...['--batch', '4', '--steps', '3', '--checkpoint-every', '2'],
];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gradfold-score-'));
  const documents = tinyDocuments(80)
    .trimEnd()
    .split('\n')
    .map((line, i) => `${JSON.stringify({ ...(JSON.parse(line) as object), stars: i % 5 })}\n`);
  await writeFile(at('docs.jsonl'), documents.join(''));
  await writeFile(
    at('config.json'),
    JSON.stringify({
      model_type: 'llama',
      vocab_size: 280,
      hidden_size: 8,
      intermediate_size: 12,
      num_hidden_layers: 1,
      num_attention_heads: 2,
    }),
  );
  await json('ingest', at('docs.jsonl'), '-o', at('corpus.arrow'));
  await json('tokenize', at('corpus.arrow'), '-o', at('tokens'), '--vocabulary', '280', '--length', '8');
  await json('train', '-o', at('run'), ...training(), '--in-run', '--target-rows', '3', '--target-refresh', '2');
}, 60_000);
afterAll(() => rm(dir, { recursive: true }));

describe('training with in-run scores', () => {
  test('writes them beside the model', async () => {
    const { rows, scores } = await readScoreTable(at('run/scores.arrow'), 'in_run');
    expect(rows).toHaveLength(12); // 3 steps of 4 rows
    expect(scores.some((score) => score !== 0)).toBe(true);
    expect((await readScoreTable(at('run/scores.arrow'), 'in_run_adam')).rows).toEqual(rows);
    const { scores: visits } = await readScoreTable(at('run/scores.arrow'), 'visits');
    expect(visits.every((count) => count === 1)).toBe(true);
  });

  test('on greedy batches reads as many rows as are looked at, and scores those that are trained on', async () => {
    const greedy = ['--greedy', '2', '--in-run', '--target-rows', '3', '--target-domain', 'garden'];
    expect(await json('train', '-o', at('greedy'), ...training(), ...greedy)).toMatchObject({ steps: 3 });
    expect((await readScoreTable(at('greedy/scores.arrow'), 'in_run')).rows).toHaveLength(12);
  });
});

describe('score', () => {
  const samples = () => at('tokens/samples.arrow');
  const model = () => ['--model', at('run/model'), '--backend', 'reference', '--batch', '8', '--limit', '10'];

  test('perplexity', async () => {
    const result = await json('score', 'perplexity', samples(), '-o', at('perplexity.arrow'), ...model());
    expect(result).toMatchObject({ rows: 10, columns: { perplexity: {}, loss: {} } });
    const { rows, scores } = await readScoreTable(at('perplexity.arrow'), 'perplexity');
    const loss = (await readScoreTable(at('perplexity.arrow'), 'loss')).scores;
    expect(Array.from(rows)).toEqual(Array.from(rows).sort((a, b) => a - b));
    scores.forEach((score, i) => expect(Math.log(score)).toBeCloseTo(loss[i], 12));
  });

  test('gradient, with moments of a checkpoint, estimated ones, or none', async () => {
    const score = (out: string, ...more: string[]) =>
      json('score', 'gradient', samples(), '-o', at(out), ...model(), '--target-rows', '4', ...more);
    const adam = ['gradient_adam', 'gradient_adam_cosine'];
    const columns = async (result: Promise<Record<string, unknown>>) => Object.keys((await result).columns as object);
    const optimizer = at('run/checkpoints/step-000003/optimizer.safetensors');
    expect(await columns(score('saved.arrow', '--optimizer', optimizer))).toEqual(expect.arrayContaining(adam));
    expect(await columns(score('estimated.arrow', '--moments', '2'))).toEqual(expect.arrayContaining(adam));
    expect(await columns(score('plain.arrow', '--moments', '0'))).toEqual([
      'gradient',
      'gradient_cosine',
      'gradient_norm',
    ]);
    const plain = await readScoreTable(at('plain.arrow'), 'gradient');
    expect(await readScoreTable(at('saved.arrow'), 'gradient')).toEqual(plain);
    const cosines = (await readScoreTable(at('plain.arrow'), 'gradient_cosine')).scores;
    expect(cosines.every((cosine) => Math.abs(cosine) <= 1)).toBe(true);
  });

  test.each([
    ['perplexity', ['perplexity', 'loss'], []],
    ['gradient', ['gradient', 'gradient_adam_cosine'], ['--target-rows', '4', '--moments', '2']],
  ])('%s in parts, as tasks of a job array, merged to what one call gives', async (method, columns, more) => {
    const score = (out: string, ...options: string[]) =>
      json('score', method, samples(), '-o', at(out), ...model(), ...more, ...options);
    const parts: string[] = [];
    for (const task of ['0', '1', '2']) {
      vi.stubEnv('SLURM_ARRAY_TASK_ID', task).stubEnv('SLURM_ARRAY_TASK_COUNT', '3');
      const part = await score(`${method}-parts.arrow`);
      expect(part).toMatchObject({ computed: true, rows: task === '2' ? 4 : 3 });
      parts.push(part.path as string);
    }
    vi.unstubAllEnvs();
    expect(parts[2]).toBe(at(`${method}-parts-00002-of-00003.arrow`));
    const again = await score(`${method}-parts.arrow`, '--shard', '1', '--of', '3');
    expect(again).toMatchObject({ path: parts[1], computed: false });
    await json('score', 'merge', ...parts, '-o', at(`${method}-merged.arrow`));
    await score(`${method}-whole.arrow`);
    for (const column of columns) {
      const merged = await readScoreTable(at(`${method}-merged.arrow`), column);
      const whole = await readScoreTable(at(`${method}-whole.arrow`), column);
      expect(merged.rows).toEqual(whole.rows);
      merged.scores.forEach((value, i) => expect(value).toBeCloseTo(whole.scores[i], 12));
    }
    // Another model's parts are not this one's.
    const { status, stderr } = await gradfold(
      ['score', method, samples(), '-o', at(`${method}-parts.arrow`), '--shard', '1', '--of', '3', ...more].concat([
        ...['--model', at('greedy/model'), '--backend', 'reference', '--batch', '8', '--limit', '10'],
      ]),
    );
    expect(status).toBe(1);
    expect(stderr).toContain('expected nothing there, or the scores of this very call');
  });

  test('perplexity goes on after an interruption, without scoring again what was scored', async () => {
    const argv = ['score', 'perplexity', samples(), '-o', at('on.arrow'), '--model', at('run/model')];
    const options = ['--backend', 'reference', '--batch', '4', '--split', 'train'];
    const partial = at('on.arrow.partial');
    const interrupt = new AbortController();
    const { signal } = interrupt;
    signal.throwIfAborted = () => {
      if (existsSync(partial) && statSync(partial).size > 256 * 8) interrupt.abort(new Error('interrupted'));
      AbortSignal.prototype.throwIfAborted.call(signal);
    };
    expect((await gradfold([...argv, ...options], { signal })).status).toBe(1);
    expect([existsSync(partial), existsSync(at('on.arrow'))]).toEqual([true, false]);
    await json(...argv, ...options);
    expect(existsSync(partial)).toBe(false);
    const resumed = await readScoreTable(at('on.arrow'), 'loss');
    await json(...argv.with(4, at('through.arrow')), ...options);
    expect(await readScoreTable(at('through.arrow'), 'loss')).toEqual(resumed);
  });

  test('ngram', async () => {
    const arpa = '\\data\\\nngram 1=3\n\n\\1-grams:\n-0.5\t<unk>\n-0.3\tthe\n-0.2\t</s>\n\n\\end\\\n';
    await writeFile(at('lm.arpa'), arpa);
    const result = await json(
      ...[
        'score',
        'ngram',
        samples(),
        '--corpus',
        at('corpus.arrow'),
        '--arpa',
        at('lm.arpa'),
        '-o',
        at('ngram.arrow'),
      ],
    );
    expect(result).toMatchObject({ columns: { ngram: {} } });
    const { scores } = await readScoreTable(at('ngram.arrow'), 'ngram');
    // 30 words and an end: between all known and all unknown.
    expect(scores.every((score) => score > 10 ** 0.29 && score < 10 ** 0.5)).toBe(true);
  });

  test('text: all features, or some', async () => {
    const text = ['score', 'text', samples(), '--corpus', at('corpus.arrow'), '--limit', '6'];
    const all = await json(...text, '-o', at('text.arrow'));
    expect(Object.keys(all.columns as object)).toEqual(Object.keys(TEXT_FEATURES));
    const some = await json(...text, '-o', at('words.arrow'), '--features', 'words,packing_density');
    expect(some).toMatchObject({ columns: { words: { mean: 30 }, packing_density: {} } });
    const { status, stderr } = await gradfold([...text, '-o', at('none.arrow'), '--features', 'wrods']);
    expect(status).toBe(1);
    expect(stderr).toContain('feature: expected one of packing_density');
  });

  test('column', async () => {
    const column = ['score', 'column', samples(), '--corpus', at('corpus.arrow'), '--column'];
    await json(...column, 'stars', '-o', at('stars.arrow'));
    const { scores } = await readScoreTable(at('stars.arrow'), 'stars');
    expect([...new Set(scores)].sort()).toEqual([0, 1, 2, 3, 4]);
    const { status, stderr } = await gradfold([...column, 'label', '-o', at('label.arrow')]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/column "label" of document \w+-\d+: expected a finite number/);
  });

  test('combine: standardised, weighted, over the rows of all', async () => {
    const result = await gradfold([
      ...['score', 'combine', `${at('perplexity.arrow')}:loss=-1`, `${at('stars.arrow')}:stars=0.5`],
      ...['--name', 'mix', '-o', at('mix.arrow')],
    ]);
    expect(result).toMatchObject({ status: 0, stderr: '' });
    expect(result.stdout).toMatch(/mix\.arrow: 10 rows[^]*mix[^]*\d+ rows that not all files score were left out/);
    const { scores } = await readScoreTable(at('mix.arrow'), 'mix');
    expect(scores.reduce((a, b) => a + b)).toBeCloseTo(0, 10);
    expect((await gradfold(['score', 'combine', 'no-column', '-o', at('x')])).status).toBe(2);
    expect((await gradfold(['score', 'combine', 'a:b=c', '-o', at('x')])).stderr).toContain('FILE:COLUMN=WEIGHT');
  });
});
