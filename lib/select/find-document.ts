import { distance } from 'fastest-levenshtein';
import type { Corpus } from '../data/corpus.ts';
import { invalid } from '../check.ts';

const SUGGESTIONS = 3;

/**
 * The row of a document in its corpus.
 * @throws GradfoldError INVALID_ARGUMENT naming the closest ids when there is none with this one.
 */
export function findDocument(corpus: Corpus, id: string): number {
  const ids = Array.from({ length: corpus.count }, (_, row) => corpus.id(row));
  const found = ids.indexOf(id);
  if (found >= 0) return found;
  const nearest = ids
    .map((candidate) => ({ candidate, far: distance(id, candidate) }))
    .sort((a, b) => a.far - b.far)
    .slice(0, SUGGESTIONS)
    .map(({ candidate }) => candidate);
  throw invalid('id', `the id of one of ${corpus.count} documents`, id, {
    fix: nearest.length > 0 ? `the closest are ${nearest.join(', ')}` : 'the corpus is empty',
  });
}
