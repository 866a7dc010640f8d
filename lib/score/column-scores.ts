import { invalid } from '../check.ts';
import type { Corpus } from '../data/corpus.ts';
import type { Samples } from '../data/samples.ts';
import { documentScores, type DocumentScoreOptions } from './document-scores.ts';

export interface ColumnScoreOptions extends DocumentScoreOptions {
  /** The score of a document without a value; without it that is an error. */
  missing?: number;
}

/**
 * A numeric column of the corpus as scores: of each row, the value of its document [rows].
 * @throws GradfoldError INVALID_DATA for an unknown column, or naming a document whose value is missing or no number.
 */
export async function columnScores(
  corpus: Corpus,
  samples: Pick<Samples, 'document'>,
  rows: ArrayLike<number>,
  column: string,
  { missing, ...options }: ColumnScoreOptions = {},
): Promise<Float64Array> {
  const valueOf = (document: number): number => {
    const value = corpus.value(column, document) ?? missing ?? null;
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    throw invalid(`column "${column}" of document ${corpus.id(document)}`, 'a finite number', value, {
      code: 'INVALID_DATA',
      fix: value === null ? 'say what stands for a missing value' : undefined,
    });
  };
  return Float64Array.from(await documentScores(corpus, samples, rows, valueOf, options));
}
