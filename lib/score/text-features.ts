import { invalid } from '../check.ts';
import type { Corpus } from '../data/corpus.ts';
import type { Samples } from '../data/samples.ts';
import { documentScores, type DocumentScoreOptions } from './document-scores.ts';
import { ratio, TextView } from './text-view.ts';

/** A row's place in the data, beside its document's text. */
export interface RowFacts {
  /** Tokens of the row. */
  tokens: number;
  /** Tokens that there is room for in a row. */
  capacity: number;
  /** Documents in the row: more than one where rows are packed. */
  documents: number;
}

/** One heuristic, of a document's text or of a row, with what it is in one line. */
export type TextFeature = { definition: string } & (
  { ofText(view: TextView): number } | { ofRow(row: RowFacts): number }
);

const POLICY = /terms of use|privacy policy|cookie policy|uses cookies|use of cookies|use cookies/i;
/** Words a line must have in C4. */
const WORDS_PER_LINE = 5;
/** Sentences a page must have in C4. */
const SENTENCES_PER_PAGE = 3;

/**
 * 23 heuristics of a document and its row, by name: those against which DataRater's scores were explained (Calian et al.
 * 2025, appendix; its program is not published, the definitions are these), the last nine after the rules that made C4
 * (Raffel et al. 2020). A share of nothing is 0; a condition is 1 where it holds, else 0.
 */
export const TEXT_FEATURES: Readonly<Record<string, TextFeature>> = {
  packing_density: {
    definition: 'tokens of the row as a share of those that it has room for',
    ofRow: ({ tokens, capacity }) => ratio(tokens, capacity),
  },
  sub_sequences: { definition: 'documents in the row', ofRow: ({ documents }) => documents },
  characters: { definition: 'characters (code points)', ofText: ({ characters }) => characters.all },
  words: {
    definition: 'runs of letters and digits, apostrophes within them included',
    ofText: ({ words }) => words.length,
  },
  sentences: {
    definition: 'stretches with a letter or digit that end in . ! ? … or with the line',
    ofText: ({ sentences }) => sentences.length,
  },
  empty_lines: {
    definition: 'lines without anything but white space',
    ofText: ({ lines }) => lines.filter((line) => line === '').length,
  },
  unique_characters: { definition: 'different characters', ofText: ({ characters }) => characters.distinct },
  type_token_ratio: {
    definition: 'different words, in lower case, as a share of all',
    ofText: ({ words }) => ratio(new Set(words).size, words.length),
  },
  non_alphanumeric_fraction: {
    definition: 'share of characters that are neither letter, mark, number nor white space',
    ofText: ({ characters }) => ratio(characters.symbol, characters.all),
  },
  uppercase_fraction: {
    definition: 'share of characters that are capital letters',
    ofText: ({ characters }) => ratio(characters.upper, characters.all),
  },
  punctuation_fraction: {
    definition: 'share of characters that are punctuation',
    ofText: ({ characters }) => ratio(characters.punctuation, characters.all),
  },
  digit_fraction: {
    definition: 'share of characters that are decimal digits',
    ofText: ({ characters }) => ratio(characters.digit, characters.all),
  },
  mean_word_length: {
    definition: 'mean length of a word, in UTF-16 units',
    ofText: ({ words }) =>
      ratio(
        words.reduce((sum, word) => sum + word.length, 0),
        words.length,
      ),
  },
  duplicate_5gram_fraction: {
    definition: 'share of runs of five words, in lower case, that came before in the text',
    ofText: ({ words }) => repeatedShare(words, 5),
  },
  terminal_punctuation_lines: {
    definition: 'share of lines that end in . ? ! or a closing quotation mark, but not in ...',
    ofText: (view) => view.lineShare((line) => /[.?!"”]$/.test(line) && !line.endsWith('...')),
  },
  short_lines: {
    definition: `share of lines of fewer than ${WORDS_PER_LINE} words between white space`,
    ofText: (view) => view.lineShare((line) => line.split(/\s+/).length < WORDS_PER_LINE),
  },
  few_sentences: {
    definition: `whether there are fewer than ${SENTENCES_PER_PAGE} sentences`,
    ofText: ({ sentences }) => Number(sentences.length < SENTENCES_PER_PAGE),
  },
  curly_bracket: { definition: 'whether there is a curly bracket', ofText: ({ text }) => Number(/[{}]/.test(text)) },
  lorem_ipsum: {
    definition: 'whether there is "lorem ipsum"',
    ofText: ({ text }) => Number(/lorem ipsum/i.test(text)),
  },
  javascript_lines: {
    definition: 'share of lines with the word javascript',
    ofText: (view) => view.lineShare((line) => /javascript/i.test(line)),
  },
  policy_lines: {
    definition: 'share of lines about terms of use, a privacy policy or cookies',
    ofText: (view) => view.lineShare((line) => POLICY.test(line)),
  },
  citation_marks: {
    definition: 'marks such as [1], [edit] and [citation needed]',
    ofText: ({ text }) => text.match(/\[(?:\d+|edit|citation needed)\]/gi)?.length ?? 0,
  },
  duplicate_sentences: {
    definition: 'share of runs of three sentences that came before in the text',
    ofText: ({ sentences }) => repeatedShare(sentences, 3),
  },
};

/** Share of runs of n items that are equal to an earlier one. */
function repeatedShare(items: readonly string[], n: number): number {
  const runs = items.length - n + 1;
  if (runs <= 0) return 0;
  const seen = new Set<string>();
  for (let i = 0; i < runs; i++) seen.add(items.slice(i, i + n).join('\u0000'));
  return 1 - seen.size / runs;
}

/** A row that one document fills. */
const WHOLE: RowFacts = { tokens: 1, capacity: 1, documents: 1 };

/** All 23 features of a text, by name; those of a row as if the text filled one. */
export function textFeatures(text: string): Record<string, number> {
  const view = new TextView(text);
  return Object.fromEntries(
    Object.entries(TEXT_FEATURES).map(([name, feature]) => [
      name,
      'ofText' in feature ? feature.ofText(view) : feature.ofRow(WHOLE),
    ]),
  );
}

/**
 * Features of each row and its document, one array a feature [rows].
 * @param names default: all of them
 * @throws GradfoldError INVALID_ARGUMENT for an unknown feature; as documentScores.
 */
export async function textFeatureScores(
  corpus: Corpus,
  samples: Pick<Samples, 'document' | 'tokens' | 'length'>,
  rows: ArrayLike<number>,
  names: readonly string[] = Object.keys(TEXT_FEATURES),
  options: DocumentScoreOptions = {},
): Promise<Record<string, Float64Array>> {
  const features = names.map((name) => {
    if (Object.hasOwn(TEXT_FEATURES, name)) return TEXT_FEATURES[name];
    throw invalid('feature', `one of ${Object.keys(TEXT_FEATURES).join(', ')}`, name);
  });
  const ofDocument = (document: number) => {
    const view = new TextView(corpus.text(document));
    return features.map((feature) => ('ofText' in feature ? feature.ofText(view) : NaN));
  };
  const ofTexts = await documentScores(corpus, samples, rows, ofDocument, options);
  const factsOf = (row: number): RowFacts => ({
    tokens: samples.tokens(row).length,
    capacity: samples.length,
    documents: 1,
  });
  const columns = features.map((feature, f) =>
    Float64Array.from(rows, (row, i) => ('ofText' in feature ? ofTexts[i][f] : feature.ofRow(factsOf(row)))),
  );
  return Object.fromEntries(names.map((name, f) => [name, columns[f]]));
}
