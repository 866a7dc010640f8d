import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { addonReason } from '../../lib/backend/addon.ts';
import { openBackend } from '../../lib/backend/open.ts';
import { openReferenceBackend } from '../../lib/backend/reference/backend.ts';
import type { Backend, BackendName } from '../../lib/backend/types.ts';
import { collate, type Batch } from '../../lib/data/batch.ts';
import type { ModelConfig } from '../../lib/model/config.ts';
import type { GradientTrace } from '../../lib/model/gradient-trace.ts';
import { LanguageModel } from '../../lib/model/language-model.ts';
import type { OptimizerConfig } from '../../lib/model/optimizer.ts';
import { resolveOptimizer, updateParameters, type OptimizerState } from '../../lib/model/optimizer-update.ts';
import type { ParameterVector } from '../../lib/model/parameter-vector.ts';
import { VectorPool } from '../../lib/model/vector-pool.ts';
import { metaGradient, type MetaGradientOptions } from '../../lib/weight/meta-gradient.ts';
import { softmaxWeights } from '../../lib/weight/softmax.ts';
import { describeBackends, describeUnless } from '../support/backends.ts';
import { expectTensors } from '../support/expectations.ts';
import { Fixture, relativeError, toBatch, type FixtureBatch } from '../support/fixtures.ts';
import { ARCHITECTURES, TINY } from '../support/models.ts';
import { randomRows, rowsToBatch, type BatchKind } from '../support/random-batch.ts';
import { randomVector } from '../support/random-vector.ts';

// ---- golden fixture -------------------------------------------------------------------------------------------------

interface FixtureInputs {
  train: FixtureBatch[];
  scores: number[][];
  outer: FixtureBatch;
}

interface Expected {
  tau: number;
  sgd_hyper: { lr: number };
  adam_hyper: { lr: number; beta1: number; beta2: number; eps: number; step_count: number };
  sgd: Record<number, ExpectedRun>;
  adam: Record<number, ExpectedRun>;
}

interface ExpectedRun {
  outer_loss: number;
  weights: number[][];
  d_outer_d_weight: number[][];
  d_outer_d_score: number[][];
  d_outer_d_theta0_norm: number;
}

const FIXTURE_TOLERANCE: Record<BackendName, number> = { reference: 1e-9, cpu: 1e-4, cuda: 1e-4 };

describeBackends('the datarater fixture', (tested) => {
  const fixture = new Fixture('datarater');
  const tolerance = FIXTURE_TOLERANCE[tested.name];
  let backend: Backend;
  let model: LanguageModel;
  beforeAll(async () => {
    backend = await tested.open();
    model = await LanguageModel.fromPretrained(fixture.modelDirectory, { backend });
  });
  afterAll(() => backend.dispose());

  const cases = (['sgd', 'adam'] as const).flatMap((kind) => [1, 2, 3].map((steps) => ({ kind, steps })));
  it.each(cases)('$kind, T = $steps', async ({ kind, steps }) => {
    const inputs = await fixture.json<FixtureInputs>('batch');
    const { tau, sgd_hyper, adam_hyper, ...runs } = await fixture.json<Expected>('expected');
    const expected = runs[kind][steps];
    const { lr, beta1, beta2, eps, step_count } = adam_hyper;
    const vector = async (name: string) => model.vector(await fixture.tensors('vectors', name));
    const before = model.parameters.toRecord();
    const result = await metaGradient(model, {
      batches: inputs.train.slice(0, steps).map(toBatch),
      scores: inputs.scores.slice(0, steps).map((scores) => Float64Array.from(scores)),
      outer: toBatch(inputs.outer),
      temperature: tau,
      gradient: true,
      ...(kind === 'sgd'
        ? { optimizer: { kind, lr: sgd_hyper.lr } }
        : {
            optimizer: { kind: 'adamw', lr, betas: [beta1, beta2], eps },
            state: { step: step_count, m: await vector('adam_m'), v: await vector('adam_v') },
          }),
    });
    expect(relativeError([result.outerLoss], [expected.outer_loss])).toBeLessThan(tolerance);
    for (let t = 0; t < steps; t++) {
      expect(relativeError(result.weights[t], expected.weights[t])).toBeLessThan(1e-12);
      expect(relativeError(result.weightGradients[t], expected.d_outer_d_weight[t])).toBeLessThan(tolerance);
      expect(relativeError(result.scoreGradients[t], expected.d_outer_d_score[t])).toBeLessThan(tolerance);
    }
    expect(relativeError([result.gradient!.norm()], [expected.d_outer_d_theta0_norm])).toBeLessThan(tolerance);
    if (steps === 2) {
      await expectTensors(result.gradient!.toRecord(), fixture, `${kind}_T2/d_outer_d_theta0`, tolerance);
      await expectTensors(result.final.toRecord(), fixture, `${kind}_T2/theta_T`, tolerance);
    }
    expect(model.parameters.toRecord()).toEqual(before);
  });
});

