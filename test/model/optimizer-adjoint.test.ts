import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openReferenceBackend } from '../../lib/backend/reference/backend.ts';
import type { Backend, EngineVector } from '../../lib/backend/types.ts';
import { LanguageModel } from '../../lib/model/language-model.ts';
import {
  adjointOfUpdate,
  resolveOptimizer,
  updateParameters,
  type OptimizerConfig,
} from '../../lib/model/optimizer-update.ts';
import type { ParameterVector } from '../../lib/model/parameter-vector.ts';
import { describeBackends } from '../support/backends.ts';
import { TINY } from '../support/models.ts';
import { randomVector } from '../support/random-vector.ts';

const PARTS = ['theta', 'gradient', 'm', 'v'] as const;
type Part = (typeof PARTS)[number];
type Vectors = Record<Part, ParameterVector>;

interface Case {
  title: string;
  config: OptimizerConfig;
  step: number;
  /** Zero moments, as before the first update. */
  fresh?: boolean;
  /** Whether only θ' is looked at, and not the updated moments. */
  last?: boolean;
}

const ADAMW = { kind: 'adamw', lr: 0.05, betas: [0.8, 0.95], eps: 1e-3, weightDecay: 0.3 } as const;
const CASES: Case[] = [
  { title: 'SGD', config: { kind: 'sgd', lr: 0.3 }, step: 1 },
  { title: 'SGD with a limit above the norm', config: { kind: 'sgd', lr: 0.3, clipNorm: 1e3 }, step: 1 },
  { title: 'SGD, clipped', config: { kind: 'sgd', lr: 0.3, clipNorm: 2 }, step: 1 },
  { title: 'AdamW', config: ADAMW, step: 4 },
  { title: 'AdamW, the last step', config: ADAMW, step: 4, last: true },
  { title: 'AdamW, clipped', config: { ...ADAMW, clipNorm: 2 }, step: 1 },
  { title: 'AdamW, the first step', config: { ...ADAMW, eps: 1e-2 }, step: 1, fresh: true },
  { title: 'AdamW, the first step, small ε', config: { ...ADAMW, eps: 1e-8 }, step: 1, fresh: true },
];

let reference: Backend;
let oracle: LanguageModel;
beforeAll(async () => {
  reference = openReferenceBackend();
  oracle = await LanguageModel.initialize(TINY, { backend: reference, seed: 5 });
});
afterAll(() => reference.dispose());

/** What an update is given; some parameters never had a gradient. */
function givenTo(model: LanguageModel, { fresh }: Case): Vectors {
  const [theta, gradient, m, v] = [1, 2, 3, 4].map((stream) => randomVector(model, 11, stream));
  const record = v.toRecord();
  for (const values of Object.values(record)) values.forEach((x, i) => (values[i] = Math.fround(x * x + 0.01)));
  v.setFrom(record);
  if (fresh) for (const moment of [m, v]) moment.fill(0);
  const untouched = { ...gradient.toRecord(), 'model.norm.weight': new Float64Array(TINY.hidden_size) };
  if (fresh) gradient.setFrom(untouched);
  return { theta, gradient, m, v };
}

/** The derivatives by θ', m' and v' that a step's reverse begins with. */
function adjointsIn(model: LanguageModel): Record<'theta' | 'm' | 'v', ParameterVector> {
  const [theta, m, v] = [5, 6, 7].map((stream) => randomVector(model, 11, stream));
  return { theta, m, v };
}

async function reversed(model: LanguageModel, item: Case): Promise<Vectors> {
  const settings = resolveOptimizer(item.config);
  const { gradient, m, v } = givenTo(model, item);
  const adjoint = adjointsIn(model);
  const moments = settings.kind === 'adamw' ? { m, v } : undefined;
  const after = item.last ? undefined : { m: adjoint.m, v: adjoint.v };
  await adjointOfUpdate(adjoint.theta.engine, gradient.engine, moments, settings, item.step, after);
  return { theta: adjoint.theta, gradient, m, v };
}

