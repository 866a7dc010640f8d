import type { FloatArray } from '../backend/types.ts';
import { randomUniforms, streamOf } from '../random.ts';
import type { Selection } from './rule.ts';

const STREAM = streamOf('select/gumbel');
/** Half of the smallest step of a uniform number: stands for 0, whose logarithm is not finite. */
const SMALLEST = 2 ** -54;

/** Standard Gumbel numbers, −ln(−ln u), each of which depends on the seed and its row alone. */
export function gumbels(seed: number, rows: Uint32Array): Float64Array {
  return randomUniforms(seed, STREAM, rows).map((u) => -Math.log(-Math.log(Math.max(u, SMALLEST))));
}

/**
 * Scores [n] with their noise, in float64: s + τ g, or s − τ g where the lowest are kept. Keeping the k highest of these
 * draws k rows without replacement, each time with probability proportional to exp(s / τ), or exp(−s / τ) for the lowest
 * (the Gumbel-top-k trick: Yellott 1977; Kool et al. 2019, "Stochastic Beams and Where to Find Them"). It is the same
 * order as that of s / τ + g, and at τ = 0 exactly that of the scores. Without a temperature, the scores themselves.
 * @param rows what the noise of each score is keyed by
 */
export function perturbScores(scores: FloatArray, rows: Uint32Array, selection: Selection, seed: number): FloatArray {
  const { temperature = 0, keep } = selection;
  if (temperature === 0) return scores;
  const scale = keep === 'low' ? -temperature : temperature;
  return gumbels(seed, rows).map((g, i) => scores[i] + scale * g);
}
