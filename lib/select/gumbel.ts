import type { FloatArray } from '../backend/types.ts';
import { randomUniform, streamOf } from '../random.ts';
import type { Selection } from './rule.ts';

const STREAM = streamOf('select/gumbel');
/** Half of the smallest step of a uniform number: stands for 0, whose logarithm is not finite. */
const SMALLEST = 2 ** -54;

/** A standard Gumbel number, −ln(−ln u), that depends on the seed and the row alone. */
export function gumbel(seed: number, row: number): number {
  return -Math.log(-Math.log(Math.max(randomUniform(seed, STREAM, row), SMALLEST)));
}

/**
 * A score with its noise: s + τ g, or s − τ g where the lowest are kept. Keeping the k highest of these draws k rows
 * without replacement, each time with probability proportional to exp(s / τ), or exp(−s / τ) for the lowest (the
 * Gumbel-top-k trick: Yellott 1977; Kool et al. 2019, "Stochastic Beams and Where to Find Them"). It is the same order
 * as that of s / τ + g, and at τ = 0 exactly that of the scores. Without a temperature, the score itself.
 */
export function perturbedScore(score: number, row: number, selection: Selection, seed: number): number {
  const { temperature = 0, keep } = selection;
  if (temperature === 0) return score;
  const noise = temperature * gumbel(seed, row);
  return keep === 'low' ? score - noise : score + noise;
}

/**
 * perturbedScore of scores [n], in float64 where there is noise.
 * @param rows what the noise of each place is keyed by; its index where not given
 */
export function perturbScores(
  scores: FloatArray,
  selection: Selection,
  seed: number,
  rows: Uint32Array | undefined,
): FloatArray {
  if (!selection.temperature) return scores;
  return Float64Array.from(scores, (score, i) => perturbedScore(score, rows ? rows[i] : i, selection, seed));
}
