import { checkFinite, checkInteger, invalid } from '../check.ts';

/** What a quotient of shares may be off by rounding alone. */
const ROUNDING = 1e-9;
/** How far from ρ, relative to ρ, the share that `ratioFor` drops may be. */
const RATIO_TOLERANCE = 0.01;

function checkDiscard(count: number, discard: number): void {
  checkInteger('count', count, 1);
  checkFinite('discard', discard, { min: 0 });
  if (discard >= 1) throw invalid('discard', 'a share < 1', discard);
}

/**
 * How many candidates leave `count` rows when at least the share `discard` of them is left out: N / (1 − ρ), rounded up,
 * so that a share above 0 always leaves something out.
 * @throws GradfoldError INVALID_ARGUMENT for a share outside [0, 1)
 */
export function candidatesFor(count: number, discard: number): number {
  checkDiscard(count, discard);
  if (discard === 0) return count;
  return Math.max(count + 1, Math.ceil((count / (1 - discard)) * (1 - ROUNDING)));
}

/**
 * The smallest batch B, of which at least `count` rows are kept, whose share left out is ρ to a hundredth of ρ.
 * @returns B and the rows kept, K
 * @throws GradfoldError INVALID_ARGUMENT for a share outside [0, 1)
 */
export function ratioFor(count: number, discard: number): { batch: number; keep: number } {
  checkDiscard(count, discard);
  for (let keep = count; ; keep++) {
    const batch = Math.round(keep / (1 - discard));
    if (Math.abs(1 - keep / batch - discard) <= RATIO_TOLERANCE * discard) return { batch, keep };
  }
}
