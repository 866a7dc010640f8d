import type { FloatArray } from '../backend/types.ts';
import { invalid } from '../check.ts';
import { argsort } from './argsort.ts';
import { DEFAULT_LAYERS, foldOrder, layerStarts } from './fold.ts';
import { jitterOrder } from './jitter.ts';
import { segmentOrder } from './segments.ts';
import { shuffleOrder } from './shuffle.ts';
import { zigzagOrder } from './zigzag.ts';

/** How rows are ordered. `layers` defaults to 3, `descending` to false. */
export type OrderMethod =
  | { method: 'sort'; descending?: boolean }
  | { method: 'fold'; layers?: number }
  | { method: 'zigzag'; layers?: number }
  | { method: 'jitter'; window: number; seed: number }
  | { method: 'segments'; segments: number; seed: number }
  | { method: 'shuffle'; seed: number };

/** Positions in training order, and the layer of the fold or zigzag, or the segment, that each is in; else 0. */
export interface Ordering {
  places: Uint32Array;
  layers: Uint32Array;
}

/** The options of one method. */
export type Method<Name> = Extract<OrderMethod, { method: Name }>;
type Orderings = {
  [Name in OrderMethod['method']]: (count: number, scores: () => FloatArray, method: Method<Name>) => Ordering;
};

const ORDERINGS: Orderings = {
  sort: (_, scores, { descending }) => unlayered(argsort(scores(), { descending })),
  fold: (_, scores, { layers }) => layered(foldOrder(scores(), { layers }), layers),
  zigzag: (_, scores, { layers }) => layered(zigzagOrder(scores(), { layers }), layers),
  jitter: (_, scores, options) => unlayered(jitterOrder(scores(), options)),
  segments(_, scores, options) {
    const { places, segments } = segmentOrder(scores(), options);
    return { places, layers: segments };
  },
  shuffle: (count, _, { seed }) => unlayered(shuffleOrder(count, seed)),
};

/**
 * The ordering of `count` rows by a method.
 * @param scores gives one score a row; not called by `shuffle`
 * @throws GradfoldError INVALID_ARGUMENT for an unknown method or a wrong option; INVALID_DATA for NaN.
 */
export function orderBy(count: number, scores: () => FloatArray, order: OrderMethod): Ordering {
  if (!Object.hasOwn(ORDERINGS, order.method)) {
    throw invalid('method', `one of ${Object.keys(ORDERINGS).join(', ')}`, order.method);
  }
  const run = ORDERINGS[order.method] as (count: number, scores: () => FloatArray, order: OrderMethod) => Ordering;
  return run(count, scores, order);
}

const unlayered = (places: Uint32Array): Ordering => ({ places, layers: new Uint32Array(places.length) });

function layered(places: Uint32Array, wanted = DEFAULT_LAYERS): Ordering {
  const layers = new Uint32Array(places.length);
  const count = Math.min(wanted, places.length); // further layers are empty
  const starts = layerStarts(places.length, count);
  for (let layer = 0; layer < count; layer++) layers.fill(layer, starts[layer], starts[layer + 1]);
  return { places, layers };
}
