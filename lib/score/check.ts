import { invalid } from '../check.ts';
import type { GradfoldError } from '../errors.ts';
import type { FloatArray } from '../backend/types.ts';

/** Rows are numbered by uint32. */
const MAX_ROWS = 0xffffffff;

/** @throws GradfoldError INVALID_ARGUMENT unless `scores` is a Float32Array or Float64Array that uint32 can number. */
export function checkScores(scores: unknown): asserts scores is FloatArray {
  if (!(scores instanceof Float32Array || scores instanceof Float64Array))
    throw invalid('scores', 'a Float32Array or Float64Array', scores);
  if (isDetached(scores)) throw invalid('scores', 'an array whose buffer was not transferred', scores);
  if (scores.length > MAX_ROWS)
    throw invalid('scores', `at most ${MAX_ROWS} rows`, scores.length, { fix: 'take them in parts' });
}

/** Whether the buffer of an array was transferred; Node 20 says so only by refusing to slice it. */
function isDetached({ buffer }: FloatArray): boolean {
  if (buffer.byteLength > 0) return false;
  try {
    buffer.slice(0);
    return false;
  } catch {
    return true;
  }
}

/** @throws GradfoldError INVALID_DATA naming the index of the first NaN. */
export function rejectNaN(scores: FloatArray, name = 'scores'): void {
  for (let i = 0; i < scores.length; i++) {
    if (Number.isNaN(scores[i])) throw notANumber(i, name);
  }
}

export function notANumber(index: number, name = 'scores'): GradfoldError {
  return invalid(`${name}[${index}]`, 'a number', NaN, { code: 'INVALID_DATA' });
}
