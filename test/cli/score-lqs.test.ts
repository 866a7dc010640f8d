import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readScoreTable } from '../../lib/score/table.ts';
import { gradfold } from '../support/cli.ts';
import { tinyDocuments } from '../support/tiny-run.ts';

const BACKEND = ['--backend', 'reference'];
const SHAPE = { hidden_size: 8, intermediate_size: 12, num_hidden_layers: 1, num_attention_heads: 2 };
let dir: string;
const at = (name: string) => join(dir, name);

/** Runs a command that must succeed; resolves to its JSON. */
async function run(...argv: string[]): Promise<Record<string, unknown>> {
  const { status, stdout, stderr } = await gradfold([...argv, '--json']);
  expect(stderr.split('\n').filter((line) => line.startsWith('gradfold:'))).toEqual([]);
  expect(status).toBe(0);
  return JSON.parse(stdout) as Record<string, unknown>;
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gradfold-score-'));
  await writeFile(at('docs.jsonl'), tinyDocuments(60));
  await writeFile(at('model.json'), JSON.stringify({ model_type: 'llama', vocab_size: 280, ...SHAPE }));
  await writeFile(at('scorer.json'), JSON.stringify({ model_type: 'llama', max_position_embeddings: 12, ...SHAPE }));
  await run('ingest', at('docs.jsonl'), '-o', at('corpus.arrow'));
  for (const [out, vocabulary] of [
    ['tokens', '280'],
    ['others', '270'],
  ]) {
    await run('tokenize', at('corpus.arrow'), '-o', at(out), '--vocabulary', vocabulary, '--length', '8');
  }
  const target = ['--tokenizer', at('tokens'), '--length', '8', '--limit', '5'];
  await run('tokenize', at('corpus.arrow'), '-o', at('target'), ...target);
  await run(
    ...['score', 'lqs', at('tokens/samples.arrow'), '-o', at('lqs.arrow'), '--limit', '40', ...BACKEND],
    ...['--config', at('model.json'), '--pretrain-steps', '3', '--pretrain-batch', '4', '--steps', '2', '--batch', '4'],
    ...['--micro-batch', '3', '--target', at('target/samples.arrow'), '--target-rows', '4'],
  );
}, 120_000);
afterAll(() => rm(dir, { recursive: true }));

test('score lqs trains the annotating model when given a configuration, and keeps it', async () => {
  expect(await readdir(at('lqs.arrow.pretrain'))).toEqual(['checkpoints', 'log.jsonl', 'model']);
  expect((await readScoreTable(at('lqs.arrow'), 'lqs')).rows).toHaveLength(40);
});

test('score lqs in AdamW’s metric as well: moments of the training, of a file, or estimated', async () => {
  const lqs = (out: string, ...options: string[]) =>
    run(
      ...['score', 'lqs', at('tokens/samples.arrow'), '-o', at(out), '--limit', '20', ...BACKEND, '--metric', 'adam'],
      ...['--steps', '2', '--batch', '4', '--target-rows', '4', ...options],
    );
  const pretrain = ['--config', at('model.json'), '--pretrain-steps', '3', '--pretrain-batch', '4'];
  expect(await lqs('trained.arrow', ...pretrain)).toMatchObject({ rows: 20, columns: { lqs: {}, lqs_adam: {} } });
  const model = ['--model', at('trained.arrow.pretrain/model')];
  const checkpoint = at('trained.arrow.pretrain/checkpoints/step-000003/optimizer.safetensors');
  await lqs('saved.arrow', ...model, '--optimizer', checkpoint);
  await lqs('estimated.arrow', ...model, '--moments', '2');
  const [trained, saved, estimated] = await Promise.all(
    ['trained', 'saved', 'estimated'].map(async (name) => ({
      plain: (await readScoreTable(at(`${name}.arrow`), 'lqs')).scores,
      adam: (await readScoreTable(at(`${name}.arrow`), 'lqs_adam')).scores,
    })),
  );
  expect(saved).toEqual(trained);
  expect(estimated.plain).toEqual(trained.plain);
  expect(estimated.adam).not.toEqual(trained.adam);
  expect(trained.adam).not.toEqual(trained.plain);
  const none = ['score', 'lqs', at('tokens/samples.arrow'), '-o', at('none.arrow'), ...model, '--metric', 'adam'];
  expect(await gradfold([...none, '--moments', '0'])).toMatchObject({ status: 2 });
});

