import type { FloatArray } from 'gradfold';

/** Throws unless every sorted row comes after the one before it, so that they are all there and in stable order. */
export function checkOrder(scores: FloatArray, order: Uint32Array, layers: number): void {
  const rows = scores.length;
  const places = Array.from(
    { length: layers },
    (_, layer) => layer * Math.floor(rows / layers) + Math.min(layer, rows % layers),
  );
  let last = order[places[0]++];
  for (let position = 1; position < rows; position++) {
    const row = order[places[position % layers]++];
    if (!(scores[last] < scores[row] || (scores[last] === scores[row] && last < row))) {
      throw new Error(`position ${position}: row ${row} does not come after row ${last}`);
    }
    last = row;
  }
}
