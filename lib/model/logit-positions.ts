import type { EngineBatch } from '../backend/types.ts';
import { checkInteger, checkLength, checkList, invalid } from '../check.ts';
import { IGNORED_LABEL } from '../data/batch.ts';

/** Any label marks a position; this is the id that does it. */
const MARK = 0;

/**
 * The batch with a label at the wanted positions and nowhere else, as EngineModel.logits takes it.
 * @param positions for each row, ascending; default: the last token of each
 */
export function markPositions(batch: EngineBatch, positions?: readonly ArrayLike<number>[]): EngineBatch {
  const labels = new Int32Array(batch.batch * batch.time).fill(IGNORED_LABEL);
  if (positions !== undefined) checkLength('positions', positions, batch.batch, 'one list a row');
  for (let row = 0; row < batch.batch; row++) {
    const start = row * batch.time;
    const padding = batch.attentionMask.subarray(start, start + batch.time).indexOf(0);
    const tokens = padding < 0 ? batch.time : padding;
    const wanted = positions === undefined ? [tokens - 1] : positions[row];
    checkList(`positions[${row}]`, wanted);
    for (let i = 0; i < wanted.length; i++) {
      const position = checkInteger(`positions[${row}][${i}]`, wanted[i], 0, tokens - 1);
      if (i > 0 && position <= wanted[i - 1]) {
        throw invalid(`positions[${row}][${i}]`, `more than ${wanted[i - 1]}, the one before it`, position);
      }
      labels[start + position] = MARK;
    }
  }
  return { ...batch, labels };
}
