import type { FloatArray } from '../backend/types.ts';
import { DEFAULT_LAYERS, foldOrder, layerStarts, type FoldOptions } from './fold.ts';

/**
 * Zigzag: the layers of foldOrder with every second one, from the second on, turned round, so that scores rise and fall
 * by turns and never jump from the highest to the lowest. One layer is the ascending sort. Row indices [n].
 * @throws GradfoldError as foldOrder does.
 */
export function zigzagOrder(scores: FloatArray, options: FoldOptions = {}): Uint32Array {
  const order = foldOrder(scores, options);
  const layers = Math.min(options.layers ?? DEFAULT_LAYERS, order.length); // further layers are empty
  const starts = layerStarts(order.length, layers);
  for (let layer = 1; layer < layers; layer += 2) order.subarray(starts[layer], starts[layer + 1]).reverse();
  return order;
}
