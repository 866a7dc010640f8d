import { checkFinite, checkFiniteArray, checkInteger, checkLength } from '../check.ts';

export interface GreedyBatchOptions {
  /** ⟨g_i, ∇J⟩ of each candidate with the gradient of the target loss [n]. */
  dots: ArrayLike<number>;
  /** ⟨g_i, g_j⟩ of all pairs of candidates, row-major [n, n]. */
  gram: ArrayLike<number>;
  /** η, the learning rate of the step. */
  lr: number;
  /** How many to choose, at most n. */
  count: number;
}

/**
 * The candidates of a batch to train on, one after the other, each that of the largest gain given those before it
 * (GREATS, Wang et al. 2024): gain(i | S) = η⟨g_i, ∇J⟩ − η² Σ_{j∈S} ⟨g_i, g_j⟩. The first term is what the sample does for
 * the target, the second takes off what the chosen ones do already (the target's Hessian is taken as the identity). Of
 * equal gains the earlier candidate is chosen.
 * @returns places of the candidates in the order of choice, and the gain of each when it was chosen, which may be
 *   negative [count].
 * @throws GradfoldError INVALID_ARGUMENT for sizes that do not fit; INVALID_DATA naming a value that is not finite.
 */
export function greedyBatch(options: GreedyBatchOptions): { places: Uint32Array; gains: Float64Array } {
  const { dots, gram } = options;
  const n = dots.length;
  checkLength('dots', dots, n, 'one a candidate');
  checkLength('gram', gram, n * n, 'one a pair of candidates');
  checkFiniteArray('dots', dots);
  checkFiniteArray('gram', gram);
  const lr = checkFinite('lr', options.lr, { min: 0 });
  const count = checkInteger('count', options.count, 1, n);

  const gain = Float64Array.from(dots, (dot) => lr * dot);
  const chosen = new Uint8Array(n);
  const places = new Uint32Array(count);
  const gains = new Float64Array(count);
  for (let k = 0; k < count; k++) {
    let best = -1;
    for (let i = 0; i < n; i++) if (!chosen[i] && (best < 0 || gain[i] > gain[best])) best = i;
    chosen[best] = 1;
    places[k] = best;
    gains[k] = gain[best];
    for (let i = 0; i < n; i++) gain[i] -= lr * lr * gram[i * n + best];
  }
  return { places, gains };
}
