// Answers a number by making so many scores, and 'fold' by folding them.
import { parentPort } from 'node:worker_threads';
import { foldOrder } from 'gradfold';
import { normalScores } from './scores.ts';

let scores = new Float32Array(0);
parentPort!.on('message', (request: number | 'fold') => {
  if (request === 'fold') foldOrder(scores);
  else scores = normalScores(request);
  parentPort!.postMessage('done');
});
