import { collate, type Batch, type TokenRow } from '../../lib/data/batch.ts';
import { randomUint32 } from '../../lib/random.ts';

/** dense: full rows; ragged: shorter ones, some labels ignored; packed: about four documents a row, then padding. */
export type BatchKind = 'dense' | 'ragged' | 'packed';

/** Rows of random ids, reproducible by seed; every row has at least one token. */
export function randomRows(
  kind: BatchKind,
  batch: number,
  time: number,
  vocabulary: number,
  seed: number,
  tokenTypes = 0,
): TokenRow[] {
  return Array.from({ length: batch }, (_, row) => {
    const draw = (index: number, below: number) => randomUint32(seed, row, index) % below;
    const length = kind === 'dense' ? time : 1 + draw(0, time);
    const inputIds = Array.from({ length }, (_, t) => draw(1 + t, vocabulary));
    const types = tokenTypes > 0 && { tokenTypeIds: inputIds.map((_, t) => draw(3001 + t, tokenTypes)) };
    if (kind === 'dense') return { inputIds, ...types };
    const labels = inputIds.map((id, t) => (draw(1001 + t, 4) === 0 ? -100 : id));
    if (kind === 'ragged') return { inputIds, labels, ...types };
    let document = 0;
    const documentIds = inputIds.map((_, t) =>
      t > 0 && draw(2001 + t, 1 + Math.ceil(time / 4)) === 0 ? ++document : document,
    );
    return { inputIds, labels, documentIds, ...types };
  });
}

/** A packed row's documents as rows of their own. */
export function splitDocuments(row: TokenRow): TokenRow[] {
  const ids = Array.from(row.documentIds!);
  return [...new Set(ids)].map((id) => {
    const [begin, end] = [ids.indexOf(id), ids.lastIndexOf(id) + 1];
    const cut = (values: ArrayLike<number>) => Array.from(values).slice(begin, end);
    const types = row.tokenTypeIds && { tokenTypeIds: cut(row.tokenTypeIds) };
    return { inputIds: cut(row.inputIds), labels: cut(row.labels!), ...types };
  });
}

export function rowsToBatch(rows: TokenRow[], time: number): Batch {
  return collate(rows, { length: time });
}