const dependsOn = (item: Case): readonly Part[] => (item.config.kind === 'sgd' ? ['theta', 'gradient'] : PARTS);

describe('the reverse of an update, in float64', () => {
  it.each(CASES.filter(({ fresh }) => !fresh))('$title: as differences say', async (item) => {
    const settings = resolveOptimizer(item.config);
    const weights = adjointsIn(oracle);
    const directions = Object.fromEntries(
      PARTS.map((part, k) => [part, randomVector(oracle, 12, k)]),
    ) as unknown as Vectors;

    /** ⟨θ̄, θ'⟩ + ⟨m̄, m'⟩ + ⟨v̄, v'⟩ after the update of what is given, h along the directions. */
    const scalar = async (h: number): Promise<number> => {
      const given = givenTo(oracle, item);
      for (const part of PARTS) given[part].axpy(h, directions[part]);
      const { theta, gradient, m, v } = given;
      const moments = settings.kind === 'adamw' ? { m, v } : undefined;
      await updateParameters(theta.engine, gradient.engine, moments, settings, item.step);
      const ofMoments = moments && !item.last ? weights.m.dot(m) + weights.v.dot(v) : 0;
      return weights.theta.dot(theta) + ofMoments;
    };
    const slope = async (h: number) => ((await scalar(h)) - (await scalar(-h))) / (2 * h);
    const expected = (4 * (await slope(1e-5)) - (await slope(2e-5))) / 3;

    const adjoints = await reversed(oracle, item);
    const terms = dependsOn(item).map((part) => adjoints[part].dot(directions[part]));
    const scale = Math.hypot(...terms);
    expect(Math.abs(terms.reduce((a, b) => a + b) - expected) / scale).toBeLessThan(1e-8);
  });

  it('sees √v as constant where no gradient was ever seen', async () => {
    const { gradient, m, v } = await reversed(oracle, { ...CASES[6], last: true });
    const eps = 1e-2;
    const { lr, betas } = ADAMW;
    // m̂ = g and √v̂ = |g| at a first step: θ' = θ − lr g / (|g| + ε), of which the slope at 0 is −lr / ε.
    const theta = adjointsIn(oracle).theta.toRecord()['model.norm.weight'];
    gradient.toRecord()['model.norm.weight'].forEach((value, i) => {
      expect(value).toBeCloseTo((-lr / eps) * theta[i], 10);
    });
    m.toRecord()['model.norm.weight'].forEach((value, i) => {
      expect(value).toBeCloseTo(((-lr / eps) * betas[0] * theta[i]) / (1 - betas[0]), 10);
    });
    expect([...v.toRecord()['model.norm.weight']].every((value) => value === 0)).toBe(true);
  });
});

describeBackends('the reverse of an update', (tested) => {
  let backend: Backend;
  let model: LanguageModel;
  beforeAll(async () => {
    backend = await tested.open();
    model = await LanguageModel.initialize(TINY, { backend, seed: 5 });
  });
  afterAll(() => backend.dispose());

  it.each(CASES)('$title: as on the tape', async (item) => {
    const expected = await reversed(oracle, item);
    const actual = await reversed(model, item);
    for (const part of dependsOn(item)) {
      const difference = oracle.vector(actual[part].toRecord());
      difference.axpy(-1, expected[part]);
      expect(difference.norm() / expected[part].norm()).toBeLessThan(1e-6);
    }
  });

  it('takes its place in the order of calls', async () => {
    const item = CASES[3];
    const expected = (await reversed(model, item)).gradient.toRecord();
    const { gradient, m, v } = givenTo(model, item);
    const adjoint = adjointsIn(model);
    const engines: EngineVector[] = [adjoint.theta, gradient, m, v].map(({ engine }) => engine);
    const settings = resolveOptimizer(item.config);
    const pending = adjointOfUpdate(engines[0], engines[1], { m, v }, settings, item.step, adjoint);
    const copy = gradient.copy();
    gradient.fill(0);
    await pending;
    expect(copy.toRecord()).toEqual(expected);
  });
});
