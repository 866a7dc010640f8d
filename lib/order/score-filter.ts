import type { FloatArray } from '../backend/types.ts';

/** Tells the highest `keep` scores from the others, given the lowest of them. */
export interface RowFilter {
  /** All scores have to be seen once, in order. */
  see(scores: FloatArray): void;
  /** After that, whether the next score is kept, all scores given in order: of those at the cut the later ones are. */
  passes(score: number): boolean;
}

export function rowFilter(lowest: number, keep: number): RowFilter {
  let higher = 0;
  let equal = 0;
  let passed = 0;
  return {
    see(scores) {
      for (const score of scores) {
        if (score > lowest) higher++;
        else if (score === lowest) equal++;
      }
    },
    passes(score) {
      return score > lowest || (score === lowest && passed++ >= equal - (keep - higher));
    },
  };
}
