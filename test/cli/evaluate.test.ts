import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PrefixEvaluation } from '../../lib/evaluate/harness.ts';
import { gradfold, type CliResult } from '../support/cli.ts';
import { tinyUrlDocuments } from '../support/tiny-run.ts';

let dir: string;
const at = (path: string): string => join(dir, path);
const REFERENCE = ['--backend', 'reference'];
const CONFIG = {
  model_type: 'llama',
  vocab_size: 280,
  hidden_size: 8,
  intermediate_size: 12,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  max_position_embeddings: 64,
};

async function ok(argv: string[]): Promise<CliResult> {
  const result = await gradfold(argv);
  expect(result.stderr).not.toContain('gradfold:');
  expect(result.status).toBe(0);
  return result;
}

/** Corpus, rows with and without metadata, and a model trained on both for a few steps. */
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gradfold-evaluate-'));
  await writeFile(at('docs.jsonl'), tinyUrlDocuments(60));
  await writeFile(at('config.json'), JSON.stringify(CONFIG));
  await ok(['ingest', at('docs.jsonl'), '-o', at('corpus.arrow')]);
  await ok(['tokenize', at('corpus.arrow'), '--vocabulary', '280', '--length', '24', '-o', at('tokens')]);
  await ok(['condition', at('corpus.arrow'), '--tokenizer', at('tokens'), '--length', '32', '-o', at('rows')]);
}, 120_000);
afterAll(() => rm(dir, { recursive: true }));

const training = (out: string, ...more: string[]): string[] => [
  ...['train', '--samples', at('rows/conditioned'), '--config', at('config.json'), '-o', at(out)],
  ...['--steps', '10', '--batch', '2', '--checkpoint-every', '4', '--lr', '0.01', ...REFERENCE, ...more],
];

describe('train --cooldown', () => {
  test('trains on both tables, and again to the same model', async () => {
    await ok(training('run', '--cooldown', '0.2'));
    await ok(training('again', '--cooldown', '0.2', '--plain', at('rows/plain')));
    const [a, b] = await Promise.all(['run', 'again'].map((name) => readFile(at(`${name}/model/model.safetensors`))));
    expect(a.equals(b)).toBe(true);
    await ok(training('mixed', '--cooldown', '0.2', '--mixed'));
    await ok(training('metadata-only'));
    const others = await Promise.all(
      ['mixed', 'metadata-only'].map((name) => readFile(at(`${name}/model/model.safetensors`))),
    );
    for (const other of others) expect(other.equals(a)).toBe(false);
    const log = (await readFile(at('run/log.jsonl'), 'utf8')).trimEnd().split('\n');
    const rates = log.map((line) => (JSON.parse(line) as { lr: number }).lr);
    expect(rates).toEqual([...rates].sort((x, y) => y - x)); // one cosine, no restart
    expect(new Set(rates).size).toBe(10);
  }, 60_000);

  test('plain rows of documents that were seen are left out, and an empty rest is an error', async () => {
    const { status, stderr } = await gradfold(
      training('seen', '--cooldown', '0.2', '--plain', at('rows/conditioned'), '--steps', '300'),
    );
    expect(stderr).toContain('plain rows: expected some of documents that the first stage does not read');
    expect(status).toBe(1);
  });

  test('plain rows of another corpus are refused, packed or not', async () => {
    await writeFile(at('others.jsonl'), tinyUrlDocuments(61));
    await ok(['ingest', at('others.jsonl'), '-o', at('others.arrow')]);
    await ok(['condition', at('others.arrow'), '--tokenizer', at('tokens'), '--length', '32', '-o', at('others')]);
    await ok(['tokenize', at('others.arrow'), '--tokenizer', at('tokens'), '--length', '32', '-o', at('flat')]);
    for (const plain of ['others/plain', 'flat/samples.arrow']) {
      const { status, stderr } = await gradfold(training('other', '--cooldown', '0.2', '--plain', at(plain)));
      expect(stderr).toContain('plain rows (--plain): expected rows of the corpus that the others are of');
      expect(status).toBe(1);
    }
    await ok(['tokenize', at('corpus.arrow'), '--tokenizer', at('tokens'), '--length', '32', '-o', at('same')]);
    await ok(training('flat-run', '--cooldown', '0.2', '--plain', at('same/samples.arrow')));
  });

  test('says what --plain is for where there are no plain rows', async () => {
    const training = [
      'train',
      '--samples',
      at('tokens/samples.arrow'),
      '--config',
      at('config.json'),
      '-o',
      at('none'),
    ];
    const { status, stderr } = await gradfold([...training, '--cooldown', '0.2', ...REFERENCE]);
    expect(stderr).toMatch(
      /--plain: expected the plain rows of --cooldown, or .*tokens\/plain, got .*gradfold condition/,
    );
    expect(status).toBe(1);
  });

  test.each([
    [['--plain', 'x'], 'give --cooldown'],
    [['--mixed'], 'give --cooldown'],
    [['--cooldown', '0.2', '--in-run'], 'leave it or --cooldown out'],
  ])('%j is bad usage', async (more, message) => {
    const { status, stderr } = await gradfold(training('bad', ...more));
    expect(stderr).toContain(message);
    expect(status).toBe(2);
  });
});

