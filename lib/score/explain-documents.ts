import type { Corpus } from '../data/corpus.ts';
import type { Samples } from '../data/samples.ts';
import type { DocumentRow } from '../report/data.ts';
import type { ScoreTable } from './table.ts';

/** Scores and other values by document: the mean over its rows. */
export interface DocumentMeans {
  /** Document numbers, ascending. */
  documents: Uint32Array;
  /** One array a column of the input, one value a document. */
  columns: Float64Array[];
}

/**
 * The mean over each document's rows of columns with one value a row.
 * @param weightOf what a row counts, above 0; default: all rows the same
 */
export function meansByDocument(
  samples: Pick<Samples, 'document'>,
  rows: ArrayLike<number>,
  columns: readonly ArrayLike<number>[],
  weightOf: (row: number) => number = () => 1,
): DocumentMeans {
  const ofRows = Uint32Array.from(rows, (row) => samples.document(row));
  const documents = Uint32Array.from(new Set(ofRows)).sort();
  const places = new Map(Array.from(documents, (document, place) => [document, place]));
  const totals = new Float64Array(documents.length);
  const means = columns.map(() => new Float64Array(documents.length));
  ofRows.forEach((document, i) => {
    const place = places.get(document)!;
    const weight = weightOf(rows[i]);
    totals[place] += weight;
    // A running mean: that of equal values is exactly that value.
    means.forEach((mean, c) => (mean[place] += ((columns[c][i] - mean[place]) * weight) / totals[place]));
  });
  return { documents, columns: means };
}

/** Characters of a document that are kept. */
const TEXT_LENGTH = 4000;

/** The `shown` documents of the highest and of the lowest mean score, the most extreme first. */
export function extremeDocuments(
  corpus: Corpus,
  samples: Pick<Samples, 'document'>,
  table: ScoreTable,
  shown: number,
): { best: DocumentRow[]; worst: DocumentRow[] } {
  const {
    documents,
    columns: [scores],
  } = meansByDocument(samples, table.rows, [table.scores]);
  const ranked = Array.from(documents, (document, i) => ({ document, score: scores[i] })).sort(
    (a, b) => b.score - a.score,
  );
  const labelled = corpus.columns.includes('label');
  const show = ({ document, score }: (typeof ranked)[number]): DocumentRow => {
    const label = labelled ? corpus.value('label', document) : null;
    return {
      id: corpus.id(document),
      domain: corpus.domain(document),
      label: label === null ? null : String(label),
      score,
      text: corpus.text(document).slice(0, TEXT_LENGTH),
    };
  };
  return { best: ranked.slice(0, shown).map(show), worst: ranked.slice(-shown).reverse().map(show) };
}
