import { checkFinite, invalid } from '../check.ts';
import type { Batch } from '../data/batch.ts';
import { SequenceRater } from '../model/sequence-rater.ts';
import { digestRater, type Fingerprint } from '../train/fingerprint.ts';
import type { BatchFilter, Choice, StepContext } from '../train/hooks.ts';
import { softmaxWeights } from '../weight/softmax.ts';
import { candidatesFor } from './discard.ts';
import { topK } from './top-k.ts';

export interface RaterFilterOptions {
  /** N: how many rows a step trains on. */
  count: number;
  /** ρ: share of the candidates that is left out, at least, in [0, 1); default 0. See candidatesFor. */
  discard?: number;
  /** Weighs the rows that stay by softmax(s / temperature); default: the weights of the plan. */
  temperature?: number;
}

/**
 * Trains each step on the N candidates that a rater, which is not trained, scores highest (DataRater, Calian et al. 2025),
 * weighs them by their scores, or both. Give it to `train` as `filter`. Each step costs a pass of the rater over N / (1 − ρ)
 * rows more.
 */
export class RaterFilter implements BatchFilter {
  readonly candidates: number;
  readonly fingerprint: Fingerprint;
  readonly #rater: SequenceRater;
  readonly #count: number;
  readonly #temperature: number | undefined;

  constructor(rater: SequenceRater, options: RaterFilterOptions) {
    if (!(rater instanceof SequenceRater)) throw invalid('rater', 'a SequenceRater', rater);
    const { count, discard = 0, temperature } = options;
    this.candidates = candidatesFor(count, discard);
    if (temperature !== undefined) checkFinite('temperature', temperature, { above: 0 });
    this.#rater = rater;
    this.#count = count;
    this.#temperature = temperature;
    this.fingerprint = {
      rater: digestRater(rater),
      'rated rows kept': count,
      'rater temperature': temperature ?? 'none',
    };
  }

  async choose(batch: Batch, { signal }: Pick<StepContext, 'signal'>): Promise<Choice> {
    const scores = await this.#rater.score(batch, { signal });
    const places = topK(scores, this.#count).sort();
    if (this.#temperature === undefined) return { places };
    const kept = Float64Array.from(places, (place) => scores[place]);
    return { places, weights: softmaxWeights(kept, { temperature: this.#temperature }) };
  }
}