// ---- random problems ------------------------------------------------------------------------------------------------

interface Problem {
  title: string;
  config: ModelConfig;
  optimizer: OptimizerConfig;
  /** Rows and length of each inner batch. */
  sizes: [rows: number, time: number][];
  kind: BatchKind;
  temperature?: number;
  /** Updates made before; none: a fresh optimizer. */
  step?: number;
}

const ADAMW = { kind: 'adamw', lr: 0.02, betas: [0.8, 0.95], eps: 1e-3, weightDecay: 0.5 } as const;
const SMALL: ModelConfig = { ...TINY, initializer_range: 0.3 };
const PROBLEMS: Problem[] = [
  { title: 'SGD, batches of different sizes', config: SMALL, optimizer: { kind: 'sgd', lr: 0.3 }, sizes: [[4, 6], [2, 9], [3, 4]], kind: 'ragged', temperature: 0.5 },
  { title: 'SGD, clipped', config: SMALL, optimizer: { kind: 'sgd', lr: 0.5, clipNorm: 0.5 }, sizes: [[3, 6], [3, 6]], kind: 'dense' },
  { title: 'AdamW from a state', config: SMALL, optimizer: ADAMW, sizes: [[4, 6], [3, 8], [2, 5]], kind: 'packed', temperature: 2, step: 3 },
  { title: 'AdamW from its first step', config: SMALL, // From zero moments an update is g / (|g| + ε): differences need ε to be large beside what h does to g.
    optimizer: { ...ADAMW, eps: 0.03 }, sizes: [[3, 6], [3, 5]], kind: 'ragged' },
  { title: 'AdamW, clipped', config: SMALL, optimizer: { ...ADAMW, clipNorm: 0.5 }, sizes: [[3, 7], [3, 4]], kind: 'dense', step: 1 },
  { title: 'AdamW, tied matrices', config: { ...SMALL, tie_word_embeddings: true }, optimizer: { ...ADAMW, weightDecay: 0 }, sizes: [[3, 6], [3, 6]], kind: 'packed', step: 7 },
  { title: 'AdamW, GPT-2', config: { ...ARCHITECTURES.gpt2, n_layer: 1 } as ModelConfig, optimizer: ADAMW, sizes: [[3, 6], [2, 6]], kind: 'ragged', step: 2 },
]; // prettier-ignore

const vocabularyOf = (config: ModelConfig): number => config.vocab_size;

function batchesOf({ config, sizes, kind }: Problem): { batches: Batch[]; outer: Batch } {
  const [batches, outer] = [sizes, [[3, 7]] as [number, number][]].map((shapes, part) =>
    shapes.map(([rows, time], t) =>
      rowsToBatch(randomRows(kind, rows, time, vocabularyOf(config), 100 * part + t), time),
    ),
  );
  return { batches, outer: outer[0] };
}

function stateOf(model: LanguageModel, step: number): OptimizerState {
  const [m, v] = [1, 2].map((stream) => randomVector(model, 31, stream));
  m.scale(0.01);
  const record = v.toRecord();
  for (const values of Object.values(record)) values.forEach((x, i) => (values[i] = Math.fround(1e-3 * x * x + 1e-4)));
  v.setFrom(record);
  return { step, m, v };
}

function optionsOf(model: LanguageModel, problem: Problem): MetaGradientOptions {
  const { optimizer, temperature, step } = problem;
  return {
    ...batchesOf(problem),
    scores: problem.sizes.map(([rows], t) => Float64Array.from({ length: rows }, (_, i) => Math.sin(5 * t + 2 * i))),
    optimizer,
    temperature,
    ...(step !== undefined && { state: stateOf(model, step) }),
  };
}

/** L as the definition has it: optimizer steps on the weighted loss, then the mean loss of the outer rows. */
async function outerLoss(model: LanguageModel, options: MetaGradientOptions): Promise<number> {
  const { batches, scores, temperature, outer, state } = options;
  const settings = resolveOptimizer(options.optimizer);
  const initial = model.parameters.copy();
  const moments =
    settings.kind === 'sgd'
      ? undefined
      : { m: state?.m.copy() ?? model.vector(), v: state?.v.copy() ?? model.vector() };
  for (const [t, batch] of batches.entries()) {
    const { gradient } = await model.gradient(batch, { weights: softmaxWeights(scores[t], { temperature }) });
    const step = (state?.step ?? 0) + t + 1;
    await updateParameters(model.parameters.engine, gradient.engine, moments, settings, step);
  }
  const { mean } = await model.loss(outer);
  model.parameters.copyFrom(initial);
  return mean;
}

