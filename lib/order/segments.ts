import type { FloatArray } from '../backend/types.ts';
import { checkInteger } from '../check.ts';
import { randomPermutation, streamOf } from '../random.ts';
import { argsort } from './argsort.ts';
import { layerStarts } from './fold.ts';

const STREAM = streamOf('order/segments');

export interface SegmentOptions {
  /** Number of segments. */
  segments: number;
  seed: number;
}

/** Rows in training order, and the segment of each, 0 with the lowest scores. */
export interface SegmentedOrder {
  places: Uint32Array;
  segments: Uint32Array;
}

/**
 * Segments: the stable ascending order cut into contiguous segments of ⌈n / s⌉ and then ⌊n / s⌋ rows, which come in an
 * order drawn uniformly by the seed; within one, scores ascend. One segment is the ascending sort, as many as rows are a
 * uniform shuffle; further ones would be empty.
 * @throws GradfoldError INVALID_DATA naming the index of a NaN; INVALID_ARGUMENT for less than 1 segment.
 */
export function segmentOrder(scores: FloatArray, { segments, seed }: SegmentOptions): SegmentedOrder {
  checkInteger('segments', segments, 1);
  checkInteger('seed', seed, 0);
  const sorted = argsort(scores);
  const count = Math.min(segments, sorted.length);
  const starts = count > 0 ? layerStarts(sorted.length, count) : [];
  const places = new Uint32Array(sorted.length);
  const of = new Uint32Array(sorted.length);
  let at = 0;
  for (const segment of randomPermutation(count, seed, STREAM)) {
    const rows = sorted.subarray(starts[segment], starts[segment + 1]);
    places.set(rows, at);
    of.fill(segment, at, (at += rows.length));
  }
  return { places, segments: of };
}
