import { createHash } from 'node:crypto';
import { checkFinite, checkInteger, invalid } from '../check.ts';

/** What a document is used for: training, annotating a proxy set, the target that is aimed at, or validation. */
export type Split = 'train' | 'proxy' | 'target' | 'validation';

/** In the order in which they divide [0, 1). */
export const SPLITS: readonly Split[] = ['train', 'proxy', 'target', 'validation'];

const FRACTION_TOLERANCE = 1e-9;

/**
 * The split of a document, by a hash of its id alone (of a piece, by that of the document it was cut from): all pieces
 * of a document share it, and it stays the same when other documents come or go. `fractions` are the expected shares and sum to 1.
 */
export function splitOf(id: string, seed: number, fractions: Record<Split, number>): Split {
  checkFractions(fractions);
  let below = uniformOf(id, seed);
  for (const split of SPLITS) {
    below -= fractions[split];
    if (below < 0) return split;
  }
  // Rounding of the sum: the last split that is not empty.
  return SPLITS.findLast((split) => fractions[split] > 0)!;
}

/** A number in [0, 1) that follows from a text and a seed alone: 48 bits of their SHA-256. */
export function uniformOf(text: string, seed: number): number {
  const digest = createHash('sha256')
    .update(`${checkInteger('seed', seed, 0)}\n${text}`)
    .digest();
  return digest.readUIntBE(0, 6) / 2 ** 48;
}

function checkFractions(fractions: Record<Split, number>): void {
  const sum = SPLITS.reduce(
    (total, split) => total + checkFinite(`fractions.${split}`, fractions[split], { min: 0, max: 1 }),
    0,
  );
  if (Math.abs(sum - 1) > FRACTION_TOLERANCE) throw invalid('fractions', 'shares that sum to 1', sum);
}
