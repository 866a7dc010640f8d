import { checkInteger, checkList } from '../check.ts';
import { shuffleOrder } from '../order/shuffle.ts';
import { topK } from './top-k.ts';

export interface BatchWindowOptions {
  /** Rows that compete. */
  candidates: number;
  /** How many of them are kept. */
  keep: number;
  /** Default 0. */
  seed?: number;
}

/**
 * What an online batch filter would train on, as a plan: the rows in an order drawn by the seed, and of every
 * `candidates` of them, one window after the other, the `keep` that score highest. Of the last window, which may be
 * smaller, as large a share is kept.
 * @returns places of the scores, in training order
 */
export function bestOfWindows(scores: ArrayLike<number>, options: BatchWindowOptions): Uint32Array {
  checkList('scores', scores);
  const candidates = checkInteger('candidates', options.candidates, 1);
  const keep = checkInteger('keep', options.keep, 1, candidates);
  const order = shuffleOrder(scores.length, checkInteger('seed', options.seed ?? 0, 0));
  const kept: number[] = [];
  for (let start = 0; start < order.length; start += candidates) {
    const window = order.subarray(start, start + candidates);
    const count = Math.floor((keep * window.length) / candidates);
    if (count === 0) continue;
    const best = topK(
      Float64Array.from(window, (place) => scores[place]),
      count,
    );
    kept.push(...best.sort().map((i) => window[i]));
  }
  return Uint32Array.from(kept);
}
