import { invalid } from '../check.ts';
import type { Corpus, CorpusDocument } from '../data/corpus.ts';
import { corpusDocuments } from '../data/corpus-documents.ts';
import type { Samples } from '../data/samples.ts';
import { GradfoldError } from '../errors.ts';
import { meansByDocument } from './explain-documents.ts';
import { scoresByRow, type ScoreTable } from './table.ts';

/** What each row counts in the mean of its document: the same as any other, or its number of tokens. */
export const WEIGHTS = ['row', 'token'] as const;
export type RowWeight = (typeof WEIGHTS)[number];

/** By document number, the mean over the scored rows of each document that has any. */
export function documentScores(
  samples: Pick<Samples, 'document' | 'tokens'>,
  name: string,
  table: ScoreTable,
  weigh: RowWeight,
): Map<number, number> {
  scoresByRow(name, table);
  const weightOf = weigh === 'token' ? (row: number) => samples.tokens(row).length : undefined;
  const { documents, columns } = meansByDocument(samples, table.rows, [table.scores], weightOf);
  return new Map(Array.from(documents, (document, i) => [document, columns[0][i]]));
}

/** @throws GradfoldError INVALID_DATA for a document that the corpus does not have. */
export function checkDocuments(
  scores: ReadonlyMap<number, number>,
  corpus: Pick<Corpus, 'count'>,
  samples: string,
): void {
  for (const document of scores.keys()) {
    if (document < corpus.count) continue;
    throw invalid(`document of a row of ${samples}`, `a row of the corpus, below ${corpus.count}`, document, {
      code: 'INVALID_DATA',
      fix: 'give the corpus that the samples were made from',
    });
  }
}

/**
 * The documents of a corpus with scores as columns beside their own, for `writeCorpus`; null where a document has none.
 * @param columns of each new column, scores by document number
 * @throws GradfoldError INVALID_DATA for a column that the corpus has already
 */
export function withColumns(
  corpus: Corpus,
  columns: Record<string, ReadonlyMap<number, number>>,
  limit?: number,
): Iterable<CorpusDocument> {
  const taken = Object.keys(columns).find((name) => corpus.columns.includes(name));
  if (taken !== undefined) {
    throw new GradfoldError(
      'INVALID_DATA',
      `corpus: expected no column "${taken}", it has one; give the corpus from before it was added, or other --columns`,
    );
  }
  return documentsWith(corpus, columns, limit);
}

function* documentsWith(
  corpus: Corpus,
  columns: Record<string, ReadonlyMap<number, number>>,
  limit?: number,
): Generator<CorpusDocument> {
  let i = 0;
  for (const document of corpusDocuments(corpus, limit)) {
    const scores = Object.entries(columns).map(([name, values]) => [name, values.get(i)]);
    i++;
    yield { ...document, ...Object.fromEntries(scores) };
  }
}
