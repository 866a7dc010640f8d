import { checkFinite, checkFiniteArray, checkInteger, checkLength, checkList, invalid } from '../check.ts';
import { uniformOf } from '../data/splits.ts';
import { randomUniform, streamOf } from '../random.ts';
import { acceptProbability } from '../weight/accept.ts';

export interface PointFilterOptions {
  /** Scores that stand for all there are: any sample of them, such as those of a part of the corpus. */
  reference: ArrayLike<number>;
  /** B: rows that would compete in a batch. */
  batch: number;
  /** K: how many of them would be kept. */
  keep: number;
  /** Default 0. */
  seed?: number;
}

const NAME = 'point filter';
const STREAM = streamOf(NAME);

/**
 * Decides about one row at a time, without a batch, as the choice of the K best out of a batch of B would on average
 * (DataRater, Calian et al. 2025): a row is kept with the probability that fewer than K of B − 1 others drawn from the
 * reference beat it. Whether it is kept depends on the seed, its id and its score alone: any part of a corpus, in any
 * order, by any number of processes, gives the same rows.
 */
export class PointFilter {
  readonly #sorted: Float64Array;
  readonly #options: { batch: number; keep: number };
  readonly #seed: number;
  /** By rank among the reference, in halves; NaN where it has not been asked for. */
  readonly #probabilities: Float64Array;

  constructor(options: PointFilterOptions) {
    const { reference, batch, keep } = options;
    checkList('reference', reference);
    if (reference.length === 0) throw invalid('reference', 'at least one score', reference);
    checkFiniteArray('reference', reference);
    checkInteger('batch', batch, 1);
    checkInteger('keep', keep, 1, batch);
    this.#seed = checkInteger('seed', options.seed ?? 0, 0);
    this.#options = { batch, keep };
    this.#sorted = Float64Array.from(reference).sort();
    this.#probabilities = new Float64Array(2 * this.#sorted.length + 1).fill(NaN);
  }

  /**
   * F(s): the share of reference scores below `score`, equal ones counting half; in [0, 1].
   * @throws GradfoldError INVALID_ARGUMENT for a score that is not finite
   */
  quantile(score: number): number {
    return this.#rank(score) / (2 * this.#sorted.length);
  }

  /** With what probability a row of this score is kept. */
  probability(score: number): number {
    const rank = this.#rank(score);
    if (Number.isNaN(this.#probabilities[rank])) {
      this.#probabilities[rank] = acceptProbability(rank / (2 * this.#sorted.length), this.#options);
    }
    return this.#probabilities[rank];
  }

  /** @param id the row's number or name: the same one wherever the row turns up */
  keeps(id: number | string, score: number): boolean {
    return this.#draw(id) < this.probability(score);
  }

  /** The places of the rows that are kept, ascending. */
  places(ids: ArrayLike<number> | ArrayLike<string>, scores: ArrayLike<number>): Uint32Array {
    checkList('ids', ids);
    checkLength('scores', scores, ids.length, 'one an id');
    const kept: number[] = [];
    for (let i = 0; i < ids.length; i++) if (this.keeps(ids[i], scores[i])) kept.push(i);
    return Uint32Array.from(kept);
  }

  /** In [0, 1). Of a name, apart from the draw of its split, which is one of seed and name too. */
  #draw(id: number | string): number {
    return typeof id === 'string' ? uniformOf(`${NAME}/${id}`, this.#seed) : randomUniform(this.#seed, STREAM, id);
  }

  /** Reference scores below, counted twice, and equal ones. */
  #rank(score: number): number {
    checkFinite('score', score);
    return firstPlace(this.#sorted, (x) => x >= score) + firstPlace(this.#sorted, (x) => x > score);
  }
}

/** The first place of ascending values that passes a test which all later ones pass too; their number if none does. */
function firstPlace(sorted: Float64Array, passes: (x: number) => boolean): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (passes(sorted[middle])) high = middle;
    else low = middle + 1;
  }
  return low;
}
