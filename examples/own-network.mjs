// A network and a training loop that are not gradfold's: plain JavaScript that predicts the next character of this
// project's documentation from the six before it. Two passages in five have their characters shuffled. What a passage
// is worth is read off its gradient (perSampleLinear); the loop then selects, orders, weighs or filters by that.
import { readFile } from 'node:fs/promises';
import {
  acceptProbability,
  argsort,
  foldOrder,
  openBackend,
  perSampleLinear,
  softmaxWeights,
  topRatio,
} from 'gradfold';

const ALPHABET = ' abcdefghijklmnopqrstuvwxyz.,';
const [CONTEXT, LENGTH, HIDDEN, SYMBOLS] = [6, 32, 24, ALPHABET.length];
const [BATCH, STEPS, RATE, SEEDS] = [10, 120, 2, [1, 2]];
const INPUTS = CONTEXT * SYMBOLS;

const names = ['README.md', ...['architecture', 'cli', 'formats', 'lqs', 'ordering'].map((name) => `docs/${name}.md`)];
const text = (await Promise.all(names.map((name) => readFile(name, 'utf8')))).join(' ').toLowerCase();
const symbols = Array.from(text.replaceAll(/[^a-z.,]+/g, ' '), (letter) => ALPHABET.indexOf(letter));
const backend = await openBackend();
/** The position that each logit of up to 200 passages belongs to. */
const positionOf = Int32Array.from({ length: 200 * LENGTH * SYMBOLS }, (_, i) => Math.floor(i / SYMBOLS));

/** Numbers in [0, 1), the same for the same seed (mulberry32, Tommy Ettinger 2017). */
function randomness(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let word = Math.imul(seed ^ (seed >>> 15), seed | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32;
  };
}

function shuffled(values, random) {
  const keys = Float64Array.from(values, random);
  return Array.from(argsort(keys), (i) => values[i]);
}

/** Two linear layers with a tanh between them: [HIDDEN × INPUTS] on one-hot inputs, and [SYMBOLS × HIDDEN]. */
function network(random) {
  const matrix = (rows, columns, scale) =>
    Float64Array.from({ length: rows * columns }, () => scale * (random() - 0.5));
  return { first: matrix(HIDDEN, INPUTS, 0.5), second: matrix(SYMBOLS, HIDDEN, 0.5) };
}

/**
 * Mean loss of some passages, and what each layer took in and got back of each passage's own loss, which is the mean
 * over its LENGTH predictions.
 */
function pass({ first, second }, passages) {
  const positions = passages.length * LENGTH;
  const symbol = (at, c) => passages[Math.floor(at / LENGTH)][(at % LENGTH) + c];
  const inputs = new Float32Array(positions * INPUTS);
  const [hidden, hiddenGradients] = [new Float64Array(positions * HIDDEN), new Float64Array(positions * HIDDEN)];
  const [logits, outputGradients] = [new Float64Array(positions * SYMBOLS), new Float64Array(positions * SYMBOLS)];
  for (let at = 0; at < positions; at++) {
    const h = hidden.subarray(at * HIDDEN, (at + 1) * HIDDEN);
    for (let c = 0; c < CONTEXT; c++) {
      const column = c * SYMBOLS + symbol(at, c);
      inputs[at * INPUTS + column] = 1;
      for (let k = 0; k < HIDDEN; k++) h[k] += first[k * INPUTS + column];
    }
    for (let k = 0; k < HIDDEN; k++) h[k] = Math.tanh(h[k]);
    for (let s = 0; s < SYMBOLS; s++) {
      let logit = 0;
      for (let k = 0; k < HIDDEN; k++) logit += second[s * HIDDEN + k] * h[k];
      logits[at * SYMBOLS + s] = logit;
    }
  }
  // A softmax for each position, all in one call.
  const probabilities = softmaxWeights(logits, { groups: positionOf.subarray(0, logits.length) });
  let loss = 0;
  for (let at = 0; at < positions; at++) {
    const h = hidden.subarray(at * HIDDEN, (at + 1) * HIDDEN);
    const back = hiddenGradients.subarray(at * HIDDEN, (at + 1) * HIDDEN);
    const wanted = symbol(at, CONTEXT);
    loss -= Math.log(probabilities[at * SYMBOLS + wanted]) / positions;
    for (let s = 0; s < SYMBOLS; s++) {
      const gradient = (probabilities[at * SYMBOLS + s] - (s === wanted ? 1 : 0)) / LENGTH;
      outputGradients[at * SYMBOLS + s] = gradient;
      for (let k = 0; k < HIDDEN; k++) back[k] += gradient * second[s * HIDDEN + k];
    }
    for (let k = 0; k < HIDDEN; k++) back[k] *= 1 - h[k] * h[k];
  }
  const shape = { batch: passages.length, time: LENGTH };
  const one = { activations: inputs, outputGradients: hiddenGradients, inFeatures: INPUTS, outFeatures: HIDDEN };
  const two = { activations: hidden, outputGradients, inFeatures: HIDDEN, outFeatures: SYMBOLS };
  return { loss, layers: [one, two].map((layer) => ({ ...layer, ...shape })) };
}

