import { beforeAll, describe, expect, it, vi } from 'vitest';
import { openReferenceBackend } from '../../lib/backend/reference/backend.ts';
import type { Backend } from '../../lib/backend/types.ts';
import { LanguageModel } from '../../lib/model/language-model.ts';
import { createOptimizer, type Optimizer } from '../../lib/model/optimizer.ts';
import type { ParameterVector } from '../../lib/model/parameter-vector.ts';
import { annotateLqs, lqsSweep, type Contribution } from '../../lib/score/lqs.ts';
import { describeBackends } from '../support/backends.ts';
import { relativeError } from '../support/fixtures.ts';
import { ARCHITECTURES } from '../support/models.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';
import { loadLqsCase, loadLqsModel, type LqsCase } from './lqs-case.ts';

const CONTRIBUTIONS: Contribution[] = ['released', 'paper', 'pds'];
const BETA2 = 0.9;
// Large beside the noise of float32 in gradients that are zero.
const EPS = 1e-3;

let problem: LqsCase;
let backend: Backend;
const directory = useTemporaryDirectory();

beforeAll(async () => {
  problem = await loadLqsCase();
  backend = openReferenceBackend();
});

/** AdamW that has seen the gradients of two batches at θ_0. */
async function metricOf(model: LanguageModel, { eps = EPS } = {}): Promise<Optimizer> {
  const optimizer = createOptimizer(model, { kind: 'adamw', lr: 0, betas: [0.8, BETA2], eps });
  for (const batch of problem.batches.slice(0, 2)) await optimizer.step((await model.gradient(batch)).gradient);
  return optimizer;
}

type Tensors = ReturnType<ParameterVector['toRecord']>;
const combined = (a: Tensors, b: Tensors, f: (x: number, y: number) => number): Tensors =>
  Object.fromEntries(
    Object.entries(a).map(([name, x]) => [name, Float64Array.from(x, (value, i) => f(value, b[name][i]))]),
  );
const inner = (a: Tensors, b: Tensors): number =>
  Object.entries(a).reduce((sum, [name, x]) => [...x].reduce((total, value, i) => total + value * b[name][i], sum), 0);

/** The definition, step by step on plain arrays: gradients of the reference backend, all else written out here. */
async function explicitScores(interval: number): Promise<Record<Contribution, number[]>> {
  const { batches, target, proxy, lr } = problem;
  const steps = batches.length;
  const model = await loadLqsModel(backend);
  let v: Tensors = model.vector().toRecord();
  for (const batch of batches.slice(0, 2)) {
    v = combined(v, (await model.gradient(batch)).gradient.toRecord(), (old, g) => BETA2 * old + (1 - BETA2) * g * g);
  }
  const iterates = [model.parameters.copy()];
  for (const batch of batches) {
    model.parameters.axpy(-lr, (await model.gradient(batch)).gradient);
    iterates.push(model.parameters.copy());
  }
  const gradientsAt = async (t: number) => {
    model.parameters.copyFrom(iterates[t]);
    const { gradients } = await model.perSample(proxy[0], { gradients: true });
    return gradients!.map((each) => each.toRecord());
  };
  const scores = {
    released: new Array<number>(7).fill(0),
    paper: new Array<number>(7).fill(0),
    pds: new Array<number>(7).fill(0),
  };
  let lambda = await gradientOfTarget(steps);
  let divisors = new Array<number>(7).fill(1);
  for (let t = steps - 1; t >= 0; t--) {
    if (t % interval === 0) {
      // λ_{t+1} is a sum of T − t gradients of the target; their mean is what the optimizer would see.
      const direction = combined(lambda, v, (x, second) => {
        const mean = x / (steps - t);
        return x / (Math.sqrt((BETA2 * second + (1 - BETA2) * mean * mean) / (1 - BETA2 ** 3)) + EPS);
      });
      const [now, next] = [await gradientsAt(t), await gradientsAt(t + 1)];
      now.forEach((g, n) => {
        const dot = inner(g, direction);
        scores.pds[n] += lr * dot;
        scores.released[n] += (lr * dot) / divisors[n];
        scores.paper[n] += dot / Math.sqrt(inner(next[n], next[n]));
      });
      divisors = now.map((g) => Math.sqrt(inner(g, g)));
    }
    model.parameters.copyFrom(iterates[t]);
    const { hvp } = await model.hvp(batches[t], model.vector(lambda));
    const gradient = await gradientOfTarget(t);
    lambda = combined(
      combined(lambda, hvp.toRecord(), (x, h) => x - lr * h),
      gradient,
      (x, g) => x + g,
    );
  }
  return scores;

  async function gradientOfTarget(t: number): Promise<Tensors> {
    model.parameters.copyFrom(iterates[t]);
    return (await model.gradient(target[0])).gradient.toRecord();
  }
}

