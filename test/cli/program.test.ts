import { access, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { COMMANDS } from '../../lib/cli/commands.ts';
import { gradfold } from '../support/cli.ts';
import { tinyDocuments } from '../support/tiny-run.ts';

let dir: string;
const at = (name: string) => join(dir, name);

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gradfold-cli-'));
  await writeFile(at('docs.jsonl'), tinyDocuments(80));
});
afterAll(() => rm(dir, { recursive: true }));

describe('help', () => {
  test.each(COMMANDS.map((command) => [command.usage.replace(/ [<[].*/, ''), command.example]))(
    '%s --help shows the common options and an example',
    async (name, example) => {
      const { status, stdout } = await gradfold([...name.split(' '), '--help']);
      expect(status).toBe(0);
      expect(stdout).toContain(example);
      for (const flag of ['--json', '--seed', '--limit']) expect(stdout).toContain(flag);
    },
  );
});

describe('bad usage has exit status 2 and leaves standard output empty', () => {
  test.each([
    ['no command', []],
    ['an unknown command', ['selct']],
    ['an unknown option', ['doctor', '--jason']],
    ['a missing argument', ['score', 'lqs']],
    ['a group without a command', ['score']],
    ['neither model nor configuration', ['score', 'lqs', 'samples.arrow', '-o', 's']],
    ['a missing option', ['ingest', 'x.jsonl']],
    ['an option that is no number', ['select', 's.arrow', '-o', 'p', '--top-k', 'many']],
    ['two selections at once', ['select', 's.arrow', '-o', 'p', '--top-k', '3', '--above', '0']],
    ['an unknown corruption', ['corpus', 'corrupt', 'c.arrow', '-o', 'p', '--kinds', 'shuffle,ocr']],
    ['a value outside the choices', ['order', 's.arrow', '-o', 'p', '--method', 'sideways']],
  ])('%s', async (_, argv) => {
    const { status, stdout, stderr } = await gradfold(argv);
    expect(status).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).not.toBe('');
  });

  test('a command that is nearly right is suggested', async () => {
    expect((await gradfold(['selct'])).stderr).toContain('Did you mean select?');
  });
});

describe('failures', () => {
  test('have exit status 1 and one line without a stack', async () => {
    const { status, stdout, stderr } = await gradfold(['select', at('nothing.arrow'), '-o', at('p'), '--top-k', '3']);
    expect(status).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^gradfold: .*nothing\.arrow.*\n$/);
  });

  test('a corrupt line is named by number, and skipped when asked', async () => {
    await writeFile(at('bad.jsonl'), `${tinyDocuments(2)}{"id": \n`);
    const failed = await gradfold(['ingest', at('bad.jsonl'), '-o', at('bad.arrow')]);
    expect(failed.status).toBe(1);
    expect(failed.stderr).toMatch(/bad\.jsonl.*3/);
    await expect(access(at('bad.arrow'))).rejects.toThrow();
    const skipped = await gradfold(['ingest', at('bad.jsonl'), '-o', at('bad.arrow'), '--on-error', 'skip', '--json']);
    expect(JSON.parse(skipped.stdout)).toMatchObject({ documents: 2, skipped: 1 });
  });

  test('an output that exists is refused without --force', async () => {
    await writeFile(at('taken.arrow'), 'mine');
    const refused = await gradfold(['ingest', at('docs.jsonl'), '-o', at('taken.arrow')]);
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain('--force');
    expect((await gradfold(['ingest', at('docs.jsonl'), '-o', at('taken.arrow'), '--force'])).status).toBe(0);
  });

  test('--force removes nothing but what the command itself would write', async () => {
    await mkdir(at('mine'));
    await writeFile(at('mine/notes.txt'), 'mine');
    const corpus = at('taken.arrow');
    const file = await gradfold(['corpus', 'corrupt', corpus, '-o', at('mine'), '--force']);
    expect([file.status, file.stderr]).toEqual([1, expect.stringContaining('--out: expected a file')]);
    const ingest = (out: string) =>
      gradfold(['ingest', at('docs.jsonl'), '-o', out, '--shard-documents', '50', '--force']);
    expect((await ingest(at('mine'))).stderr).toContain('got "notes.txt"; move it away');
    expect([(await ingest(at('shards'))).status, (await ingest(at('shards'))).status]).toEqual([0, 0]);

    const tokenize = (...flags: string[]) =>
      gradfold(['tokenize', corpus, '-o', at('rows'), '--vocabulary', '280', '--length', '8', ...flags]);
    expect((await tokenize()).status).toBe(0);
    expect((await tokenize()).stderr).toContain('exists already');
    expect((await tokenize('--force')).status).toBe(0);
    await writeFile(at('rows/notes.txt'), 'mine');
    expect((await tokenize('--force')).stderr).toContain('got "notes.txt"; move it away');
    expect((await readdir(at('rows'))).sort()).toEqual([
      ...['notes.txt', 'samples.arrow', 'tokenizer.json', 'tokenizer_config.json'],
    ]);
    expect(await readdir(at('mine'))).toEqual(['notes.txt']);
  });

  test('an interrupted command says so and leaves no output', async () => {
    const signal = AbortSignal.abort(new Error('interrupted'));
    const { status, stderr } = await gradfold(['ingest', at('docs.jsonl'), '-o', at('never.arrow')], { signal });
    expect(status).toBe(1);
    expect(stderr).toContain('interrupted');
    await expect(access(at('never.arrow'))).rejects.toThrow();
  });
});