/** STEPS steps of SGD over a tape of passages, begun again when it ends; weigh(rows) gives the weights of a batch. */
async function train(model, passages, order, weigh) {
  for (let step = 0; step < STEPS; step++) {
    const rows = Array.from({ length: BATCH }, (_, i) => order[(step * BATCH + i) % order.length]);
    const { layers } = pass(
      model,
      rows.map((row) => passages[row]),
    );
    const weights = weigh?.(rows) ?? new Float64Array(BATCH).fill(1 / BATCH);
    for (const [k, matrix] of [model.first, model.second].entries()) {
      const { gradient } = await perSampleLinear(backend, layers[k], { weights });
      for (let i = 0; i < matrix.length; i++) matrix[i] -= RATE * gradient[i];
    }
  }
  return model;
}

/** How far each passage's gradient points the way of the target's: ⟨g_i, v⟩ / ‖g_i‖ over both layers. */
async function scoresOf(model, passages, target) {
  const wanted = [];
  const { layers } = pass(model, target);
  for (const layer of layers) {
    const into = new Float32Array(layer.inFeatures * layer.outFeatures);
    wanted.push((await perSampleLinear(backend, layer, { into })).gradient);
  }
  const scores = [];
  for (let at = 0; at < passages.length; at += 50) {
    const parts = pass(model, passages.slice(at, at + 50)).layers.map((layer, k) =>
      perSampleLinear(backend, layer, { norms: true, dots: [wanted[k]] }),
    );
    const [a, b] = await Promise.all(parts);
    scores.push(...a.norms.map((norm, i) => (a.dots[0][i] + b.dots[0][i]) / Math.hypot(norm, b.norms[i])));
  }
  return Float64Array.from(scores);
}

const results = {};
const dropped = [];
for (const seed of SEEDS) {
  const random = randomness(seed);
  const whole = Array.from({ length: Math.floor(symbols.length / (LENGTH + CONTEXT)) }, (_, i) =>
    symbols.slice(i * (LENGTH + CONTEXT), (i + 1) * (LENGTH + CONTEXT)),
  );
  const mixed = shuffled(whole, random);
  const [test, target] = [mixed.splice(0, 200), mixed.splice(0, 50)];
  const spoiled = mixed.map((_, row) => row % 5 < 2);
  const passages = mixed.map((passage, row) => (spoiled[row] ? shuffled(passage, random) : passage));
  const rows = shuffled([...passages.keys()], random);
  const start = () => network(randomness(seed));

  const scores = await scoresOf(await train(start(), passages, rows), passages, target);
  const kept = topRatio(scores, 0.6);
  dropped.push(spoiled.filter((bad, row) => bad && !kept.includes(row)).length / spoiled.filter(Boolean).length);
  const of = (some) => Float64Array.from(some, (row) => scores[row]);
  const rank = new Float64Array(rows.length);
  argsort(scores).forEach((row, place) => (rank[row] = place / rows.length));
  const accepted = rows.filter((row) => random() < acceptProbability(rank[row], { batch: 10, keep: 6 }));
  const ways = {
    'all passages': [rows],
    'a random 60 %': [rows.slice(0, kept.length)],
    'best 60 %, random order': [shuffled(kept, random)],
    'best 60 %, folded': [foldOrder(of(kept)).map((place) => kept[place])],
    'drawn by acceptance': [accepted],
    'all, softmax weights': [rows, (batch) => softmaxWeights(of(batch), { temperature: 0.1 })],
    'only unspoiled (ideal)': [rows.filter((row) => !spoiled[row])],
  };
  for (const [name, way] of Object.entries(ways)) {
    (results[name] ??= []).push(pass(await train(start(), passages, ...way), test).loss);
  }
}
backend.dispose();

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
console.log(`spoiled passages among those dropped: ${(100 * mean(dropped)).toFixed(0)} %`);
for (const [name, losses] of Object.entries(results)) {
  const gains = losses.map((loss, i) => results['all passages'][i] - loss);
  console.log(`${name}: test loss ${mean(losses).toFixed(3)}, better by ${gains.map((g) => g.toFixed(3)).join(' ')}`);
}
