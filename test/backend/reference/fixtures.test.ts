import { describe, expect, it } from 'vitest';
import { norm, Fixture, largestRelativeError, distance, relativeError, toBatch } from '../../support/fixtures.ts';
import type { FixtureBatch, TensorRecord } from '../../support/fixtures.ts';
import type { BackwardResult, EngineBatch, EngineVector } from '../../../lib/backend/types.ts';
import { engineBatch, meanWeights, openFixtureModel, recordOf, vectorOf, type Opened } from './support.ts';

const TOLERANCE = 1e-10;

interface Expected {
  losses: number[];
  grad_norms: number[];
  gram: number[][];
  dots_v0: number[];
  dots_v1: number[];
  jvp_v0: number[];
  jvp_v1: number[];
  v0_norm: number;
  v1_norm: number;
  picked_samples?: number[];
  v0_hvp_v0?: number;
}

/** Largest error of inner products ⟨a_i, b_i⟩, each beside ‖a_i‖‖b_i‖, to which its rounding error is proportional. */
function dotError(actual: ArrayLike<number>, expected: number[], scales: number[]): number {
  return Math.max(...expected.map((value, i) => Math.abs(actual[i] - value) / scales[i]));
}

function expectTensors(opened: Opened, actual: EngineVector, expected: TensorRecord): void {
  expect(largestRelativeError(recordOf(opened, actual), expected)).toBeLessThan(TOLERANCE);
}

function expectStatistics(result: BackwardResult, expected: Expected): void {
  expect(relativeError(result.losses, expected.losses)).toBeLessThan(TOLERANCE);
  expect(relativeError(result.norms!, expected.grad_norms)).toBeLessThan(TOLERANCE);
  expect(relativeError(result.gram!, expected.gram.flat())).toBeLessThan(TOLERANCE);
  for (const [k, vector] of (['v0', 'v1'] as const).entries()) {
    const scales = expected.grad_norms.map((g) => g * expected[`${vector}_norm`]);
    expect(dotError(result.dots![k], expected[`dots_${vector}`], scales)).toBeLessThan(TOLERANCE);
  }
}

describe.each(['llama', 'mistral', 'packed'])('fixture %s', (name) => {
  const fixture = new Fixture(name);

  it('gives losses, norms, dots, Gram matrix and gradients', async () => {
    const opened = await openFixtureModel(fixture);
    const { model } = opened;
    const expected = await fixture.json<Expected>('expected');
    const batch = engineBatch(toBatch(await fixture.json<FixtureBatch>('batch')));
    const dots = [
      vectorOf(opened, await fixture.tensors('vectors', 'v0')),
      vectorOf(opened, await fixture.tensors('vectors', 'v1')),
    ];
    const into = model.zeros();
    const result = await model.backward(batch, {
      weights: meanWeights(batch.samples),
      into,
      norms: true,
      dots,
      gram: true,
      gradients: true,
    });
    expectStatistics(result, expected);
    expect(await model.loss(batch)).toEqual(result.losses);
    expectTensors(opened, into, await fixture.tensors('expected', 'grad_mean'));
    for (const i of expected.picked_samples ?? []) {
      expectTensors(opened, result.gradients![i], await fixture.tensors('expected', `grad_sample_${i}`));
    }
    for (const [k, vector] of (['v0', 'v1'] as const).entries()) {
      const jvp = await model.hvp(batch, dots[k], meanWeights(batch.samples), model.zeros());
      const scales = expected.grad_norms.map((g) => g * expected[`${vector}_norm`]);
      expect(dotError(jvp, expected[`jvp_${vector}`], scales)).toBeLessThan(TOLERANCE);
    }
  });
});

describe.each(['llama', 'mistral'])('fixture %s, weighted', (name) => {
  const fixture = new Fixture(name);

  it('gives the Hessian-vector product', async () => {
    const opened = await openFixtureModel(fixture);
    const expected = await fixture.json<Expected>('expected');
    const batch = await fixture.json<FixtureBatch>('batch');
    const v0 = vectorOf(opened, await fixture.tensors('vectors', 'v0'));
    const into = opened.model.zeros();
    await opened.model.hvp(engineBatch(toBatch(batch)), v0, Float64Array.from(batch.sample_weights!), into);
    expectTensors(opened, into, await fixture.tensors('expected', 'hvp_v0'));
    expect(Math.abs(into.dot(v0) - expected.v0_hvp_v0!)).toBeLessThan(TOLERANCE * Math.abs(expected.v0_hvp_v0!));
  });
});

it('fixture llama gives the weighted gradient', async () => {
  const fixture = new Fixture('llama');
  const opened = await openFixtureModel(fixture);
  const batch = await fixture.json<FixtureBatch>('batch');
  const into = opened.model.zeros();
  const weights = Float64Array.from(batch.sample_weights!);
  await opened.model.backward(engineBatch(toBatch(batch)), { weights, into });
  expectTensors(opened, into, await fixture.tensors('expected', 'grad_weighted'));
});

it('fixture packed gives statistics by document', async () => {
  interface DocumentStatistics {
    loss: number | null;
    grad_norm: number | null;
    dot_v0: number | null;
    dot_v1: number | null;
  }
  const fixture = new Fixture('packed');
  const opened = await openFixtureModel(fixture);
  const { documents } = await fixture.json<{ documents: DocumentStatistics[] }>('expected');
  const batch = engineBatch(toBatch(await fixture.json<FixtureBatch>('batch')), 'document');
  expect(batch.samples).toBe(documents.length);
  const dots = [
    vectorOf(opened, await fixture.tensors('vectors', 'v0')),
    vectorOf(opened, await fixture.tensors('vectors', 'v1')),
  ];
  const result = await opened.model.backward(batch, { weights: meanWeights(batch.samples), norms: true, dots });
  const column = (field: keyof DocumentStatistics): number[] => documents.map((document) => document[field] ?? 0);
  expect(relativeError(result.losses, column('loss'))).toBeLessThan(TOLERANCE);
  expect(relativeError(result.norms!, column('grad_norm'))).toBeLessThan(TOLERANCE);
  expect(relativeError(result.dots![0], column('dot_v0'))).toBeLessThan(TOLERANCE);
  expect(relativeError(result.dots![1], column('dot_v1'))).toBeLessThan(TOLERANCE);
});

