import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openCorpus, type Corpus } from '../../lib/data/corpus.ts';
import { openSamples, type Samples } from '../../lib/data/samples.ts';
import { readScoreTable, writeScoreTable } from '../../lib/score/table.ts';
import { gradfold } from '../support/cli.ts';
import { tinyDocuments } from '../support/tiny-run.ts';

let dir: string;
let samples: Samples;
let corpus: Corpus;
const at = (name: string) => join(dir, name);
const scoreOf = (row: number): number => ((row * 7919) % 101) / 7;

async function run(...argv: string[]): Promise<Record<string, unknown>> {
  const { status, stdout, stderr } = await gradfold([...argv, '--json']);
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return JSON.parse(stdout) as Record<string, unknown>;
}

const documents = (out: string, ...more: string[]) => [
  ...['score', 'documents', at('scores.arrow'), '--samples', at('tokens/samples.arrow')],
  ...['--corpus', at('corpus.arrow'), '--out', at(out), ...more],
];

/** By document, the scored rows that it has. */
function rowsByDocument(): Map<number, number[]> {
  const found = new Map<number, number[]>();
  for (const row of samples.rows('train')) {
    found.set(samples.document(row), [...(found.get(samples.document(row)) ?? []), row]);
  }
  return found;
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gradfold-documents-'));
  await writeFile(at('docs.jsonl'), tinyDocuments(40));
  expect((await gradfold(['ingest', at('docs.jsonl'), '-o', at('corpus.arrow')])).status).toBe(0);
  const tokenize = ['tokenize', at('corpus.arrow'), '-o', at('tokens'), '--vocabulary', '280', '--length', '8'];
  expect((await gradfold(tokenize)).status).toBe(0);
  samples = await openSamples(at('tokens/samples.arrow'));
  corpus = await openCorpus(at('corpus.arrow'));
  const rows = samples.rows('train');
  await writeScoreTable(at('scores.arrow'), rows, {
    rater: Float64Array.from(rows, scoreOf),
    other: new Float64Array(rows.length).fill(3),
  });
}, 60_000);
afterAll(() => rm(dir, { recursive: true }));

test('each document has the mean over its scored rows, or null; all else stays', async () => {
  const result = await run(...documents('scored.arrow'));
  const scored = await openCorpus(at('scored.arrow'));
  const rows = rowsByDocument();
  expect(result).toMatchObject({ documents: corpus.count, weigh: 'row', columns: { rater: { documents: rows.size } } });
  expect([...scored.columns].sort()).toEqual([...corpus.columns, 'rater', 'other'].sort());
  for (let i = 0; i < corpus.count; i++) {
    for (const column of corpus.columns) expect(scored.value(column, i)).toEqual(corpus.value(column, i));
    const own = rows.get(i);
    if (own === undefined) expect(scored.value('rater', i)).toBeNull();
    else expect(scored.value('rater', i)).toBeCloseTo(own.reduce((sum, row) => sum + scoreOf(row), 0) / own.length, 9);
    expect(scored.value('other', i)).toBe(own === undefined ? null : 3);
  }
  expect(rows.size).toBeLessThan(corpus.count);
});

test('--weigh token weighs rows by their tokens, --columns takes some columns', async () => {
  await run(...documents('weighted.arrow', '--weigh', 'token', '--columns', 'rater'));
  const scored = await openCorpus(at('weighted.arrow'));
  expect([...scored.columns].sort()).toEqual([...corpus.columns, 'rater'].sort());
  const uneven = [...rowsByDocument()].filter(
    ([, rows]) => new Set(rows.map((row) => samples.tokens(row).length)).size > 1,
  );
  expect(uneven.length).toBeGreaterThan(0);
  for (const [document, rows] of uneven) {
    const tokens = rows.map((row) => samples.tokens(row).length);
    const total = tokens.reduce((sum, n) => sum + n, 0);
    const mean = rows.reduce((sum, row, i) => sum + scoreOf(row) * tokens[i], 0) / total;
    expect(scored.value('rater', document)).toBeCloseTo(mean, 9);
  }
});

test('the column is one that `score column` scores rows by', async () => {
  await run(...documents('again.arrow'));
  const argv = ['score', 'column', at('tokens/samples.arrow'), '--corpus', at('again.arrow'), '--column', 'rater'];
  await run(...argv, '--out', at('again-scores.arrow'));
  const { rows, scores } = await readScoreTable(at('again-scores.arrow'), 'rater');
  const again = await openCorpus(at('again.arrow'));
  rows.forEach((row, i) => expect(scores[i]).toBe(again.value('rater', samples.document(row))));
});

test('it says what is wrong', async () => {
  const said = async (...argv: string[]) => (await gradfold(argv)).stderr;
  await run(...documents('once.arrow'));
  expect(await said(...documents('once.arrow'))).toContain('exists already');
  const twice = documents('twice.arrow').map((arg) => (arg === at('corpus.arrow') ? at('once.arrow') : arg));
  expect(await said(...twice)).toContain('expected no column "rater", it has one');
  expect(await said(...documents('no.arrow', '--columns', 'lqs'))).toContain('(rater, other), got lqs');
  const both = documents('no.arrow');
  both.splice(3, 0, at('scores.arrow'));
  expect(await said(...both)).toContain('column "rater": expected it in one file');
  await writeScoreTable(at('strange.arrow'), Uint32Array.of(5, samples.count), { rater: Float64Array.of(1, 2) });
  const strange = documents('no.arrow').map((arg) => (arg === at('scores.arrow') ? at('strange.arrow') : arg));
  expect(await said(...strange)).toContain(`row of ${at('strange.arrow')}: expected below ${samples.count}`);
});
