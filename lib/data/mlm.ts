import { checkFinite, checkInteger } from '../check.ts';
import { randomUint32, randomUniforms, streamOf } from '../random.ts';
import { IGNORED_LABEL, type TokenRow } from './batch.ts';
import type { Samples, Split } from './samples.ts';
import { rowOf } from './token-source.ts';
import type { Shard } from './shards.ts';

export interface MaskingOptions {
  /** The id that hides a token. */
  maskId: number;
  /** Ids that are never hidden and never put in another's place: end of text, the mask itself, … */
  specialIds: ArrayLike<number>;
  /** Ids are below this. */
  vocabularySize: number;
  /** Share of the tokens that are predicted; default 0.15. */
  share?: number;
  seed: number;
}

const SHARE = 0.15;
/** Of the tokens to predict, those shown as the mask, and those shown as any token; the rest is shown as it is. */
const HIDDEN = 0.8;
const REPLACED = 0.1;
/** Rows of one pass have the streams [pass · 2³², (pass + 1) · 2³²). */
const PASS_STREAMS = 2 ** 32;

/**
 * Samples for training an encoder to predict masked tokens (Devlin et al. 2019). Each token that is not special is chosen
 * with probability `share`, and where that chooses none, the token nearest to being chosen; of the chosen ones 80 % are
 * shown as the mask, 10 % as a token drawn uniformly from the vocabulary, 10 % as they are. Labels are −100 elsewhere;
 * where the samples' own are, nothing is chosen.
 * A row's masks are a function of the seed, the row and the number of times that it was read before, so that every pass
 * draws them anew (Liu et al. 2019) and a resumed training draws the same; evaluation, which reads all rows for the first
 * time, has fixed ones.
 */
export class MaskedSamples implements Samples {
  readonly #samples: Samples;
  readonly #maskId: number;
  readonly #share: number;
  readonly #seed: number;
  readonly #special: ReadonlySet<number>;
  /** What a token may be replaced with. */
  readonly #ordinary: Uint32Array;
  #places = new Uint32Array();

  constructor(samples: Samples, options: MaskingOptions) {
    const size = checkInteger('vocabularySize', options.vocabularySize, 2);
    this.#samples = samples;
    this.#maskId = checkInteger('maskId', options.maskId, 0, size - 1);
    this.#share = checkFinite('share', options.share ?? SHARE, { above: 0, max: 1 });
    this.#special = new Set([...Array.from(options.specialIds), this.#maskId]);
    this.#ordinary = Uint32Array.from({ length: size }, (_, id) => id).filter((id) => !this.#special.has(id));
    checkInteger('ids that are not special', this.#ordinary.length, 1);
    // Apart from everything else that the seed draws.
    this.#seed = randomUint32(checkInteger('seed', options.seed, 0), streamOf('masked tokens'), 0);
  }

  get count(): number {
    return this.#samples.count;
  }

  get length(): number {
    return this.#samples.length;
  }

  get shards(): readonly Shard[] | undefined {
    return this.#samples.shards;
  }

  tokens(i: number): Int32Array {
    return this.#samples.tokens(i);
  }

  document(i: number): number {
    return this.#samples.document(i);
  }

  domain(i: number): string {
    return this.#samples.domain(i);
  }

  split(i: number): Split {
    return this.#samples.split(i);
  }

  rows(split: Split): Uint32Array {
    return this.#samples.rows(split);
  }

  prefetch(rows: ArrayLike<number>): void {
    this.#samples.prefetch?.(rows);
  }

  /** The row with its masks of the `epoch`-th time that it is read. */
  row(row: number, epoch: number): TokenRow {
    const whole = rowOf(this.#samples, row);
    const { inputIds: tokens, labels: given } = whole;
    const draws = this.#draws(row, epoch, tokens.length);
    const inputIds = Int32Array.from(tokens);
    const labels = new Int32Array(tokens.length).fill(IGNORED_LABEL);
    let nearest = -1;
    let chosen = 0;
    for (let t = 0; t < tokens.length; t++) {
      if (this.#special.has(tokens[t]) || given?.[t] === IGNORED_LABEL) continue;
      if (nearest < 0 || draws[t] < draws[nearest]) nearest = t;
      if (draws[t] >= this.#share) continue;
      chosen++;
      this.#hide(inputIds, labels, t, draws[t] / this.#share);
    }
    if (chosen === 0 && nearest >= 0) this.#hide(inputIds, labels, nearest, draws[tokens.length]);
    return { ...whole, inputIds, labels };
  }

  /** @param kind uniform in [0, 1): what becomes of the token at `t` */
  #hide(inputIds: Int32Array, labels: Int32Array, t: number, kind: number): void {
    labels[t] = inputIds[t];
    if (kind < HIDDEN) inputIds[t] = this.#maskId;
    else if (kind < HIDDEN + REPLACED) {
      inputIds[t] = this.#ordinary[Math.floor(((kind - HIDDEN) / REPLACED) * this.#ordinary.length)];
    }
  }

  /** Uniform numbers: one a token, and one for a token that is chosen because no other was. */
  #draws(row: number, epoch: number, tokens: number): Float64Array {
    const count = tokens + 1;
    if (this.#places.length < count) this.#places = Uint32Array.from({ length: count }, (_, t) => t);
    return randomUniforms(this.#seed, epoch * PASS_STREAMS + row, this.#places.subarray(0, count));
  }
}
