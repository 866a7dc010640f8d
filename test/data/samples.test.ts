import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { openCorpus, writeCorpus, type Corpus } from '../../lib/data/corpus.ts';
import { openSamples, splitOf, tokenizeCorpus, writeSamples, SPLITS, type Samples } from '../../lib/data/samples.ts';
import { trainTokenizer } from '../../lib/data/tokenizer.ts';
import { temporaryDirectory } from './helpers.ts';

const directory = temporaryDirectory();
const file = (name: string) => join(directory, name);
const FRACTIONS = { train: 0.6, proxy: 0.2, target: 0.15, validation: 0.05 };
const TEXTS = Array.from({ length: 60 }, (_, i) => 'the quick brown fox jumps over it; '.repeat(i));
const tokenizer = trainTokenizer(TEXTS, { vocabularySize: 280 });
const OPTIONS = { length: 16, seed: 3, fractions: FRACTIONS };
let corpus: Corpus;
let samples: Samples;

beforeAll(async () => {
  const documents = TEXTS.map((text, i) => ({ id: `id-${i}`, text, domain: ['a', 'b', 'c'][i % 3] }));
  await writeCorpus(file('corpus.arrow'), documents);
  corpus = await openCorpus(file('corpus.arrow'));
  samples = await tokenizeCorpus(corpus, tokenizer, OPTIONS);
});

describe('splitOf', () => {
  it('is a function of id and seed', () => {
    const draw = (seed: number) => Array.from({ length: 200 }, (_, i) => splitOf(`${i}`, seed, FRACTIONS));
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });

  it('comes near its fractions', () => {
    const count = 20_000;
    const found = { train: 0, proxy: 0, target: 0, validation: 0 };
    for (let i = 0; i < count; i++) found[splitOf(`document ${i}`, 7, FRACTIONS)]++;
    for (const split of SPLITS) {
      const sigma = Math.sqrt((FRACTIONS[split] * (1 - FRACTIONS[split])) / count);
      expect(Math.abs(found[split] / count - FRACTIONS[split])).toBeLessThan(4 * sigma);
    }
  });

  it('leaves an empty split empty and rejects shares that are none', () => {
    const fractions = { train: 1, proxy: 0, target: 0, validation: 0 };
    for (let i = 0; i < 100; i++) expect(splitOf(`${i}`, 0, fractions)).toBe('train');
    expect(() => splitOf('x', 0, { ...fractions, proxy: 0.1 })).toThrow(/sum to 1/);
    expect(() => splitOf('x', 0, { ...fractions, proxy: -0.1 })).toThrow(/fractions.proxy/);
  });
});

describe('tokenizeCorpus', () => {
  it('cuts every document into rows that put together give it back, ended', () => {
    const byDocument = new Map<number, number[]>();
    for (let i = 0; i < samples.count; i++) {
      const tokens = samples.tokens(i);
      expect(tokens.length).toBeLessThanOrEqual(16);
      byDocument.set(samples.document(i), [...(byDocument.get(samples.document(i)) ?? []), ...tokens]);
    }
    for (const [document, tokens] of byDocument) {
      const whole = [...tokenizer.encode(TEXTS[document]), tokenizer.endOfTextId!];
      // A last row of one token predicts nothing and is left out.
      expect(tokens).toEqual(whole.length % 16 === 1 ? whole.slice(0, -1) : whole);
    }
    expect(byDocument.size).toBe(TEXTS.length - 1);
  });

  it('keeps a document in one split and its domain', () => {
    for (let i = 0; i < samples.count; i++) {
      const document = samples.document(i);
      expect(samples.split(i)).toBe(splitOf(corpus.id(document), 3, FRACTIONS));
      expect(samples.domain(i)).toBe(corpus.domain(document));
    }
    const rows = SPLITS.flatMap((split) => [...samples.rows(split)]);
    expect(rows.sort((a, b) => a - b)).toEqual(Array.from({ length: samples.count }, (_, i) => i));
  });

  it('honours minTokens, maxSamplesPerDocument and limit', async () => {
    const few = await tokenizeCorpus(corpus, tokenizer, {
      ...OPTIONS,
      minTokens: 16,
      maxSamplesPerDocument: 2,
      limit: 30,
    });
    const perDocument = new Map<number, number>();
    for (let i = 0; i < few.count; i++) {
      expect(few.tokens(i).length).toBe(16);
      perDocument.set(few.document(i), (perDocument.get(few.document(i)) ?? 0) + 1);
    }
    expect(Math.max(...perDocument.values())).toBe(2);
    expect(Math.max(...perDocument.keys())).toBe(29);
  });

  it('reports its end, and stops on abort', async () => {
    const reports: unknown[] = [];
    await tokenizeCorpus(corpus, tokenizer, { ...OPTIONS, onProgress: (report) => reports.push(report) });
    expect(reports.at(-1)).toMatchObject({ documents: 60, documentsTotal: 60, samples: samples.count });
    const signal = AbortSignal.abort(new Error('stopped'));
    await expect(tokenizeCorpus(corpus, tokenizer, { ...OPTIONS, signal })).rejects.toThrow('stopped');
  });
});

describe('a samples file', () => {
  it('gives back what was written, as views into one buffer', async () => {
    await writeSamples(file('samples.arrow'), samples);
    const opened = await openSamples(file('samples.arrow'));
    expect([opened.count, opened.length]).toEqual([samples.count, samples.length]);
    for (let i = 0; i < samples.count; i++) {
      expect(opened.tokens(i)).toEqual(samples.tokens(i));
      expect(opened.document(i)).toBe(samples.document(i));
      expect(opened.domain(i)).toBe(samples.domain(i));
      expect(opened.split(i)).toBe(samples.split(i));
    }
    for (const split of SPLITS) expect(opened.rows(split)).toEqual(samples.rows(split));
    expect(opened.tokens(0).buffer).toBe(opened.tokens(1).buffer);
    expect(() => opened.tokens(samples.count)).toThrow(/sample/);
  });

  it('may be empty, and takes samples of any make', async () => {
    const none = await tokenizeCorpus(corpus, tokenizer, { ...OPTIONS, limit: 0 });
    await writeSamples(file('none.arrow'), none);
    expect((await openSamples(file('none.arrow'))).count).toBe(0);
    const own: Samples = {
      count: 1,
      length: 4,
      tokens: () => Int32Array.of(1, 2, 3),
      document: () => 9,
      domain: () => 'd',
      split: () => 'target',
      rows: () => Uint32Array.of(0),
    };
    await writeSamples(file('own.arrow'), own);
    const opened = await openSamples(file('own.arrow'));
    expect([...opened.tokens(0), opened.document(0), opened.domain(0), opened.split(0)]).toEqual([
      1,
      2,
      3,
      9,
      'd',
      'target',
    ]);
  });

  it('is told from a corpus and from a truncated file', async () => {
    await expect(openSamples(file('corpus.arrow'))).rejects.toMatchObject({ code: 'INVALID_FILE' });
    const bytes = await readFile(file('samples.arrow'));
    await writeFile(file('cut.arrow'), bytes.subarray(0, bytes.length / 2));
    await expect(openSamples(file('cut.arrow'))).rejects.toMatchObject({
      code: 'INVALID_FILE',
      message: expect.stringContaining('truncated'),
    });
  });
});
