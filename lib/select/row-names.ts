import { invalid } from '../check.ts';
import type { Corpus } from '../data/corpus.ts';
import type { Samples } from '../data/samples.ts';

/**
 * A name for each of `rows` that does not change when other documents come, go or move, unlike its number: the id of its
 * document, and for a piece that comes after the first one `id/1`, `id/2`, …
 * @throws GradfoldError INVALID_DATA for a document that the corpus does not have; INVALID_ARGUMENT for a row that the
 *   samples do not have
 */
export function rowNames(
  samples: Pick<Samples, 'count' | 'document'>,
  corpus: Pick<Corpus, 'count' | 'id'>,
  rows: Uint32Array,
): string[] {
  const strange = rows.find((row) => row >= samples.count);
  if (strange !== undefined) throw invalid('row', `below ${samples.count}, the rows of the samples`, strange);
  const pieces = new Map<number, number>();
  const pieceOf = Uint32Array.from({ length: samples.count }, (_, row) => {
    const document = samples.document(row);
    const piece = pieces.get(document) ?? 0;
    pieces.set(document, piece + 1);
    return piece;
  });
  return Array.from(rows, (row) => {
    const document = samples.document(row);
    if (document >= corpus.count) {
      throw invalid(`document of row ${row}`, `a row of the corpus, below ${corpus.count}`, document, {
        code: 'INVALID_DATA',
        fix: 'give the corpus that the samples were made from',
      });
    }
    const id = corpus.id(document);
    return pieceOf[row] === 0 ? id : `${id}/${pieceOf[row]}`;
  });
}
