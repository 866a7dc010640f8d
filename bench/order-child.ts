// Folds so many scores once, in a process of its own: node order-child.js ROWS [MEMORY]. Checks the order, and prints
// {seconds, peakBytes} as JSON.
import { readFileSync } from 'node:fs';
import { foldOrder } from 'gradfold';
import { checkOrder } from './check-order.ts';
import { normalScores } from './scores.ts';

const LAYERS = 3;
const [rows, memory] = process.argv.slice(2).map(Number);
const scores = normalScores(rows);
const start = performance.now();
const order = foldOrder(scores, { layers: LAYERS, memory });
const seconds = (performance.now() - start) / 1000;
const peakBytes = Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))![1]) * 1024;
checkOrder(scores, order, LAYERS);
process.stdout.write(JSON.stringify({ seconds, peakBytes }));
