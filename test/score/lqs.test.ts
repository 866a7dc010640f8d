import { beforeAll, describe, expect, it, vi } from 'vitest';
import { openReferenceBackend } from '../../lib/backend/reference/backend.ts';
import type { Backend } from '../../lib/backend/types.ts';
import { LanguageModel } from '../../lib/model/language-model.ts';
import { annotateLqs, lqsSweep, type Contribution } from '../../lib/score/lqs.ts';
import { lqsFixture, loadLqsCase, loadLqsModel, rowsOf, type LqsCase } from './lqs-case.ts';
import { TESTED_BACKENDS, type TestedBackend } from '../support/backends.ts';
import { relativeError } from '../support/fixtures.ts';
import { ARCHITECTURES } from '../support/models.ts';
import { randomRows, rowsToBatch } from '../support/random-batch.ts';

let problem: LqsCase;
let backend: Backend;
let model: LanguageModel;

beforeAll(async () => {
  problem = await loadLqsCase();
  backend = openReferenceBackend();
  model = await loadLqsModel(backend);
});

for (const tested of TESTED_BACKENDS) {
  describe.skipIf(!tested.available)(`annotateLqs on the fixture, ${tested.name}`, () => describeFixture(tested));
}

function describeFixture({ open, tolerance }: TestedBackend): void {
  let model: LanguageModel;
  beforeAll(async () => {
    model = await loadLqsModel(await open());
  });

  const variants: [Contribution, 'gamma_delt' | 'gamma_pds'][] = [
    ['released', 'gamma_delt'],
    ['pds', 'gamma_pds'],
  ];
  it.each(variants)('%s scores, adjoint norms and target losses', async (contribution, key) => {
    const { expected } = problem;
    for (const interval of [1, 2]) {
      const { scores, lambdaNorms, targetLosses } = await annotateLqs(model, { ...problem, interval, contribution });
      expect(relativeError(scores, expected[key][interval])).toBeLessThan(tolerance.hvp);
      expect(relativeError(lambdaNorms, expected.lambda_norms)).toBeLessThan(tolerance.hvp);
      expect(relativeError(targetLosses, expected.dev_losses)).toBeLessThan(tolerance.value);
    }
  });

  it.each([1, 2])('paper: divides by the norm at the next iterate, interval %i', async (interval) => {
    const { proxy_dots_with_lambda_next: dots, proxy_grad_norms: norms, T } = problem.expected;
    const end = await loadLqsModel(backend);
    end.parameters.copyFrom(end.vector(await lqsFixture.tensors('expected', 'theta_T')));
    const { norms: lastNorms } = await end.perSample(problem.proxy[0], { norms: true });
    const normsAt = [...norms, lastNorms!];
    const expected = new Float64Array(7);
    for (let t = 0; t < T; t += interval) expected.forEach((_, n) => (expected[n] += dots[t][n] / normsAt[t + 1][n]));

    const { scores } = await annotateLqs(model, { ...problem, interval, contribution: 'paper' });
    expect(relativeError(scores, expected)).toBeLessThan(tolerance.hvp);
  });

  it('takes the released variant and a fifth of the steps by default', async () => {
    const { scores } = await annotateLqs(model, problem);
    const { scores: explicit } = await annotateLqs(model, { ...problem, interval: 1, contribution: 'released' });
    expect(scores).toEqual(explicit);
  });
}

describe.skipIf(!TESTED_BACKENDS.some(({ name, available }) => name === 'cpu' && available))(
  'another run, interval and target',
  () => {
    // T 9, whose last stretch is as long as the others, and T 7, whose is not; ragged rows, targets in unequal batches.
    it.each([
      ['llama', 9, 4, undefined],
      ['mistral with a window', 7, 3, 2],
      ['gpt2', 5, 5, 1],
    ] as const)('%s, T %i, interval %i: cpu and reference agree', async (architecture, steps, interval, microBatch) => {
      const config = { ...ARCHITECTURES[architecture], initializer_range: 0.1 };
      const { tolerance, open } = TESTED_BACKENDS.find(({ name }) => name === 'cpu')!;
      const draw = (seed: number, rows: number) =>
        rowsToBatch(randomRows('ragged', rows, 7, config.vocab_size, seed), 7);
      const run = {
        batches: Array.from({ length: steps }, (_, t) => draw(t, 3)),
        target: [draw(50, 3), draw(51, 1)],
        lr: 0.1,
        microBatch,
        sets: (['released', 'paper', 'pds'] as const).map((contribution) => ({
          batches: [draw(60, 4), draw(61, 2)],
          interval,
          contribution,
        })),
      };
      const results = [];
      for (const one of [backend, await open()]) {
        results.push(await lqsSweep(await LanguageModel.initialize(config, { backend: one, seed: 3 }), run));
      }
      const [exact, native] = results;
      native.scores.forEach((scores, i) => expect(relativeError(scores, exact.scores[i])).toBeLessThan(tolerance.hvp));
      expect(relativeError(native.lambdaNorms, exact.lambdaNorms)).toBeLessThan(tolerance.hvp);
      expect(relativeError(native.targetLosses, exact.targetLosses)).toBeLessThan(tolerance.value);
    });
  },
);

