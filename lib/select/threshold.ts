import { invalid } from '../check.ts';
import type { FloatArray } from '../backend/types.ts';
import { checkScores, rejectNaN } from '../score/check.ts';

/**
 * The rows whose score is strictly greater than x, in input order; none when no score is (making a plan of no rows is
 * the error then, see planOf).
 * @throws GradfoldError INVALID_ARGUMENT when x is not a number; INVALID_DATA naming the index of a NaN score.
 */
export function aboveThreshold(scores: FloatArray, x: number): Uint32Array {
  checkScores(scores);
  checkThreshold(x);
  rejectNaN(scores);
  let kept = 0;
  for (let i = 0; i < scores.length; i++) if (scores[i] > x) kept++;
  const rows = new Uint32Array(kept);
  for (let i = 0, at = 0; at < kept; i++) if (scores[i] > x) rows[at++] = i;
  return rows;
}

/** @internal */
export function checkThreshold(x: number): number {
  if (typeof x !== 'number' || Number.isNaN(x)) throw invalid('x (the threshold)', 'a number', x);
  return x;
}
