import { checkFinite, checkFiniteArray, checkInteger, checkLength, checkList, invalid } from '../check.ts';
import type { TokenRow } from '../data/batch.ts';
import type { TokenSource } from '../data/token-source.ts';
import { summarize } from '../evaluate/statistics.ts';
import { randomPermutation, randomUniform, streamOf } from '../random.ts';

import { encodedRow, type Reencode } from './rater-scores.ts';

/** Standardised scores beyond this are clipped. */
export const CLIP = 3;

export interface ScorerDataOptions {
  /** Where rows come from; pieces of one document stay on one side of the split. Default document: the row itself. */
  samples: TokenSource & { document?(row: number): number };
  /** Scored rows. */
  rows: ArrayLike<number>;
  /** γ, one a row. */
  scores: ArrayLike<number>;
  /** Default: the samples' own tokens. */
  reencode?: Reencode;
  /** Expected share of rows held out, in (0, 1); default 0.1. */
  heldOut?: number;
  /** Draws split and batches; default 0. */
  seed?: number;
}

/** What a scorer learns from. Rows are spoken of by their place in the arrays that were given. */
export interface ScorerData {
  /** Places to train on, and to measure on. */
  training: Uint32Array;
  heldOut: Uint32Array;
  /** Of the training scores. */
  mean: number;
  standardDeviation: number;
  /** (γ − mean) / standardDeviation, clipped to ±3 [rows]. */
  targets: Float64Array;
  /** γ [rows]. */
  scores: Float64Array;
  /** The row at a place, as the scorer reads it. */
  row(place: number): TokenRow;
  tokens(place: number): ArrayLike<number>;
  /** Places of the batch of a step (0-based): passes over the training part, each in an order of its own. */
  batch(step: number, size: number): Uint32Array;
}

/**
 * Divides scored rows by a hash of seed and document, and standardises their scores.
 * @throws GradfoldError INVALID_DATA when a score is not finite, a side of the split has fewer than two rows, or the
 *   scores of a side are all equal
 */
export function scorerData(options: ScorerDataOptions): ScorerData {
  const { samples, reencode } = options;
  checkList('rows', options.rows);
  const rows = Uint32Array.from(options.rows);
  checkLength('scores', options.scores, rows.length, 'one a row');
  checkFiniteArray('scores', options.scores);
  const share = checkFinite('heldOut', options.heldOut ?? 0.1, { above: 0 });
  if (share >= 1) throw invalid('heldOut', 'a share < 1', share);
  const seed = checkInteger('seed', options.seed ?? 0, 0);
  const scores = Float64Array.from(options.scores);

  const document = (row: number) => samples.document?.(row) ?? row;
  const stream = streamOf('scorer/held out');
  const isHeldOut = Array.from(rows, (row) => randomUniform(seed, stream, document(row)) < share);
  const places = Uint32Array.from(rows.keys());
  const training = places.filter((place) => !isHeldOut[place]);
  const heldOut = places.filter((place) => isHeldOut[place]);
  for (const [name, side] of Object.entries({ training, 'held-out': heldOut })) checkSide(name, side, scores);

  const { mean, standardDeviation } = summarize(Array.from(training, (place) => scores[place]));
  const own = reencode && Array.from(rows, (row) => encodedRow(samples, row, reencode));
  const row = (place: number) => own?.[place] ?? encodedRow(samples, rows[place], undefined);
  let epoch = -1;
  let order: Uint32Array = new Uint32Array(0);
  const at = (position: number): number => {
    const needed = Math.floor(position / training.length);
    if (needed !== epoch)
      order = randomPermutation(training.length, seed, streamOf(`scorer/epoch ${(epoch = needed)}`));
    return training[order[position % training.length]];
  };
  return {
    training,
    heldOut,
    mean,
    standardDeviation,
    targets: scores.map((score) => Math.max(-CLIP, Math.min(CLIP, (score - mean) / standardDeviation))),
    scores,
    row,
    tokens: (place) => row(place).inputIds,
    batch: (step, size) => Uint32Array.from({ length: size }, (_, i) => at(step * size + i)),
  };
}

function checkSide(name: string, side: Uint32Array, scores: Float64Array): void {
  const different = new Set(Array.from(side, (place) => scores[place])).size;
  if (different >= 2) return;
  throw invalid(`scores of the ${name} rows`, 'at least two different ones', `${different} of ${side.length} rows`, {
    code: 'INVALID_DATA',
    fix: 'score more rows, or change the held-out share or the seed',
  });
}
