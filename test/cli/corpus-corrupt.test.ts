import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openCorpus } from '../../lib/data/corpus.ts';
import { temporaryDirectory } from '../data/helpers.ts';
import { gradfold } from '../support/cli.ts';
import { tinyDocuments } from '../support/tiny-run.ts';

const directory = temporaryDirectory();
const at = (name: string) => join(directory, name);

test('gradfold corpus corrupt labels what it did, and tokenize keeps the pieces of a document together', async () => {
  await writeFile(at('docs.jsonl'), tinyDocuments(300));
  expect((await gradfold(['ingest', at('docs.jsonl'), '-o', at('corpus.arrow')])).status).toBe(0);
  const command = ['corpus', 'corrupt', at('corpus.arrow'), '--share', '0.5', '--kinds', 'shuffle,boilerplate'];
  const run = await gradfold([...command, '--pieces', '40', '--out', at('noisy.arrow'), '--json']);
  expect(run.stderr).toBe('');
  const { documents, corruptions } = JSON.parse(run.stdout) as {
    documents: number;
    corruptions: Record<string, number>;
  };
  expect(Object.keys(corruptions)).toEqual(['none', 'shuffle', 'boilerplate']);

  const corpus = await openCorpus(at('noisy.arrow'));
  expect(corpus.count).toBe(documents);
  const found: Record<string, number> = {};
  for (let i = 0; i < corpus.count; i++) {
    const corruption = corpus.value('corruption', i) as string;
    found[corruption] = (found[corruption] ?? 0) + 1;
    expect(corpus.value('label', i)).toBe(corruption === 'none' ? 'clean' : 'corrupted');
    const mail = corpus.domain(i) === 'harbour';
    expect(corpus.value('original_label', i)).toEqual(mail ? expect.stringMatching(/^(ham|spam)$/) : null);
    expect(corpus.id(i).startsWith(`${corpus.origin(i)}#`)).toBe(true);
  }
  expect(found).toEqual(corruptions);

  const tokens = [
    'tokenize',
    at('noisy.arrow'),
    '--vocabulary',
    '280',
    '--length',
    '8',
    '--out',
    at('tokens'),
    '--json',
  ];
  const { splits } = JSON.parse((await gradfold(tokens)).stdout) as { splits: Record<string, number> };
  const rows = Object.values(splits).reduce((sum, count) => sum + count, 0);
  // Half of the pieces of train and proxy (0.85 of all) are corrupted.
  expect(Math.abs(corruptions.none / documents - (1 - 0.5 * 0.85))).toBeLessThan(0.08);
  expect(splits.train / rows).toBeGreaterThan(0.7);
});
