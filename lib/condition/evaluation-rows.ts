import { IGNORED_LABEL } from '../data/batch.ts';
import { assemble, type ConditionedDocument } from './condition-document.ts';

/** The same tokens of a document, to be predicted with its metadata before them and without. */
export interface EvaluationRow {
  conditioned: ConditionedDocument;
  plain: ConditionedDocument;
}

export interface EvaluationSettings {
  /** Tokens of a row at most. */
  length: number;
  begin: number | null;
  end: number | null;
}

/**
 * A document as rows to evaluate on, none of which holds another: it is cut so that each piece fits into a row behind its
 * metadata, and every piece has them. The tokens that are predicted are the same with and without. Null where the metadata
 * leave no room.
 */
export function evaluationRows(
  context: ArrayLike<number>,
  body: Int32Array,
  { length, begin, end }: EvaluationSettings,
): EvaluationRow[] | null {
  const room = length - context.length - (begin === null ? 0 : 1);
  if (room < 1) return null;
  const ended = assemble(null, [], body, end, false).inputIds;
  const rows: EvaluationRow[] = [];
  for (let from = 0; from < ended.length; from += room) {
    const piece = ended.subarray(from, from + room);
    const conditioned = assemble(begin, context, piece, null, false);
    const plain = assemble(begin, [], piece, null, false);
    // Without a token before it, the first one cannot be predicted from the piece alone.
    if (plain.contextLength === 0) conditioned.labels[conditioned.contextLength] = IGNORED_LABEL;
    rows.push({ conditioned, plain });
  }
  return rows;
}
