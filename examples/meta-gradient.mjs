// Sources of text learn what they are worth: training weighs each row by the softmax of its source's score, and the scores
// descend along the derivative of a held-out loss through two training steps.
import { readdir, readFile } from 'node:fs/promises';
import { collate, LanguageModel, metaGradient, openBackend, VectorPool } from 'gradfold';

const [ROUNDS, ROWS, TIME] = [60, 16, 64];

const files = (await readdir('docs')).filter((name) => name.endsWith('.md'));
const text = Buffer.concat(await Promise.all(files.map((name) => readFile(`docs/${name}`)))); // a token is a byte
let state = 1;
const random = () => (state = (state * 48271) % 2147483647) / 2147483647;
const passage = () => {
  const start = Math.floor(random() * (text.length - TIME));
  return Array.from(text.subarray(start, start + TIME));
};
const shuffled = (items) => {
  const drawn = items.map((item) => [random(), item]).sort(([a], [b]) => a - b);
  return drawn.map(([, item]) => item);
};
const SOURCES = {
  'as written': passage,
  'letters shuffled': () => shuffled(passage()),
  'eight letters repeated': () => passage().map((_, t, row) => row[t % 8]),
  noise: () => Array.from({ length: TIME }, () => Math.floor(256 * random())),
};
const makers = Object.values(SOURCES);
const sourceOf = (row) => row % makers.length;
const draw = () => collate(Array.from({ length: ROWS }, (_, row) => ({ inputIds: makers[sourceOf(row)]() })));

const size = { hidden_size: 64, intermediate_size: 176, num_hidden_layers: 2, num_attention_heads: 4 };
const backend = await openBackend();
const model = await LanguageModel.initialize({ model_type: 'llama', vocab_size: 256, ...size }, { backend, seed: 0 });
const workspace = new VectorPool(model); // its vectors serve every round
const scores = new Float64Array(makers.length);
let optimizerState;

for (let round = 1; round <= ROUNDS; round++) {
  const rowScores = Float64Array.from({ length: ROWS }, (_, row) => scores[sourceOf(row)]);
  const step = await metaGradient(model, {
    batches: [draw(), draw()],
    scores: [rowScores, rowScores],
    outer: collate(Array.from({ length: ROWS }, () => ({ inputIds: passage() }))),
    optimizer: { kind: 'adamw', lr: 3e-3 },
    state: optimizerState,
    finalState: true,
    workspace,
  });
  const slopes = new Float64Array(makers.length);
  for (const derivatives of step.scoreGradients) derivatives.forEach((d, row) => (slopes[sourceOf(row)] += d));
  const length = Math.hypot(...slopes);
  slopes.forEach((slope, k) => (scores[k] -= (0.2 * slope) / length));

  // The model goes on from where the two steps led.
  model.parameters.copyFrom(step.final);
  workspace.give(step.final);
  if (optimizerState) workspace.give(optimizerState.m, optimizerState.v);
  optimizerState = step.finalState;

  if (round % 20 === 0) {
    const shares = Object.keys(SOURCES).map((name, k) => {
      const share = step.weights[0].reduce((sum, w, row) => sum + (sourceOf(row) === k ? w : 0), 0);
      return `${name} ${Math.round(100 * share)} %`;
    });
    console.log(`round ${round}, held-out loss ${step.outerLoss.toFixed(3)}, weight: ${shares.join(', ')}`);
  }
}
workspace.dispose();
backend.dispose();
