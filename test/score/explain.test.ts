import { describe, expect, it } from 'vitest';
import type { Corpus } from '../../lib/data/corpus.ts';
import type { Samples } from '../../lib/data/samples.ts';
import { explainScores } from '../../lib/score/explain.ts';
import { keptByDomain, rowsKept } from '../../lib/score/explain-domains.ts';
import { textFeatures } from '../../lib/score/text-features.ts';

const WORDS = ['apple', 'Berry', 'cat', 'dog42', 'eel,', 'FIG', 'goat.', 'hen', 'ink!', 'jam'];

/** Document d: 5 to 64 words that d decides. */
const textOf = (d: number) =>
  Array.from({ length: 5 + ((d * 37) % 60) }, (_, w) => WORDS[(w * (d + 3) + ((d * w) % 7)) % WORDS.length]).join(' ');

/** Two rows a document; every third document is mail. */
function data(documents: number) {
  const corpus = {
    count: documents,
    columns: ['id', 'text', 'domain'],
    text: textOf,
    id: (d: number) => `d${d}`,
    domain: (d: number) => (d % 3 === 0 ? 'mail' : 'books'),
  } as unknown as Corpus;
  const samples = {
    count: 2 * documents,
    length: 16,
    document: (row: number) => row >> 1,
    domain: (row: number) => corpus.domain(row >> 1),
    tokens: (row: number) => new Int32Array(8 + ((row * 5) % 9)),
  } as unknown as Samples;
  const rows = Uint32Array.from({ length: 2 * documents }, (_, row) => row);
  return { corpus, samples, rows };
}

/** Scores by a property of the document; its two rows lie on both sides of it. */
function table({ rows }: { rows: Uint32Array }, valueOf: (document: number) => number) {
  return { rows, scores: Float64Array.from(rows, (row) => valueOf(row >> 1) + (row % 2 ? 1 : -1)) };
}

describe('explainScores', () => {
  it('finds the heuristic that scores were made from', async () => {
    const all = data(120);
    const scores = table(all, (d) => 100 * textFeatures(textOf(d)).uppercase_fraction);
    const { features, ols, lasso, lassoR2, documents, notes } = await explainScores(all.corpus, all.samples, scores);
    expect(documents).toBe(120);
    const [first, second] = features;
    expect(first.name).toBe('uppercase_fraction');
    expect(first.pearson).toBeCloseTo(1, 12);
    expect(first.spearman).toBeCloseTo(1, 12);
    expect(Math.abs(second.spearman!)).toBeLessThan(0.9);
    expect(first.ols).toBeCloseTo(1, 9);
    expect(ols.r2).toBeCloseTo(1, 12);
    expect(ols.adjustedR2).toBeCloseTo(1, 12);
    expect(lassoR2).toBeGreaterThan(0.99);
    expect(lasso!.folds).toBe(10);
    expect(features.filter(({ lasso }) => lasso !== null && Math.abs(lasso) > 0.05).map(({ name }) => name)).toEqual([
      'uppercase_fraction',
    ]);
    expect(notes[0]).toContain('sub_sequences');
    expect(features.at(-1)).toMatchObject({ leftOut: 'constant', pearson: null, spearman: null, ols: null });
  });

  it('shows domains, what is kept of them, and the extreme documents with their text', async () => {
    const all = data(30);
    const scores = table(all, (d) => (d % 3 === 0 ? 100 : 0) + d);
    const result = await explainScores(all.corpus, all.samples, scores, { shown: 2, rhos: [0.5, 0.9] });
    expect(result.best.map(({ id, score }) => [id, score])).toEqual([
      ['d27', 127],
      ['d24', 124],
    ]);
    expect(result.worst.map(({ id }) => id)).toEqual(['d1', 'd2']);
    expect(result.best[0]).toMatchObject({ domain: 'mail', label: null, text: textOf(27) });
    expect(result.domains.map(({ domain, rows }) => [domain, rows])).toEqual([
      ['books', 40],
      ['mail', 20],
    ]);
    expect(result.domains[1].mean).toBeCloseTo(113.5, 12);
    // 30 of 60 rows: all 20 of mail and 10 of books; 6 rows: of mail alone.
    expect(result.kept).toEqual([
      { rho: 0.5, rows: 30, domains: { books: 0.25, mail: 1 } },
      { rho: 0.9, rows: 6, domains: { books: 0, mail: 0.3 } },
    ]);
    expect(result.domainR2).toBeGreaterThan(0.9);
  });

  it('takes rows in any order and documents that were scored in part', async () => {
    const all = data(40);
    const scores = table(all, (d) => textOf(d).length);
    const some = [...scores.rows.keys()].filter((row) => row % 4 !== 1).reverse();
    const shuffled = { rows: Uint32Array.from(some), scores: Float64Array.from(some, (row) => scores.scores[row]) };
    const sorted = { rows: shuffled.rows.slice().reverse(), scores: shuffled.scores.slice().reverse() };
    const a = await explainScores(all.corpus, all.samples, shuffled);
    expect(a).toEqual(await explainScores(all.corpus, all.samples, sorted));
    expect(a.documents).toBe(40);
  });

  it.each([4, 12])('says what %d documents are too few for, without a NaN', async (documents) => {
    const all = data(documents);
    const result = await explainScores(
      all.corpus,
      all.samples,
      table(all, (d) => (d * d) % 11),
    );
    expect(result.ols.adjustedR2).toBeNull();
    expect(result.lasso).toBeNull();
    expect(result.notes.join(' ')).toMatch(/too few .*needs 20 documents/s);
    expect(JSON.stringify(result)).toBe(
      JSON.stringify(result, (_, value: unknown) =>
        Number.isFinite(value) || typeof value !== 'number' ? value : 'NaN',
      ),
    );
  });

  it('refuses scores that have nothing to explain', async () => {
    const all = data(20);
    const explain = (scores: { rows: Uint32Array; scores: Float64Array }) =>
      explainScores(all.corpus, all.samples, scores);
    await expect(explain(table(all, () => 3))).rejects.toThrow(
      'scores of documents: expected values that differ, got 3',
    );
    await expect(explain({ rows: Uint32Array.of(0, 1, 2), scores: Float64Array.of(1, 2, 3) })).rejects.toThrow(
      'documents of the scored rows: expected three or more, got 2',
    );
    await expect(explain({ rows: Uint32Array.of(0, 2, 4, 4), scores: Float64Array.of(1, 2, 3, 4) })).rejects.toThrow(
      'each row once, got 4',
    );
    await expect(explain({ rows: Uint32Array.of(0, 2, 4), scores: Float64Array.of(1, 2, Infinity) })).rejects.toThrow(
      'score of row 4 in the table: expected a finite number',
    );
  });
});

describe('rowsKept', () => {
  it('rounds to whole rows, and keeps one at least', () => {
    expect([0, 0.1, 0.25, 0.9, 1].map((rho) => rowsKept(10, rho))).toEqual([10, 9, 8, 1, 1]);
    expect(() => rowsKept(10, 1.5)).toThrow('rho');
  });

  it('keeps nested sets of rows as ρ falls', () => {
    const all = data(50);
    const kept = keptByDomain(
      all.samples,
      table(all, (d) => (d * 17) % 50),
    );
    kept.slice(1).forEach(({ domains }, i) => {
      for (const [domain, share] of Object.entries(domains)) expect(share).toBeLessThanOrEqual(kept[i].domains[domain]);
    });
  });
});
