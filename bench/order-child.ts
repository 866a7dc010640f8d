// Folds so many scores once, in a process of its own: node order-child.js ROWS [MEMORY]. Checks the order, and prints
// {seconds, peakBytes} as JSON.
import { readFileSync } from 'node:fs';
import { foldOrder } from 'gradfold';
import { normalScores } from './scores.ts';

const LAYERS = 3;
const [rows, memory] = process.argv.slice(2).map(Number);
const scores = normalScores(rows);
const start = performance.now();
const order = foldOrder(scores, { layers: LAYERS, memory });
const seconds = (performance.now() - start) / 1000;
const peakBytes = Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))![1]) * 1024;
checkOrder();
process.stdout.write(JSON.stringify({ seconds, peakBytes }));

/** That every sorted row comes after the one before it, so that they are all there and in stable order. */
function checkOrder(): void {
  const places = Array.from(
    { length: LAYERS },
    (_, layer) => layer * Math.floor(rows / LAYERS) + Math.min(layer, rows % LAYERS),
  );
  let last = order[places[0]++];
  for (let position = 1; position < rows; position++) {
    const row = order[places[position % LAYERS]++];
    if (!(scores[last] < scores[row] || (scores[last] === scores[row] && last < row))) {
      throw new Error(`position ${position}: row ${row} does not come after row ${last}`);
    }
    last = row;
  }
}