/** f'(0), extrapolated from two steps to an error of order h⁴; h is small beside ε, where AdamW bends. */
const STEP = 1e-5;
async function difference(f: (h: number) => Promise<number>): Promise<number> {
  const slope = async (step: number) => ((await f(step)) - (await f(-step))) / (2 * step);
  return (4 * (await slope(STEP)) - (await slope(2 * STEP))) / 3;
}

describe('finite differences in float64', () => {
  const backend = openReferenceBackend();
  afterAll(() => backend.dispose());

  it.each(PROBLEMS)('$title', { timeout: 60_000 }, async (problem) => {
    const model = await LanguageModel.initialize(problem.config, { backend, seed: 3 });
    const options = optionsOf(model, problem);
    const { outerLoss: loss, scoreGradients, gradient } = await metaGradient(model, { ...options, gradient: true });
    expect(Math.abs(loss - (await outerLoss(model, options)))).toBeLessThan(1e-14);

    const scale = Math.max(...scoreGradients.flatMap((derivatives) => [...derivatives].map(Math.abs)));
    expect(scale).toBeGreaterThan(1e-6);
    for (const [t, derivatives] of scoreGradients.entries()) {
      for (const [i, derivative] of derivatives.entries()) {
        const along = async (h: number) => {
          const scores = options.scores.map((values) => Float64Array.from(values));
          scores[t][i] += h;
          return outerLoss(model, { ...options, scores });
        };
        expect(Math.abs(derivative - (await difference(along)))).toBeLessThan(1e-6 * scale);
      }
    }

    const initial = model.parameters.copy();
    for (const stream of [1, 2]) {
      const direction = randomVector(model, 41, stream);
      const slope = await difference(async (h) => {
        model.parameters.axpy(h, direction);
        const value = await outerLoss(model, options);
        model.parameters.copyFrom(initial);
        return value;
      });
      expect(Math.abs(gradient!.dot(direction) - slope)).toBeLessThan(1e-6 * gradient!.norm() * direction.norm());
    }
  });
});

describeUnless(addonReason(), 'the trace of the last step on the CPU engine', () => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await openBackend('cpu');
  });
  afterEach(() => vi.restoreAllMocks());
  afterAll(() => backend.dispose());

  const models: Record<string, ModelConfig> = {
    ...ARCHITECTURES,
    'llama, tied': { ...SMALL, tie_word_embeddings: true },
  };
  const optimizers: OptimizerConfig[] = [{ kind: 'sgd', lr: 0.3 }, ADAMW];
  const cases = Object.keys(models).flatMap((name) =>
    optimizers.flatMap((optimizer) => [1, 2, 3].map((steps) => ({ name, optimizer, kind: optimizer.kind, steps }))),
  );
  it.each(cases)('$name, $kind, T = $steps: the same bits as without', async ({ name, optimizer, steps }) => {
    const sizes = ([[3, 7], [2, 9], [4, 8]] as [number, number][]).slice(0, steps); // prettier-ignore
    const problem: Problem = { title: name, config: models[name], optimizer, sizes, kind: 'packed' };
    const model = await LanguageModel.initialize(problem.config, { backend, seed: 3 });
    const options = optionsOf(model, problem);
    const variants = [{}, { gradient: true }, { firstOrder: true }];
    const results = async () => {
      const all: object[] = [];
      for (const variant of variants) {
        const { final, gradient, ...rest } = await metaGradient(model, { ...options, ...variant });
        all.push({ ...rest, final: final.toRecord(), gradient: gradient?.toRecord() });
      }
      return all;
    };
    const traced = vi.spyOn(LanguageModel.prototype, 'tracedGradient');
    const expected = await results();
    const kept = traced.mock.calls.map(([batch, { keep }]) => [batch, keep]);
    const last = options.batches[steps - 1];
    expect(kept).toEqual([[last, steps > 1 ? 'hvp' : 'jvp'], [last, 'hvp'], [last, 'jvp']]); // prettier-ignore
    traced.mockImplementation(async (batch, { keep, ...rest }) => {
      const { weights } = rest;
      const trace = {
        jvp: (v: ParameterVector) => model.jvp(batch, v),
        hvp: (v: ParameterVector, { addTo }: { addTo: ParameterVector }) => model.hvp(batch, v, { weights, addTo }),
        dispose: () => expect(keep).toBeDefined(),
      };
      return { ...(await model.gradient(batch, rest)), trace: trace as unknown as GradientTrace };
    });
    expect(await results()).toEqual(expected);
    model.dispose();
  });
});

