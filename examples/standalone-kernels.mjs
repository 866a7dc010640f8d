// Ordering, selection and weighting inside a training loop that is not gradfold's: a line fitted by SGD to data of which
// every fifth row is wrong. Plain typed arrays go in and come out; there is no model and no backend.
import { argsort, foldOrder, softmaxWeights, topRatio } from 'gradfold';

const SLOPE = 2;
const x = Float64Array.from({ length: 600 }, (_, row) => Math.sin(row));
const y = x.map((value, row) => (row % 5 === 0 ? -SLOPE : SLOPE) * value);
const all = Uint32Array.from(x.keys());
const BATCH = 20;

/** One pass of SGD over rows in the given order; `weigh` gives the weights of a batch, which sum to 1. */
function fit(order, weigh = (batch) => softmaxWeights(new Float64Array(batch.length))) {
  let slope = 0;
  for (let at = 0; at < order.length; at += BATCH) {
    const batch = order.subarray(at, at + BATCH);
    const weights = weigh(batch);
    slope -= batch.reduce((sum, row, i) => sum + weights[i] * (slope * x[row] - y[row]) * x[row], 0);
  }
  return slope;
}

const first = fit(all);
const scores = x.map((value, row) => -((first * value - y[row]) ** 2)); // high: the other rows agree with this one
const scoresOf = (rows) => Float64Array.from(rows, (row) => scores[row]);

const kept = topRatio(scores, 0.8); // rows, ascending by score
const folded = foldOrder(scoresOf(kept), { layers: 3 }).map((place) => kept[place]);
const weighted = fit(all, (batch) => softmaxWeights(scoresOf(batch), { temperature: 0.5 }));

console.log(`worst rows: ${argsort(scores).subarray(0, 5).join(', ')}`);
console.log(`slope of all rows: ${first.toFixed(2)}`);
console.log(`slope of the best 80 %, folded: ${fit(folded).toFixed(2)}`);
console.log(`slope of all rows under softmax weights: ${weighted.toFixed(2)}`);
