import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBackend } from '../lib/backend/open.ts';
import { openReferenceBackend } from '../lib/backend/reference/backend.ts';
import { packDocuments } from '../lib/condition/pack-documents.ts';
import { collate, type Batch } from '../lib/data/batch.ts';
import type { Tokenizer } from '../lib/data/tokenizer.ts';
import { evaluateChoices } from '../lib/evaluate/choice.ts';
import { evaluateUnderPrefixes } from '../lib/evaluate/harness.ts';
import { evaluatePerplexity } from '../lib/evaluate/perplexity.ts';
import { generate } from '../lib/generate/generate.ts';
import { LanguageModel } from '../lib/model/language-model.ts';
import { createOptimizer } from '../lib/model/optimizer.ts';
import { argsort } from '../lib/order/argsort.ts';
import { foldOrder } from '../lib/order/fold.ts';
import { perSampleLinear } from '../lib/score/per-sample-linear.ts';
import { topRatio } from '../lib/select/top-ratio.ts';
import { resolveSchedule } from '../lib/train/schedule.ts';
import { metaGradient } from '../lib/weight/meta-gradient.ts';
import { softmaxWeights } from '../lib/weight/softmax.ts';
import { TINY } from './support/models.ts';

const backend = openReferenceBackend();
afterAll(() => backend.dispose());
let model: LanguageModel;
let batch: Batch;
beforeAll(async () => {
  model = await LanguageModel.initialize(TINY, { backend, seed: 5 });
  batch = collate([{ inputIds: [1, 2, 3] }, { inputIds: [4, 5] }]);
});

const scores = Float64Array.of(3, 1, 2);
const sgd = { kind: 'sgd', lr: 0.1 } as const;
const linear = { activations: Float32Array.of(1), outputGradients: Float32Array.of(1) };
const sizes = { batch: 1, time: 1, inFeatures: 1, outFeatures: 1 };
const tokenizer = {
  encode: (text: string) => new Int32Array(text.length).fill(1),
  beginOfTextId: 0,
} as unknown as Tokenizer;
const question = { question: 'a', choices: ['b', 'c'], answer: 0 };
const rows = { samples: { tokens: () => Int32Array.of(1, 2), domain: () => 'all' }, rows: [0] };

/** Calls with an option whose name is not quite right; `as never`, since the compiler would say so too. */
const CALLS: Record<string, [slip: string, call: (slip: never) => unknown]> = {
  openBackend: ['precison', (slip) => openBackend('reference', slip)],
  collate: ['padding', (slip) => collate([{ inputIds: [1] }], slip)],
  'model.loss': ['abort', (slip) => model.loss(batch, slip)],
  'model.gradient': ['weight', (slip) => model.gradient(batch, slip)],
  metaGradient: [
    'temprature',
    (slip) =>
      metaGradient(model, {
        ...{ batches: [batch], scores: [scores.subarray(0, 2)], outer: batch, optimizer: sgd },
        ...(slip as object),
      }),
  ],
  'model.perSample': ['norm', (slip) => model.perSample(batch, slip)],
  'model.perSample, sketch': [
    'dimension',
    (slip) => model.perSample(batch, { sketch: { dimensions: 2, seed: 1, ...(slip as object) } }),
  ],
  'model.hvp': ['into', (slip) => model.hvp(batch, model.vector(), slip)],
  'model.jvp': ['weights', (slip) => model.jvp(batch, model.vector(), slip)],
  'model.logits': ['position', (slip) => model.logits(batch, slip)],
  createOptimizer: ['weightdecay', (slip) => createOptimizer(model, { ...sgd, ...(slip as object) })],
  schedule: ['warmup', (slip) => resolveSchedule({ kind: 'cosine', ...(slip as object) }, 5)],
  perSampleLinear: ['norm', (slip) => perSampleLinear(backend, { ...linear, ...sizes }, slip)],
  argsort: ['decending', (slip) => argsort(scores, slip)],
  foldOrder: ['layer', (slip) => foldOrder(scores, slip)],
  topRatio: ['memories', (slip) => topRatio(scores, 0.5, slip)],
  softmaxWeights: ['temp', (slip) => softmaxWeights(scores, slip)],
  packDocuments: ['strategie', (slip) => packDocuments([[1, 2]], { length: 4, ...(slip as object) })],
  generate: ['topp', (slip) => generate(model, [[1]], slip)],
  evaluatePerplexity: ['batch', (slip) => evaluatePerplexity(model, rows.samples, rows.rows, slip)],
  evaluateChoices: ['shot', (slip) => evaluateChoices(model, tokenizer, [question], slip)],
  evaluateUnderPrefixes: ['prefix', (slip) => evaluateUnderPrefixes(model, tokenizer, { perplexity: rows }, slip)],
};

describe('an option with a slip in its name is refused by', () => {
  it.each(Object.entries(CALLS))('%s', async (_, [slip, call]) => {
    await expect((async () => call({ [slip]: 1 } as never))()).rejects.toThrow(
      new RegExp(`: expected no options but [^"]*, got "${slip}"$`),
    );
    await (async () => call({ [slip]: undefined } as never))(); // as when it is passed on from where it may be absent
  });

  it('SGD, for the weight decay that it has not', () => {
    expect(() => createOptimizer(model, { ...sgd, weightDecay: 0.1 } as never)).toThrow(
      /weightDecay: expected none or 0/,
    );
  });
});