interface Run {
  losses: number[];
  grad_norms: number[];
  update_norm: number;
}

describe.each([
  ['sgd', Infinity],
  ['adamw', Infinity],
  ['adamw_clip', 1],
] as const)('fixture optim, %s', (run, clipNorm) => {
  const fixture = new Fixture('optim');

  it('follows five steps', async () => {
    const opened = await openFixtureModel(fixture);
    const { model } = opened;
    const expected = (await fixture.json<Record<string, Run>>('expected'))[run];
    const batch = engineBatch(toBatch(await fixture.json<FixtureBatch>('batch')));
    const weights = meanWeights(batch.samples);
    const gradient = model.zeros();
    const m = model.zeros();
    const v = model.zeros();
    const losses: number[] = [];
    const norms: number[] = [];
    for (let step = 1; step <= 5; step++) {
      const result = await model.backward(batch, { weights, into: gradient });
      losses.push(mean(result.losses));
      norms.push(
        run === 'sgd'
          ? await model.parameters.sgdStep(gradient, { lr: 0.05, clipNorm })
          : await model.parameters.adamwStep(gradient, m, v, {
              lr: 1e-3,
              betas: [0.9, 0.95],
              eps: 1e-8,
              weightDecay: 0.1,
              clipNorm,
              step,
            }),
      );
    }
    losses.push(mean(await model.loss(batch)));
    expect(relativeError(losses, expected.losses)).toBeLessThan(TOLERANCE);
    expect(relativeError(norms, expected.grad_norms)).toBeLessThan(TOLERANCE);
    const final = await fixture.tensors('expected', run);
    expect(distance(recordOf(opened, model.parameters), final) / expected.update_norm).toBeLessThan(TOLERANCE);
  });
});

it('fixture lqs: the reverse sweep over a short SGD run', async () => {
  interface Sweep {
    lr: number;
    T: number;
    train_losses: number[];
    dev_losses: number[];
    lambda_norms: number[];
    hvp_norms: number[];
    proxy_grad_norms: number[][];
    proxy_dots_with_lambda_next: number[][];
  }
  const fixture = new Fixture('lqs');
  const opened = await openFixtureModel(fixture);
  const { model } = opened;
  const expected = await fixture.json<Sweep>('expected');
  const batches = await fixture.json<{ train: FixtureBatch[]; dev: FixtureBatch; proxy: FixtureBatch }>('batch');
  const train = batches.train.map((batch) => engineBatch(toBatch(batch)));
  const dev = engineBatch(toBatch(batches.dev));
  const proxy = engineBatch(toBatch(batches.proxy));
  const meanGradient = async (batch: EngineBatch, into: EngineVector): Promise<number> =>
    mean((await model.backward(batch, { weights: meanWeights(batch.samples), into })).losses);

  const iterates = [model.parameters.copy()];
  const gradient = model.zeros();
  const trainLosses: number[] = [];
  for (const batch of train) {
    trainLosses.push(await meanGradient(batch, gradient));
    await model.parameters.sgdStep(gradient, { lr: expected.lr, clipNorm: Infinity });
    iterates.push(model.parameters.copy());
  }
  expect(relativeError(trainLosses, expected.train_losses)).toBeLessThan(TOLERANCE);
  expectTensors(opened, iterates[expected.T], await fixture.tensors('expected', 'theta_T'));

  const lambda = model.zeros();
  const product = model.zeros();
  const devLosses: number[] = [await meanGradient(dev, lambda)];
  const lambdaNorms = [norm(lambda.read(0, lambda.length))];
  const hvpNorms: number[] = [];
  expectTensors(opened, lambda, await fixture.tensors('expected', 'lambda_T'));
  for (let t = expected.T - 1; t >= 0; t--) {
    model.parameters.copyFrom(iterates[t]);
    const scored = await model.backward(proxy, { weights: meanWeights(proxy.samples), norms: true, dots: [lambda] });
    expect(relativeError(scored.norms!, expected.proxy_grad_norms[t])).toBeLessThan(TOLERANCE);
    const scales = expected.proxy_grad_norms[t].map((g) => g * lambdaNorms[0]);
    expect(dotError(scored.dots![0], expected.proxy_dots_with_lambda_next[t], scales)).toBeLessThan(TOLERANCE);
    product.fill(0);
    await model.hvp(train[t], lambda, meanWeights(train[t].samples), product);
    hvpNorms.unshift(norm(product.read(0, product.length)));
    devLosses.unshift(await meanGradient(dev, gradient));
    lambda.axpy(1, gradient);
    lambda.axpy(-expected.lr, product);
    lambdaNorms.unshift(norm(lambda.read(0, lambda.length)));
  }
  expect(relativeError(devLosses, expected.dev_losses)).toBeLessThan(TOLERANCE);
  expect(relativeError(hvpNorms, expected.hvp_norms)).toBeLessThan(TOLERANCE);
  expect(relativeError(lambdaNorms, expected.lambda_norms)).toBeLessThan(TOLERANCE);
  expectTensors(opened, lambda, await fixture.tensors('expected', 'lambda_0'));
});

function mean(x: ArrayLike<number>): number {
  return Array.from(x).reduce((a, b) => a + b) / x.length;
}
