import { checkBackend } from '../backend/check.ts';
import type { Backend, FloatArray } from '../backend/types.ts';
import { checkObject } from '../check.ts';
import { GradfoldError } from '../errors.ts';
import { checkScores, notANumber } from '../score/check.ts';
import { checkLayers, DEFAULT_LAYERS, type FoldOptions } from './fold.ts';
import { onDevice } from './kernel.ts';

/** Seconds by the device's own events. */
export interface OrderTimes {
  /** The rows, as foldOrder gives them. */
  order: Uint32Array;
  /** Of the scores to the device. */
  upload: number;
  /** Of all that is done there: keys, sorting, folding. */
  sort: number;
  /** Of the rows from the device. */
  download: number;
  /** Bytes a second that the device's memory reads and writes as it copies the keys: the ceiling of `sort`. */
  bandwidth: number;
}

/**
 * foldOrder of scores [n], n >= 1, by a backend's device, with what it took there: the time of the sort apart from that
 * of the way there and back. `layers` 1 does not fold.
 * @throws GradfoldError UNSUPPORTED for a backend whose memory is the process's; otherwise as foldOrderAsync
 */
export async function measureOrder(
  backend: Backend,
  scores: FloatArray,
  options: Pick<FoldOptions, 'layers'> = {},
): Promise<OrderTimes> {
  checkBackend(backend);
  checkScores(scores);
  checkObject('options', options);
  const { layers = DEFAULT_LAYERS } = options;
  checkLayers(layers);
  const { rows } = backend.engine;
  if (!rows) throw new GradfoldError('UNSUPPORTED', `backend '${backend.name}': it has no device that sorts`);
  if (scores.length === 0) throw new GradfoldError('INVALID_ARGUMENT', 'scores: expected at least one row, got none');
  const form = { descending: false, keep: scores.length, layers };
  const measured = await onDevice(scores.length, rows.measureSort(scores, form));
  if (typeof measured === 'number') throw notANumber(measured);
  const { rows: order, upload, sort, download, copy } = measured;
  return { order, upload, sort, download, bandwidth: (2 * scores.byteLength) / copy };
}
