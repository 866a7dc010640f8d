/* global AbortController */
// One short call of everything that the addon does, for memory checkers to watch (scripts/test-asan.js,
// scripts/test-valgrind.js). Arguments: the compiled library; instruction set and product, default the best.
// Prints "toured" at the end; leaves the way Node does when nothing is left to do, so that finalizers run.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const [library, isa, gemm] = process.argv.slice(2);
const { collate, createOptimizer, foldOrderAsync, LanguageModel, measureProduct, openBackend, ...gradfold } =
  await import(pathToFileURL(join(library, 'index.js')).href);

async function tourModel(backend, fixture) {
  const directory = fileURLToPath(new URL(`../fixtures/${fixture}/`, import.meta.url));
  const rows = JSON.parse(await readFile(join(directory, 'batch.json'), 'utf8'));
  const batch = collate(
    rows.input_ids.map((ids, row) => {
      const length = rows.attention_mask[row].reduce((sum, one) => sum + one, 0);
      const cut = (values) => values?.[row].slice(0, length);
      return { inputIds: ids.slice(0, length), labels: cut(rows.labels), documentIds: cut(rows.doc_ids) };
    }),
  );
  const model = await LanguageModel.fromPretrained(join(directory, 'model'), { backend });
  const { perSample: before } = await model.loss(batch);
  const { gradient } = await model.gradient(batch);
  const dots = [gradient, model.parameters.copy()];
  const statistics = await model.perSample(batch, { norms: true, dots, gram: true, gradients: true, weights: before });
  for (const vector of [...statistics.gradients, statistics.gradient]) vector.dispose();
  await model.perSample(batch, { norms: true, sketch: { dimensions: 12, seed: 1 } });
  model.memory({ batch: 2, time: 8 }, 'perSample', { dots: 2, gram: true, gradients: true });
  if (batch.documentIds) await model.perSample(batch, { norms: true, dots, granularity: 'document' });
  const { hvp } = await model.hvp(batch, gradient);
  await model.jvp(batch, gradient);
  await model.logits(batch);
  for (const config of [
    { kind: 'sgd', lr: 1e-3, clipNorm: 1 },
    { kind: 'adamw', lr: 1e-3 },
  ]) {
    const optimizer = createOptimizer(model, config);
    await optimizer.step(gradient);
    optimizer.dispose();
    const scores = [0, 1].map(() => new Float64Array(batch.batch));
    const { final } = await gradfold.metaGradient(model, {
      batches: [batch, batch],
      scores,
      outer: batch,
      optimizer: { ...config, clipNorm: 1e-3 },
    });
    final.dispose();
  }
  hvp.axpy(0.5, gradient);
  hvp.scale(2);
  hvp.setFrom(gradient.toRecord());
  hvp.copyFrom(dots[1]);
  hvp.fill(hvp.dot(gradient) / hvp.norm());
  const controller = new AbortController();
  const aborted = model.gradient(batch, { signal: controller.signal });
  controller.abort(new Error('enough'));
  await aborted.catch((error) => {
    if (error.message !== 'enough') throw error;
  });
  hvp.dispose();
  model.dispose();
}

/** Raters, and a layer that is not of a model here. */
async function tourRaters(backend) {
  const sizes = { vocab_size: 11, num_hidden_layers: 1, num_attention_heads: 2, hidden_size: 8, intermediate_size: 12 };
  const batch = collate([{ inputIds: [1, 2, 3] }, { inputIds: [4, 5] }]);
  for (const model_type of ['llama', 'gpt2', 'bert']) {
    const config = { ...sizes, model_type, causal: model_type !== 'bert', pooling: 'mean', bias: true };
    const rater = await gradfold.SequenceRater.initialize(config, { backend, seed: 1 });
    await rater.score(batch);
    const gradient = await rater.backward(batch, [1, -1]);
    gradient.dispose();
    rater.dispose();
  }
  const [batchSize, time, inFeatures, outFeatures] = [3, 4, 5, 6];
  const numbers = (length) => Float32Array.from({ length }, (_, i) => Math.sin(i));
  const layer = {
    activations: numbers(batchSize * time * inFeatures),
    outputGradients: numbers(batchSize * time * outFeatures),
    batch: batchSize,
    time,
    inFeatures,
    outFeatures,
  };
  const weight = numbers(inFeatures * outFeatures);
  await gradfold.perSampleLinear(backend, layer, {
    norms: true,
    dots: [weight],
    gram: true,
    gradients: true,
    into: weight.slice(),
  });
}

async function tourOrderOfFiles(scores) {
  const folder = await mkdtemp(join(tmpdir(), 'gradfold-tour-'));
  const file = join(folder, 'scores.arrow');
  await gradfold.writeScores(file, { lqs: scores });
  for (const order of [{ method: 'fold' }, { method: 'input' }]) {
    await gradfold.orderFile([file, file], join(folder, 'plan.arrow'), { column: 'lqs', select: { topK: 70 }, order });
  }
  await rm(folder, { recursive: true });
}

async function tourOrder() {
  for (const make of [Float32Array, Float64Array]) {
    const scores = make.from({ length: 5000 }, (_, i) => Math.sin(i));
    gradfold.argsort(scores, { descending: true });
    gradfold.foldPartitions(scores, { layers: 7 });
    gradfold.topRatio(scores, 0.3);
    gradfold.topK(scores, 11);
    await Promise.all([gradfold.argsortAsync(scores), foldOrderAsync(scores), gradfold.topKAsync(scores, 4999)]);
    scores[4321] = NaN;
    await foldOrderAsync(scores).catch(() => {});
    scores[4321] = 0.5;
    await tourOrderOfFiles(scores);
  }
}

/** Maps a table of two shards, reads it, and leaves it to the collector. */
async function tourFiles() {
  const folder = await mkdtemp(join(tmpdir(), 'gradfold-tour-'));
  const one = {
    count: 2,
    length: 4,
    tokens: (i) => Int32Array.of(i, 1, 2),
    document: (i) => i,
    domain: () => 'd',
    split: () => 'train',
    rows: () => Uint32Array.of(0, 1),
  };
  await gradfold.writeSamples(join(folder, 'samples'), one, { shardRows: 1 });
  const samples = await gradfold.openSamples(join(folder, 'samples'));
  samples.prefetch([1, 0]);
  assert.equal(samples.tokens(1)[0], 1);
  await assert.rejects(gradfold.openSamples(join(folder, 'nothing')));
  await rm(folder, { recursive: true });
}

const backend = await openBackend('cpu', { threads: 2, ...(isa && { isa }), ...(gemm && { gemm }) });
for (const fixture of ['llama', 'mistral', 'packed', 'gpt2']) await tourModel(backend, fixture);
await tourRaters(backend);
await measureProduct(backend, { m: 33, n: 17, k: 65, transposeB: true });
if (!gemm) {
  const narrow = await openBackend('cpu', { threads: 2, precision: 'bf16', ...(isa && { isa }) });
  await tourModel(narrow, 'llama');
  await tourRaters(narrow);
  narrow.dispose();
}
const left = await LanguageModel.initialize(
  {
    model_type: 'llama',
    vocab_size: 11,
    hidden_size: 8,
    intermediate_size: 12,
    num_hidden_layers: 1,
    num_attention_heads: 2,
  },
  { backend, seed: 1 },
);
const late = left.gradient(collate([{ inputIds: [1, 2, 3] }]));
backend.dispose();
await late.catch(() => {});
await tourOrder();
await tourFiles();
process.stdout.write('toured\n');