describe('plain PDS', () => {
  it('is minus the derivative of the summed target loss with respect to a weight of the sample', async () => {
    const { batches, target, proxy, lr } = problem;
    const { scores } = await annotateLqs(model, { ...problem, interval: 1, contribution: 'pds' });
    const runner = await loadLqsModel(backend);
    const start = runner.parameters.copy();
    /** Σ_t J(θ_t) when every step also descends weight·∇ℓ of one proxy sample. */
    const objective = async (sample: number, weight: number): Promise<number> => {
      const extra = rowsOf(proxy[0], sample, sample + 1);
      runner.parameters.copyFrom(start);
      let sum = (await runner.loss(target[0])).mean;
      for (const batch of batches) {
        const { gradient } = await runner.gradient(batch);
        gradient.axpy(weight, (await runner.gradient(extra)).gradient);
        runner.parameters.axpy(-lr, gradient);
        sum += (await runner.loss(target[0])).mean;
      }
      return sum;
    };
    const step = 1e-4;
    for (const sample of [0, 4]) {
      const slope = ((await objective(sample, step)) - (await objective(sample, -step))) / (2 * step);
      expect(Math.abs(scores[sample] + slope)).toBeLessThan(1e-6 * Math.abs(slope));
    }
  });
});

describe('lqsSweep', () => {
  it('scores several sets in one pass as separate passes do', async () => {
    const { proxy, ...run } = problem;
    const [a, b] = [rowsOf(proxy[0], 0, 3), rowsOf(proxy[0], 3, 7)];
    const sets = [
      { batches: [a], interval: 1, contribution: 'released' },
      { batches: [b, a], interval: 2, contribution: 'paper' },
      { batches: proxy, interval: 4, contribution: 'pds' },
    ] as const;
    const { scores } = await lqsSweep(model, {
      ...run,
      sets: sets.map((set) => ({ ...set, batches: [...set.batches] })),
    });
    for (const [i, { batches, ...set }] of sets.entries()) {
      const alone = await annotateLqs(model, { ...run, proxy: [...batches], ...set });
      expect(scores[i]).toEqual(alone.scores);
    }
  });

  it('passes over a list of batches once for all sets that are given it', async () => {
    const { proxy, ...run } = problem;
    const sets = (['released', 'pds', 'paper'] as const).map((contribution) => ({
      batches: proxy,
      interval: 2,
      contribution,
    }));
    const shared = vi.spyOn(model, 'perSample');
    const { scores } = await lqsSweep(model, { ...run, sets });
    const passes = shared.mock.calls.length;
    shared.mockClear();
    await lqsSweep(model, { ...run, sets: [{ batches: proxy, interval: 2, contribution: 'paper' }] });
    expect(passes).toBe(shared.mock.calls.length);
    shared.mockRestore();
    for (const [i, { contribution }] of sets.entries()) {
      const alone = await annotateLqs(model, { ...problem, interval: 2, contribution });
      expect(scores[i]).toEqual(alone.scores);
    }
  });

  it('gives a sample the same score whatever batch it is in', async () => {
    const [whole, split] = await Promise.all(
      [problem.proxy, [rowsOf(problem.proxy[0], 0, 2), rowsOf(problem.proxy[0], 2, 7)]].map(async (proxy) =>
        annotateLqs(await loadLqsModel(backend), { ...problem, proxy }),
      ),
    );
    expect(relativeError(split.scores, whole.scores)).toBeLessThan(1e-12);
  });

  it('gives the same scores when batches are worked through in parts', async () => {
    const [whole, parts] = await Promise.all(
      [undefined, 2].map(async (microBatch) => annotateLqs(await loadLqsModel(backend), { ...problem, microBatch })),
    );
    for (const key of ['scores', 'lambdaNorms', 'targetLosses'] as const) {
      expect(relativeError(parts[key], whole[key])).toBeLessThan(1e-12);
    }
  });

  it('takes batches that are made when they are asked for', async () => {
    const made = <T>(list: T[]) => ({
      length: list.length,
      at: (i: number) => structuredClone(list[i]),
      *[Symbol.iterator]() {
        yield* structuredClone(list);
      },
    });
    const { batches, target, proxy } = problem;
    const lists = { batches: made(batches), target: made(target), proxy: made(proxy) };
    expect(await annotateLqs(model, { ...problem, ...lists })).toEqual(await annotateLqs(model, problem));
  });

  it('takes the mean over all target rows, however they are batched', async () => {
    const target = [rowsOf(problem.target[0], 0, 1), rowsOf(problem.target[0], 1, 4)];
    const { scores, targetLosses } = await annotateLqs(model, { ...problem, target });
    expect(relativeError(scores, problem.expected.gamma_delt[1])).toBeLessThan(1e-10);
    expect(relativeError(targetLosses, problem.expected.dev_losses)).toBeLessThan(1e-10);
  });

  it.each<Contribution>(['released', 'paper', 'pds'])(
    '%s: a sample that predicts nothing scores zero',
    async (contribution) => {
      const [row] = problem.proxy;
      const labels = row.labels.slice();
      labels.fill(-100, 0, row.time);
      const { scores } = await annotateLqs(model, { ...problem, proxy: [{ ...row, labels }], contribution });
      expect(scores[0]).toBe(0);
      expect(scores.slice(1).every((score) => Number.isFinite(score) && score !== 0)).toBe(true);
    },
  );
});