test('doctor --json lists every backend with a reason where there is none', async () => {
  const { status, stdout } = await gradfold(['doctor', '--json']);
  expect(status).toBe(0);
  const { backends } = JSON.parse(stdout) as { backends: { name: string; available: boolean; reason?: string }[] };
  expect(backends.map(({ name }) => name)).toEqual(['cuda', 'cpu', 'reference']);
  for (const { available, reason } of backends) expect(available || reason).toBeTruthy();
});

test('the commands make a training out of documents, step by step, with JSON output', async () => {
  const json = async (...argv: string[]): Promise<Record<string, unknown>> => {
    const { status, stdout, stderr } = await gradfold([...argv, '--json']);
    expect(stderr.split('\n').filter((line) => line.startsWith('gradfold:'))).toEqual([]);
    expect(status).toBe(0);
    return JSON.parse(stdout) as Record<string, unknown>;
  };
  const backend = ['--backend', 'reference'];
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
  expect(await json('ingest', at('docs.jsonl'), '-o', at('corpus.arrow'))).toMatchObject({ documents: 80 });
  await json('tokenize', at('corpus.arrow'), '-o', at('tokens'), '--vocabulary', '280', '--length', '8');
  const samples = at('tokens/samples.arrow');

  // A first plan over the rows themselves, to have a model to score with.
  await writeScores(at('flat.arrow'), 40);
  await json('order', at('flat.arrow'), '-o', at('first.arrow'), '--method', 'shuffle', '--seed', '3');
  const training = ['--samples', samples, '--batch', '4', '--steps', '3', ...backend];
  await json('train', at('first.arrow'), '-o', at('first'), '--config', at('config.json'), ...training);
  const scored = await json(
    ...['score', 'lqs', samples, '--model', at('first/model'), '-o', at('scores.arrow'), '--limit', '20'],
    ...['--steps', '2', '--batch', '4', '--target-rows', '4', ...backend],
  );
  expect(scored).toMatchObject({ rows: 20 });
  expect(await json('select', at('scores.arrow'), '--top-ratio', '0.5', '-o', at('kept.arrow'))).toMatchObject({
    kept: 10,
    of: 20,
  });
  const ordered = ['order', at('scores.arrow'), '--plan', at('kept.arrow'), '-o', at('plan.arrow')];
  expect(await json(...ordered)).toMatchObject({ rows: 10, method: 'fold' });
  expect(
    await json('train', at('plan.arrow'), '-o', at('second'), '--model', at('first/model'), ...training),
  ).toMatchObject({
    steps: 3,
  });
  const report = await json('evaluate', samples, '--model', at('second/model'), '--limit', '8', ...backend);
  expect(report).toMatchObject({ overall: { samples: 8 } });
});

async function writeScores(path: string, rows: number): Promise<void> {
  const { writeScoreTable } = await import('../../lib/score/table.ts');
  await writeScoreTable(
    path,
    Uint32Array.from({ length: rows }, (_, i) => i),
    { lqs: new Float64Array(rows) },
  );
}