test('score lqs refuses target rows of another tokenizer', async () => {
  const { status, stderr } = await gradfold(
    [
      'score',
      'lqs',
      at('tokens/samples.arrow'),
      '-o',
      at('no.arrow'),
      '--model',
      at('lqs.arrow.pretrain/model'),
    ].concat(['--target', at('others/samples.arrow')]),
  );
  expect(status).toBe(1);
  expect(stderr).toContain('expected rows of the tokenizer of');
});

const fit = (out: string, ...options: string[]) =>
  run(
    ...['score', 'fit', at('lqs.arrow'), '--samples', at('tokens/samples.arrow'), '-o', at(out), '--steps', '4'],
    ...['--batch', '4', '--held-out', '0.3', ...BACKEND, ...options],
  );
const apply = (scorer: string, samples: string, ...options: string[]) =>
  run('score', 'apply', at(`${samples}/samples.arrow`), '--scorer', at(`${scorer}/model`), ...BACKEND, ...options);

test('a scorer is trained, applied in parts, and the parts merged to what one call gives', async () => {
  expect(await fit('scorer', '--config', at('scorer.json'))).toMatchObject({ path: at('scorer/model'), steps: 4 });
  expect((await readdir(at('scorer/model'))).sort()).toEqual([
    'config.json',
    'model.safetensors',
    'scorer.json',
    'tokenizer.json',
    'tokenizer_config.json',
  ]);
  const parts: string[] = [];
  for (const shard of ['0', '1', '2']) {
    const part = await apply('scorer', 'tokens', '-o', at('all.arrow'), '--shard', shard, '--of', '3');
    expect(part).toMatchObject({ computed: true });
    parts.push(part.path as string);
  }
  expect(await apply('scorer', 'tokens', '-o', at('all.arrow'), '--shard', '1', '--of', '3')).toMatchObject({
    path: parts[1],
    computed: false,
  });
  const merged = await run('score', 'merge', ...parts, '-o', at('all.arrow'));
  expect(merged).toMatchObject({ parts: 3, columns: ['lqs'] });
  await apply('scorer', 'tokens', '-o', at('one.arrow'));
  const [a, b] = [await readScoreTable(at('all.arrow'), 'lqs'), await readScoreTable(at('one.arrow'), 'lqs')];
  expect(a.rows).toEqual(b.rows);
  a.scores.forEach((score, i) => expect(score).toBeCloseTo(b.scores[i], 12));
  expect(await run('select', at('all.arrow'), '--top-k', '5', '-o', at('kept.arrow'))).toMatchObject({ kept: 5 });
});

test('a scorer may start from a language model, and read tokens of its own', async () => {
  const { path } = await fit('warm', '--model', at('lqs.arrow.pretrain/model'), '--pooling', 'last', '--no-bias');
  const config = JSON.parse(await readFile(join(path as string, 'config.json'), 'utf8')) as object;
  expect(config).toMatchObject({ causal: true, pooling: 'last', bias: false });

  await fit('own', '--config', at('scorer.json'), '--tokenizer', at('others'), '--causal', 'false');
  expect(await readFile(at('own/model/tokenizer.json'), 'utf8')).toBe(
    await readFile(at('others/tokenizer.json'), 'utf8'),
  );
  // The same documents, in the tokens of another tokenizer than the scorer's and in its own.
  expect(await apply('own', 'tokens', '-o', at('own.arrow'), '--split', 'validation')).toMatchObject({
    computed: true,
  });
  expect(await apply('own', 'others', '-o', at('native.arrow'), '--limit', '5')).toMatchObject({ rows: 5 });
});

test.each([
  ['score fit without a model', ['score', 'fit', 's', '--samples', 't', '-o', 'o']],
  ['a part without a number of parts', ['score', 'apply', 's', '--scorer', 'd', '-o', 'o', '--shard', '0']],
])('%s is bad usage', async (_, argv) => {
  expect((await gradfold(argv)).status).toBe(2);
});

test('a scorer whose rows have an unknown tokenizer says how to name it', async () => {
  await fit('named', '--config', at('scorer.json'));
  await mkdir(at('bare'));
  await writeFile(at('bare/samples.arrow'), await readFile(at('tokens/samples.arrow')));
  const argv = ['score', 'apply', at('bare/samples.arrow'), '--scorer', at('named/model'), '-o', at('bare.arrow')];
  expect((await gradfold([...argv, ...BACKEND])).stderr).toContain('give --samples-tokenizer');
  expect((await gradfold([...argv, ...BACKEND, '--samples-tokenizer', at('tokens')])).status).toBe(0);
});