describe('the model of an annotation', () => {
  it.each<[string, object, string]>([
    ['succeeds', {}, 'nothing'],
    ['diverges', { lr: 1e200 }, 'the SGD run diverges at lr 1e+200'],
    ['is aborted', { signal: AbortSignal.abort(new Error('enough')) }, 'enough'],
  ])('is at its starting parameters when it %s', async (_, options, message) => {
    const before = model.parameters.toRecord();
    const outcome = await annotateLqs(model, { ...problem, ...options }).then(
      () => 'nothing',
      (error: Error) => error.message,
    );
    expect(outcome).toContain(message);
    expect(model.parameters.toRecord()).toEqual(before);
  });

  it('is at its starting parameters when it is aborted on the way, with the signal’s reason', async () => {
    const before = model.parameters.toRecord();
    const controller = new AbortController();
    const reason = new Error('stopped halfway');
    const onProgress = ({ done, total }: { done: number; total: number }) =>
      done > total / 2 && controller.abort(reason);
    const annotation = annotateLqs(model, { ...problem, signal: controller.signal, onProgress });
    await expect(annotation).rejects.toBe(reason);
    expect(model.parameters.toRecord()).toEqual(before);
  });
});

describe('progress and misuse', () => {
  it('counts up to the total, once', async () => {
    const seen: number[] = [];
    let total = 0;
    await annotateLqs(model, {
      ...problem,
      onProgress: (progress) => (seen.push(progress.done), (total = progress.total)),
    });
    expect(seen.at(-1)).toBe(total);
    expect(seen.every((done, i) => i === 0 || done > seen[i - 1])).toBe(true);
    // 6 steps of 3 rows forward, 2 of them once more; 7 visits with 4 target rows; 6 Hessian products of 3 rows, a row
    // as much as 8/3 passes; 6 scorings of 7 rows.
    expect(total).toBe(18 + 6 + 28 + 48 + 42);
  });

  it.each<[string, object]>([
    ['batches: expected at least one batch', { batches: [] }],
    ['target: expected at least one batch', { target: [] }],
    ['proxy: expected at least one batch', { proxy: [] }],
    ['lr: expected a finite number > 0, got 0', { lr: 0 }],
    ['interval: expected an integer >= 1, got 0', { interval: 0 }],
    ['microBatch: expected an integer >= 1, got 0', { microBatch: 0 }],
    ['contribution: expected released, paper, pds, got "lqs"', { contribution: 'lqs' }],
  ])('%s', async (message, options) => {
    await expect(annotateLqs(model, { ...problem, ...options })).rejects.toThrow(message);
  });
});