describe('evaluate', () => {
  const model = () => ['--model', at('run/model'), ...REFERENCE];

  test('plain rows give a report by domain, as ever', async () => {
    const { stdout } = await ok(['evaluate', at('tokens/samples.arrow'), ...model(), '--split', 'train', '--json']);
    const { overall, domains } = JSON.parse(stdout) as { overall: { loss: number }; domains: object };
    expect(overall.loss).toBeGreaterThan(0);
    expect(Object.keys(domains).sort()).toEqual(['garden', 'harbour']);
  });

  test('prefixes and questions make a table of prefixes × tasks', async () => {
    await ok([
      ...['questions', at('tokens/samples.arrow'), '--corpus', at('corpus.arrow'), '--split', 'train'],
      ...['--passage-words', '6', '--continuation-words', '3', '--choices', '3', '--limit', '9', '-o', at('q.jsonl')],
    ]);
    expect((await readFile(at('q.jsonl'), 'utf8')).trimEnd().split('\n')).toHaveLength(9);
    const argv = [
      ...['evaluate', at('tokens/samples.arrow'), ...model(), '--prefix', String.raw`URL: garden.example.org\n\n`],
      ...['--prefix', 'x', '--choices', at('q.jsonl'), '--shots', '1', '--limit', '6'],
    ];
    const { stdout } = await ok(argv);
    expect(stdout).toContain(String.raw`"URL: garden.example.org\n\n"`);
    expect(stdout).toMatch(/q\.jsonl, raw +6 +33\.3 %/);
    expect(stdout).toMatch(/all tokens/);
    const found = JSON.parse((await ok([...argv, '--json'])).stdout) as PrefixEvaluation[];
    expect(found.map(({ prefix }) => prefix)).toEqual([null, 'URL: garden.example.org\n\n', 'x']);
    expect(new Set(found.map(({ perplexity }) => perplexity!.overall.tokens)).size).toBe(1);
    expect(found[0].choices['q.jsonl'].results).toHaveLength(6);
  }, 60_000);

  test('rows with metadata of their own take those of the prefix instead', async () => {
    const prefixed = async (table: string, prefix: string) => {
      const argv = ['evaluate', at(`rows/${table}`), ...model(), '--prefix', prefix, '--json'];
      const [, { perplexity }] = JSON.parse((await ok(argv)).stdout) as PrefixEvaluation[];
      return perplexity!.overall;
    };
    const host = String.raw`URL: garden.example.org\n\n`;
    expect(await prefixed('conditioned', host)).toEqual(await prefixed('plain', host));
  }, 60_000);

  test('questions alone need no samples, but one of the two', async () => {
    const { stdout } = await ok(['evaluate', ...model(), '--choices', at('q.jsonl'), '--tokenizer', at('tokens')]);
    expect(stdout).not.toContain('perplexity');
    const { status, stderr } = await gradfold(['evaluate', ...model()]);
    expect([status, stderr]).toEqual([2, expect.stringContaining('give samples, or --choices, or both')]);
    const none = await gradfold(['evaluate', ...model(), '--choices', at('q.jsonl'), '--tokenizer', at('nowhere')]);
    expect(none.status).toBe(1);
  });
});

describe('generate', () => {
  test('shows the texts under every prefix side by side', async () => {
    const argv = [
      ...['generate', at('run/model'), '--prompt', 'the rose', '--prefix', String.raw`URL: a.org\n\n`],
      ...['--tokens', '5', '--tokenizer', at('tokens'), ...REFERENCE],
    ];
    const { stdout } = await ok(argv);
    expect(stdout).toMatch(/^"the rose"\nno prefix +│ "URL: a\.org\\n\\n"\n─+ +│ ─+\n/);
    const texts = JSON.parse((await ok([...argv, '--samples', '2', '--json'])).stdout) as object[];
    expect(texts).toHaveLength(4);
    expect(texts[3]).toMatchObject({ prompt: 'the rose', prefix: 'URL: a.org\n\n', sample: 1 });
  }, 60_000);

  test('without a tokenizer near the model it asks for one', async () => {
    const { status, stderr } = await gradfold(['generate', at('nowhere/else/entirely/model')]);
    expect([status, stderr]).toEqual([2, expect.stringContaining('give --tokenizer')]);
  });
});