describeUnless(addonReason(), 'the CPU engine beside the reference backend', () => {
  let backends: Backend[];
  beforeAll(async () => {
    backends = [await openBackend('cpu'), openReferenceBackend()];
  });
  afterAll(() => backends.forEach((backend) => backend.dispose()));

  it.each(PROBLEMS)('$title', async (problem) => {
    const [actual, expected] = await Promise.all(
      backends.map(async (backend) => {
        const model = await LanguageModel.initialize(problem.config, { backend, seed: 3 });
        return metaGradient(model, { ...optionsOf(model, problem), gradient: true, finalState: true });
      }),
    );
    expect(relativeError([actual.outerLoss], [expected.outerLoss])).toBeLessThan(1e-5);
    for (const field of ['innerLosses', 'weightGradients', 'scoreGradients'] as const) {
      const flat = (arrays: Float64Array[]) => arrays.flatMap((values) => [...values]);
      expect(relativeError(flat(actual[field]), flat(expected[field]))).toBeLessThan(1e-4);
    }
    const apart = (a: ParameterVector, b: ParameterVector) => {
      const difference = b.copy();
      difference.setFrom(a.toRecord());
      difference.axpy(-1, b);
      return difference.norm() / b.norm();
    };
    expect(apart(actual.gradient!, expected.gradient!)).toBeLessThan(1e-4);
    expect(apart(actual.final, expected.final)).toBeLessThan(1e-5);
    if (problem.optimizer.kind === 'sgd') return expect(actual.finalState).toBeUndefined();
    expect(actual.finalState!.step).toBe((problem.step ?? 0) + problem.sizes.length);
    expect(apart(actual.finalState!.m, expected.finalState!.m)).toBeLessThan(1e-4);
    expect(apart(actual.finalState!.v, expected.finalState!.v)).toBeLessThan(1e-4);
  });
});

// ---- behaviour ------------------------------------------------------------------------------------------------------