describeBackends('annotateLqs in the metric of an optimizer', ({ open, tolerance }) => {
  let model: LanguageModel;
  let metric: Optimizer;
  beforeAll(async () => {
    model = await loadLqsModel(await open());
    metric = await metricOf(model);
  });

  it.each([1, 2])('is what the definition gives, interval %i', async (interval) => {
    const expected = await explicitScores(interval);
    for (const contribution of CONTRIBUTIONS) {
      const { scores } = await annotateLqs(model, { ...problem, interval, contribution, metric });
      expect(relativeError(scores, expected[contribution])).toBeLessThan(tolerance.hvp);
    }
  });

  it('leaves run, adjoint and the scores in the plain metric as they are, to the bit', async () => {
    const plain = await annotateLqs(model, problem);
    const set = { batches: problem.proxy };
    const passes = vi.spyOn(model, 'perSample');
    const both = await lqsSweep(model, { ...problem, sets: [{ ...set, metric }, set] });
    expect(passes).toHaveBeenCalledTimes(problem.batches.length); // one for both sets
    passes.mockRestore();
    const { scores, ...run } = plain;
    expect(both).toMatchObject(run);
    expect(both.scores[1]).toEqual(scores);
    const alone = await annotateLqs(model, { ...problem, metric });
    expect(both.scores[0]).toEqual(alone.scores);
    expect(both.scores[0]).not.toEqual(scores);
  });
});

describe('a metric', () => {
  it('goes on to the same bits after a kill, and with none but the same metric', async () => {
    const model = await loadLqsModel(backend);
    const metric = await metricOf(model);
    const whole = await annotateLqs(model, { ...problem, metric });
    const options = { ...problem, checkpointDir: directory() };
    const controller = new AbortController();
    const onProgress = ({ done, total }: { done: number; total: number }) => done > total / 2 && controller.abort();
    const stopped = annotateLqs(model, { ...options, metric, signal: controller.signal, onProgress });
    await expect(stopped).rejects.toThrow('aborted');
    const message = (was: RegExp) => new RegExp(`another run: sets\\[0\\]\\.metric was ${was.source}`);
    await expect(annotateLqs(model, options)).rejects.toThrow(message(/[0-9a-f]{12}…, is absent/));
    const other = await metricOf(model, { eps: 1e-2 });
    await expect(annotateLqs(model, { ...options, metric: other })).rejects.toThrow(
      message(/[0-9a-f]{12}…, is [0-9a-f]/),
    );
    expect(await annotateLqs(model, { ...options, metric })).toEqual(whole);
  });

  it('is one of AdamW, for this model', async () => {
    const model = await loadLqsModel(backend);
    const sgd = createOptimizer(model, { kind: 'sgd', lr: 1 });
    const annotate = (metric: unknown) => annotateLqs(model, { ...problem, metric: metric as Optimizer });
    await expect(annotate(sgd)).rejects.toThrow('optimizer: expected one of kind adamw, got "sgd"');
    await expect(annotate('adam')).rejects.toThrow('metric: expected an optimizer, got "adam"');
    const another = await LanguageModel.initialize(ARCHITECTURES.gpt2, { backend, seed: 1 });
    await expect(annotate(createOptimizer(another, { kind: 'adamw', lr: 1 }))).rejects.toThrow('x: expected');
  });
});
