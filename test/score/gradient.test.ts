import { expect, it } from 'vitest';
import { sampleBatches } from '../../lib/data/token-source.ts';
import { rowLosses } from '../../lib/evaluate/losses.ts';
import { createOptimizer } from '../../lib/model/optimizer.ts';
import { estimateMoments, gradientScores } from '../../lib/score/gradient.ts';
import { perplexityScores } from '../../lib/score/perplexity.ts';
import { describeBackends } from '../support/backends.ts';
import { toyModel, toySamples } from '../train/toy.ts';

const ROWS = Uint32Array.of(3, 1, 4, 11, 5);
const target = () => [...sampleBatches(toySamples, [0, 6, 9], 2)];

type Vector = Record<string, ArrayLike<number>>;
const inner = (a: Vector, b: Vector) =>
  Object.entries(a).reduce((sum, [name, x]) => sum + Array.from(x).reduce((s, v, i) => s + v * b[name][i], 0), 0);

describeBackends('gradientScores', ({ open, tolerance }) => {
  it('are products of the gradients themselves, plain and in the metric of AdamW', async () => {
    const backend = await open();
    const model = await toyModel(backend);
    const optimizer = createOptimizer(model, { kind: 'adamw', lr: 0.01, betas: [0.9, 0.9], eps: 1e-3 });
    const [training] = sampleBatches(toySamples, [2, 7, 8], 3);
    await optimizer.step((await model.gradient(training)).gradient);
    const moment = (await firstGradient(backend)).map(
      ([name, g]) => [name, Array.from(g, (x) => 0.1 * x * x)] as const,
    );

    const { plain, adam, norm, targetLoss } = await gradientScores(model, toySamples, ROWS, {
      target: target(),
      optimizer,
      batchSize: 2,
    });

    const [whole] = sampleBatches(toySamples, [0, 6, 9], 3);
    const { gradient, perSample } = await model.gradient(whole);
    const v = Object.fromEntries(moment);
    const direction = gradient.toRecord();
    // The second moments of a second update along ∇J: β₂v + (1 − β₂)(∇J)², over 1 − β₂².
    const metric = Object.fromEntries(
      Object.entries(direction).map(([name, g]) => [
        name,
        Array.from(g, (x, i) => x / (Math.sqrt((0.9 * v[name][i] + 0.1 * x * x) / (1 - 0.9 ** 2)) + 1e-3)),
      ]),
    );
    expect(targetLoss).toBeCloseTo(perSample.reduce((a, b) => a + b) / 3, 5);
    const [rows] = sampleBatches(toySamples, ROWS, ROWS.length);
    const { gradients } = await model.perSample(rows, { gradients: true });
    gradients!.forEach((each, i) => {
      const g = each.toRecord();
      for (const [{ dot, cosine }, w] of [[plain, direction] as const, [adam!, metric] as const]) {
        const scale = Math.sqrt(inner(g, g) * inner(w, w));
        expect(Math.abs(dot[i] - inner(g, w)) / scale).toBeLessThan(10 * tolerance.value);
        expect(Math.abs(cosine[i] - inner(g, w) / scale)).toBeLessThan(10 * tolerance.value);
      }
      expect(norm[i]).toBeCloseTo(Math.sqrt(inner(g, g)), 4);
    });
  });

  /** The gradient that the optimizer of the test above has seen. */
  async function firstGradient(backend: Awaited<ReturnType<typeof open>>) {
    const model = await toyModel(backend);
    const [training] = sampleBatches(toySamples, [2, 7, 8], 3);
    return Object.entries((await model.gradient(training)).gradient.toRecord());
  }

  it('come without the metric when there is no optimizer', async () => {
    const scores = await gradientScores(await toyModel(await open()), toySamples, ROWS, { target: target() });
    expect(Object.keys(scores).sort()).toEqual(['norm', 'plain', 'targetLoss']);
  });

  it('estimated moments leave the parameters as they are', async () => {
    const model = await toyModel(await open());
    const before = model.parameters.toRecord();
    const optimizer = await estimateMoments(model, sampleBatches(toySamples, [1, 2, 3, 4], 2));
    expect(optimizer.stepCount).toBe(2);
    expect(model.parameters.toRecord()).toEqual(before);
  });

  it('a row that predicts nothing scores 0', async () => {
    const samples = { tokens: (row: number) => toySamples.tokens(row).subarray(0, row === 4 ? 1 : undefined) };
    const { plain, norm } = await gradientScores(await toyModel(await open()), samples, ROWS, { target: target() });
    expect([plain.dot[2], plain.cosine[2], norm[2]]).toEqual([0, 0, 0]);
  });

  it('of SGD have no metric', async () => {
    const model = await toyModel(await open());
    const optimizer = createOptimizer(model, { kind: 'sgd', lr: 1 });
    const scores = gradientScores(model, toySamples, ROWS, { target: target(), optimizer });
    await expect(scores).rejects.toThrow('optimizer: expected one of kind adamw, got "sgd"');
    await expect(gradientScores(model, toySamples, ROWS, { target: [] })).rejects.toThrow('target: expected at least');
  });
});

describeBackends('perplexityScores', ({ open, tolerance }) => {
  it('are exp of the loss of each row, in the order of the rows, whatever the batch size', async () => {
    const model = await toyModel(await open());
    const [batch] = sampleBatches(toySamples, ROWS, ROWS.length);
    const { perSample } = await model.loss(batch);
    for (const batchSize of [1, 2, 32]) {
      const progress: number[] = [];
      const scores = await perplexityScores(model, toySamples, ROWS, {
        batchSize,
        onProgress: ({ done }) => progress.push(done),
      });
      scores.forEach((score, i) => expect(Math.abs(score / Math.exp(perSample[i]) - 1)).toBeLessThan(tolerance.value));
      expect(progress.at(-1)).toBe(5);
    }
  });

  it('are 1 for a row that predicts nothing', async () => {
    const model = await toyModel(await open());
    const samples = { tokens: (row: number) => toySamples.tokens(row).subarray(0, 1) };
    expect(Array.from(await perplexityScores(model, samples, [1, 2]))).toEqual([1, 1]);
    expect(Array.from(await rowLosses(model, samples, []))).toEqual([]);
  });
});