describeBackends('metaGradient', (tested) => {
  let backend: Backend;
  let model: LanguageModel;
  let options: MetaGradientOptions;
  beforeAll(async () => {
    backend = await tested.open();
    model = await LanguageModel.initialize(SMALL, { backend, seed: 3 });
    options = optionsOf(model, PROBLEMS[2]);
  });
  afterAll(() => backend.dispose());

  it('goes on where a longer run would be: final and finalState', async () => {
    const whole = await metaGradient(model, { ...options, finalState: true });
    const cut = (from: number, to: number) => ({
      ...options,
      batches: options.batches.slice(from, to),
      scores: options.scores.slice(from, to),
    });
    const first = await metaGradient(model, { ...cut(0, 1), finalState: true });
    const initial = model.parameters.copy();
    model.parameters.copyFrom(first.final);
    const second = await metaGradient(model, { ...cut(1, 3), state: first.finalState, finalState: true });
    model.parameters.copyFrom(initial);
    expect(second.outerLoss).toBe(whole.outerLoss);
    expect(second.scoreGradients).toEqual(whole.scoreGradients.slice(1));
    expect(second.final.toRecord()).toEqual(whole.final.toRecord());
    expect(second.finalState!.step).toBe(whole.finalState!.step);
    expect(second.finalState!.v.toRecord()).toEqual(whole.finalState!.v.toRecord());
  });

  it('gives the same bits with vectors of a workspace, and changes none of its inputs', async () => {
    const before = [model.parameters, options.state!.m, options.state!.v].map((x) => x.toRecord());
    const expected = await metaGradient(model, { ...options, gradient: true });
    const workspace = new VectorPool(model);
    for (let round = 0; round < 3; round++) {
      const { gradient, final, ...rest } = await metaGradient(model, { ...options, gradient: true, workspace });
      expect(rest.scoreGradients).toEqual(expected.scoreGradients);
      expect(gradient!.toRecord()).toEqual(expected.gradient!.toRecord());
      expect(final.toRecord()).toEqual(expected.final.toRecord());
      workspace.give(gradient!);
      workspace.give(final);
    }
    expect(() => {
      const vector = workspace.take();
      workspace.give(vector);
      workspace.give(vector);
    }).toThrow(/not in the pool/);
    workspace.dispose();
    expect([model.parameters, options.state!.m, options.state!.v].map((x) => x.toRecord())).toEqual(before);
  });

  it('leaves the Hessian products out of a first-order run', async () => {
    const exact = await metaGradient(model, options);
    const { scoreGradients } = await metaGradient(model, { ...options, firstOrder: true });
    expect(scoreGradients[2]).toEqual(exact.scoreGradients[2]); // the last step has nothing after it
    expect(relativeError(scoreGradients[0], exact.scoreGradients[0])).toBeGreaterThan(1e-4);
  });

  it('gives masked rows no weight', async () => {
    const [batch] = options.batches;
    const scores = [Float64Array.of(0.3, 5, -0.2, 0.1)];
    const masks = [[1, 0, 1, 1]];
    const one = { ...options, batches: [batch] };
    const { weights, scoreGradients } = await metaGradient(model, { ...one, scores, masks });
    expect(weights[0][1]).toBe(0);
    expect(Math.abs(scoreGradients[0][1])).toBe(0);
    const far = await metaGradient(model, { ...one, scores: [Float64Array.of(0.3, -1e4, -0.2, 0.1)] });
    expect(relativeError(weights[0], far.weights[0])).toBeLessThan(1e-14);
    expect(relativeError(scoreGradients[0], far.scoreGradients[0])).toBeLessThan(1e-5);
  });

  it('counts a row without labels as one of loss 0', async () => {
    const batch = collate([{ inputIds: [1, 2, 3] }, { inputIds: [4, 5, 6], labels: [-100, -100, -100] }]);
    const sgd = { batches: [batch], scores: [Float64Array.of(0, 0)], optimizer: { kind: 'sgd', lr: 0.1 } as const };
    const result = await metaGradient(model, { ...sgd, outer: options.outer });
    expect(result.innerLosses[0][1]).toBe(0);
    expect(result.weightGradients[0][1]).toBe(0);
    expect(result.scoreGradients[0][1]).toBeCloseTo(-result.weightGradients[0][0] / 4, 12);
    const nothing = collate([{ inputIds: [1] }]);
    const still = await metaGradient(model, { ...sgd, batches: [nothing], scores: [Float64Array.of(2)], outer: batch });
    expect(still.scoreGradients).toEqual([Float64Array.of(0)]);
    expect(still.final.toRecord()).toEqual(model.parameters.toRecord());
  });

  it('is back at its parameters after an abort, wherever it falls', async () => {
    const before = model.parameters.toRecord();
    const controller = new AbortController();
    const pending = metaGradient(model, { ...options, signal: controller.signal });
    setImmediate(() => controller.abort(new Error('enough')));
    await expect(pending).rejects.toThrow('enough');
    expect(model.parameters.toRecord()).toEqual(before);
    await expect(metaGradient(model, { ...options, signal: AbortSignal.abort(new Error('early')) })).rejects.toThrow(
      'early',
    );
  });

  it('is back at its parameters after a run that diverges', async () => {
    const before = model.parameters.toRecord();
    const optimizer = { kind: 'sgd', lr: tested.name === 'reference' ? 1e200 : 1e30 } as const;
    const run = metaGradient(model, { ...options, optimizer, state: undefined });
    await expect(run).rejects.toMatchObject({ code: 'INVALID_DATA' });
    expect(model.parameters.toRecord()).toEqual(before);
  });

  it.each<[object, RegExp]>([
    [{ batches: [] }, /batches: expected at least one batch/],
    [{ scores: [] }, /scores: expected 3 arrays, one a batch/],
    [{ scores: [new Float64Array(4), new Float64Array(2), new Float64Array(2)] }, /scores\[1\]: expected 3 values/],
    [
      { scores: [new Float64Array(4), Float64Array.of(0, 0, NaN), new Float64Array(2)] },
      /scores\[1\]\[2\]: expected a finite number, got NaN/,
    ],
    [{ masks: [[0, 0, 0, 0]] }, /masks\[0\]: expected a row that takes part/],
    [{ masks: [[0, 0, 0, 2]] }, /masks\[0\]\[3\]/],
    [{ temperature: 0 }, /temperature: expected a finite number > 0/],
    [{ optimizer: { kind: 'adam', lr: 1 } }, /kind/],
    [{ optimizer: { kind: 'sgd', lr: 1 } }, /state: expected none/],
    [{ outer: { batch: 0 } }, /^outer\.batch/],
    [{ batches: [{ batch: 0 }], scores: [[]] }, /^batches\[0\]\.batch/],
    [{ state: { step: -1 } }, /state\.step/],
    [{ state: { step: 1, m: 1, v: 1 } }, /state\.m: expected a vector/],
  ])('names what is wrong: %o', async (part, message) => {
    await expect(metaGradient(model, { ...options, ...part } as MetaGradientOptions)).rejects.toThrow(message);
  });
});
