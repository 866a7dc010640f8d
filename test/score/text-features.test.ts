import { describe, expect, it } from 'vitest';
import { TEXT_FEATURES, textFeatures, textFeatureScores } from '../../lib/score/text-features.ts';
import { columnScores } from '../../lib/score/column-scores.ts';
import type { Corpus } from '../../lib/data/corpus.ts';

const TEXT = `The cat sat on the mat. The cat sat on the mat!

Buy NOW 2024
We use cookies; see our Privacy Policy.
JavaScript is {needed} here [1][edit]...
`;

const rounded = (text: string) =>
  Object.fromEntries(Object.entries(textFeatures(text)).map(([name, value]) => [name, Number(value.toFixed(6))]));

describe('textFeatures', () => {
  it('has 23 of them, each with a definition', () => {
    const features = Object.values(TEXT_FEATURES);
    expect(features).toHaveLength(23);
    for (const { definition } of features) expect(definition).toMatch(/^[a-z]/);
  });

  it('are those counted by hand', () => {
    const characters = TEXT.length;
    expect(rounded(TEXT)).toMatchObject({
      characters,
      words: 12 + 3 + 7 + 6,
      sentences: 5,
      empty_lines: 2, // the second line, and what follows the last line break
      uppercase_fraction: Number(((2 + 4 + 3 + 2) / characters).toFixed(6)), // T T B NOW W P P J S
      digit_fraction: Number((5 / characters).toFixed(6)),
      punctuation_fraction: Number(((2 + 2 + 2 + 4 + 3) / characters).toFixed(6)),
      non_alphanumeric_fraction: Number((13 / characters).toFixed(6)),
      terminal_punctuation_lines: 0.5, // the first and the third; the last ends in an ellipsis
      short_lines: 0.25,
      few_sentences: 0,
      curly_bracket: 1,
      lorem_ipsum: 0,
      javascript_lines: 0.25,
      policy_lines: 0.25,
      citation_marks: 2,
      packing_density: 1,
      sub_sequences: 1,
    });
  });

  it('share repeated runs of words and of sentences', () => {
    const words = textFeatures('a b c d e a b c d e a b c d e');
    expect(words.duplicate_5gram_fraction).toBeCloseTo(6 / 11, 12); // 11 runs, 5 of them different
    expect(words.type_token_ratio).toBeCloseTo(1 / 3, 12);
    const sentences = textFeatures('One is. Two is. Three is. One is. Two is. Three is. ');
    expect(sentences.sentences).toBe(6);
    expect(sentences.duplicate_sentences).toBeCloseTo(1 / 4, 12); // the fourth run equals the first
  });

  it('count characters, not UTF-16 units, and know other scripts', () => {
    const features = textFeatures('Ünïcode 🙂🙂 Жук 42');
    expect(features.characters).toBe(17);
    expect(features.unique_characters).toBe(new Set('Ünïcode 🙂🙂 Жук 42').size);
    expect(features.uppercase_fraction).toBeCloseTo(2 / 17, 12);
    expect(features.non_alphanumeric_fraction).toBeCloseTo(2 / 17, 12);
    expect(features.mean_word_length).toBeCloseTo((7 + 3 + 2) / 3, 12);
  });

  it('are numbers for an empty text too', () => {
    const { packing_density, sub_sequences, few_sentences, ...rest } = textFeatures('');
    expect([packing_density, sub_sequences, few_sentences]).toEqual([1, 1, 1]);
    expect(Object.values(rest).every((value) => value === 0)).toBe(true);
  });
});

const corpus = {
  count: 2,
  id: (i: number) => `doc-${i}`,
  text: (i: number) => ['One two three.', 'Four!'][i],
  value: (column: string, i: number) => ({ stars: [4, null], label: ['ham', 'spam'] })[column]![i],
} as unknown as Corpus;
const samples = {
  document: (row: number) => [0, 0, 1, 2][row],
  tokens: (row: number) => new Int32Array(row + 1),
  length: 4,
};

describe('scores of documents', () => {
  it('are given to each row of a document, with what is the row’s own', async () => {
    const { words, packing_density } = await textFeatureScores(
      corpus,
      samples,
      [2, 0, 1],
      ['words', 'packing_density'],
    );
    expect(Array.from(words)).toEqual([1, 3, 3]);
    expect(Array.from(packing_density)).toEqual([0.75, 0.25, 0.5]);
  });

  it('may be a column of numbers', async () => {
    expect(Array.from(await columnScores(corpus, samples, [0, 1], 'stars'))).toEqual([4, 4]);
    expect(Array.from(await columnScores(corpus, samples, [1, 2], 'stars', { missing: -1 }))).toEqual([4, -1]);
  });

  it.each<[string, () => Promise<unknown>]>([
    ['feature: expected one of packing_density', () => textFeatureScores(corpus, samples, [0], ['wrods'])],
    [
      'column "stars" of document doc-1: expected a finite number, got null; say',
      () => columnScores(corpus, samples, [2], 'stars'),
    ],
    [
      'column "label" of document doc-0: expected a finite number, got "ham"',
      () => columnScores(corpus, samples, [0], 'label'),
    ],
    [
      'document of row 3: expected a row of the corpus, below 2, got 2; give the corpus',
      () => columnScores(corpus, samples, [3], 'stars'),
    ],
  ])('%s', async (message, call) => {
    await expect(call()).rejects.toThrow(message);
  });

  it('stop when they are told to', async () => {
    const busy = { ...corpus, text: () => 'word '.repeat(60_000) } as unknown as Corpus;
    const alternating = { ...samples, document: (row: number) => row % 2 };
    const controller = new AbortController();
    const call = textFeatureScores(
      busy,
      alternating,
      Array.from({ length: 50 }, (_, i) => i),
      ['words'],
      {
        signal: controller.signal,
        onProgress: () => controller.abort(new Error('enough')),
      },
    );
    await expect(call).rejects.toThrow('enough');
  });
});
