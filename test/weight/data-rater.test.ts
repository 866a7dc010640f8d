import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Backend, FloatArray } from '../../lib/backend/types.ts';
import { collate } from '../../lib/data/batch.ts';
import { spearman } from '../../lib/evaluate/statistics.ts';
import { LanguageModel } from '../../lib/model/language-model.ts';
import { createOptimizer } from '../../lib/model/optimizer.ts';
import type { SequenceRater } from '../../lib/model/sequence-rater.ts';
import { scoreRows } from '../../lib/score/rater-scores.ts';
import { digestParameters } from '../../lib/train/fingerprint.ts';
import {
  divideRows,
  trainDataRater,
  type DataRaterLogEntry,
  type DataRaterOptions,
} from '../../lib/weight/data-rater.ts';
import { AveragedOptimizer } from '../../lib/weight/data-rater/averaged-optimizer.ts';
import { trainInnerStarts } from '../../lib/weight/data-rater/inner-starts.ts';
import { initializeDataRater } from '../../lib/weight/data-rater/rater-model.ts';
import { RowTape } from '../../lib/weight/data-rater/row-tape.ts';
import { metaGradient } from '../../lib/weight/meta-gradient.ts';
import { describeBackends } from '../support/backends.ts';
import { distance } from '../support/fixtures.ts';
import { TINY } from '../support/models.ts';
import { randomVector } from '../support/random-vector.ts';

const samples = { tokens: (row: number) => Int32Array.from({ length: 5 }, (_, t) => (row * (t + 2) + t * t) % 11) };
const range = (begin: number, end: number) => Uint32Array.from({ length: end - begin }, (_, i) => begin + i);
const batchOf = (rows: ArrayLike<number>) => collate(Array.from(rows, (row) => ({ inputIds: samples.tokens(row) })));
const INITIAL = { ...TINY, initializer_range: 0.3 };

describeBackends('trainDataRater', (tested) => {
  let backend: Backend;
  let model: LanguageModel;
  beforeAll(async () => {
    backend = await tested.open();
    model = await LanguageModel.initialize(INITIAL, { backend, seed: 7 });
  });
  afterAll(() => backend.dispose());

  const newRater = () => initializeDataRater(INITIAL, { backend, seed: 3 });
  /** A rater whose scores differ, as those of a fresh one do not. */
  async function warmRater(): Promise<SequenceRater> {
    const rater = await newRater();
    const noise = randomVector(rater, 11, 0);
    noise.scale(0.3);
    rater.parameters.axpy(1, noise);
    return rater;
  }

  const options = (changed: Partial<DataRaterOptions> = {}): Omit<DataRaterOptions, 'rater'> => ({
    model,
    inner: { samples, rows: range(0, 30), batchSize: 3 },
    rated: 'inner',
    heldOut: { samples, rows: range(30, 50), batchSize: 4 },
    steps: 6,
    population: { size: 2, life: 6, burnIn: 2 },
    seed: 5,
    ...changed,
  });

  it('makes the meta-step that its definition says', async () => {
    const [seed, window, B] = [5, 2, 3];
    const inner = { kind: 'adamw', lr: 1e-2, betas: [0.9, 0.95] } as const;
    const outer = { kind: 'adamw', lr: 5e-2, betas: [0.9, 0.99], weightDecay: 0.1 } as const;
    const starts = await trainInnerStarts(model, { samples, rows: range(0, 30), ages: [3], batchSize: 4, seed });
    const rater = await warmRater();
    const made: DataRaterLogEntry[] = [];
    const own = model.parameters.toRecord();
    await trainDataRater({
      rater,
      ...options({ steps: 1, window, innerOptimizer: inner, optimizer: outer, temperature: 0.7 }),
      population: { size: 2, life: 6, starts },
      schedule: { kind: 'constant' },
      onStep: (entry) => void made.push(entry),
    });
    expect(model.parameters.toRecord()).toEqual(own);

    // By hand: each of the two inner models steps an AdamW of its own from the same rater; the mean of both is taken.
    const tapes = {
      inner: new RowTape('data-rater/inner', range(0, 30), seed),
      outer: new RowTape('data-rater/outer', range(30, 50), seed),
    };
    const raters = [await warmRater(), await warmRater()];
    for (const [i, own] of raters.entries()) {
      model.parameters.copyFrom(starts[0].parameters);
      const batches = Array.from({ length: window }, (_, t) => batchOf(tapes.inner.read((i * window + t) * B, B)));
      const scores = await Promise.all(batches.map((batch) => own.score(batch)));
      const meta = await metaGradient(model, {
        batches,
        scores,
        outer: batchOf(tapes.outer.read(i * 4, 4)),
        temperature: 0.7,
        optimizer: inner,
        state: starts[0].state,
      });
      const gradient = own.vector();
      for (const [t, batch] of batches.entries()) {
        gradient.axpy(1, await own.backward(batch, meta.scoreGradients[t]));
      }
      expect(made[0].models[i]).toMatchObject({ model: i, age: window });
      expect(made[0].models[i].outerLoss).toBeCloseTo(meta.outerLoss, 5);
      expect(made[0].models[i].metaGradientNorm / gradient.norm()).toBeCloseTo(1, 3);
      gradient.scale(1 / gradient.norm());
      await createOptimizer(own, outer).step(gradient);
    }
    const mean = raters[0].vector();
    for (const each of raters) mean.axpy(0.5, each.parameters);
    const before = (await warmRater()).parameters.toRecord();
    const moved = distance(mean.toRecord(), before);
    expect(moved).toBeGreaterThan(0.1);
    expect(distance(rater.parameters.toRecord(), mean.toRecord()) / moved).toBeLessThan(tested.tolerance.hvp * 50);
    model.parameters.setFrom(own);
  });

  it('gives the same bits again', async () => {
    const run = async () => {
      const rater = await newRater();
      await trainDataRater({ rater, ...options() });
      return digestParameters(rater.parameters);
    };
    expect(await run()).toBe(await run());
  });

  it('begins with equal weights, lives its lives, and reports', async () => {
    const rater = await newRater();
    const entries: DataRaterLogEntry[] = [];
    const result = await trainDataRater({
      rater,
      ...options({ steps: 8, modelsPerStep: 1 }),
      probe: { every: 4, rows: range(0, 10) },
      onStep: (entry) => void entries.push(entry),
    });
    expect(entries[0].effectiveSamples).toBeCloseTo(3, 10);
    expect(entries.at(-1)!.effectiveSamples).toBeLessThan(3);
    expect(entries.map(({ models }) => models[0].model)).toEqual([0, 1, 0, 1, 0, 1, 0, 1]);
    // Burn-in 2, then 2 a meta-step; the first life of model 0 is half as long, and ends after its first meta-step.
    expect(entries.map(({ models }) => models[0].age)).toEqual([4, 4, 4, 6, 6, 4, 4, 6]);
    expect(entries.map(({ domains }) => domains !== undefined)).toEqual([...'00010001'].map((x) => x === '1'));
    expect(Object.keys(entries[3].domains!)).toEqual(['all']);
    // Five lives: two at first, and one more at every age of 6 but the last.
    expect(result).toMatchObject({ steps: 8, ratedRows: 48, burnInSteps: 10, stability: null });
    expect(result.outerLoss).toBe(entries.at(-1)!.outerLoss);
  });

  it('compares scores with those 100 meta-steps before', async () => {
    const rater = await newRater();
    const rows = range(0, 20);
    const seen: { step: number; scores: Float64Array; stability?: number | null }[] = [];
    await trainDataRater({
      rater,
      ...options({ steps: 150, window: 1, modelsPerStep: 1, inner: { samples, rows: range(0, 30), batchSize: 2 } }),
      probe: { every: 50, rows },
      async onStep({ step, stability }) {
        if (step % 50 === 0) seen.push({ step, scores: await scoreRows(rater, samples, rows), stability });
      },
    });
    expect(seen.map(({ stability }) => typeof stability)).toEqual(['object', 'object', 'number']);
    expect(seen[2].stability).toBeCloseTo(spearman(seen[2].scores, seen[0].scores), 12);
  });

  it('begins with the backbone of a model, and a head of zeros', async () => {
    const [fresh, copied] = [await newRater(), await initializeDataRater(INITIAL, { backend, seed: 3, from: model })];
    const [theirs, own] = [model.parameters.toRecord(), copied.parameters.toRecord()];
    const backbone = Object.keys(own).filter((name) => !name.startsWith('score_head.'));
    expect(backbone.length).toBeGreaterThan(5);
    for (const name of backbone) expect(own[name]).toEqual(theirs[name]);
    expect(own['score_head.weight']).toEqual(fresh.parameters.toRecord()['score_head.weight'].fill(0));
    expect(copied.config).toMatchObject({ causal: false, pooling: 'mean', bias: false });
    expect(fresh.parameters.toRecord()[backbone[0]]).not.toEqual(theirs[backbone[0]]);

    // A rater may begin as another one, too; read causally, a token does not see those behind it.
    const again = await initializeDataRater(INITIAL, { backend, seed: 4, from: copied, causal: true });
    expect(again.parameters.toRecord()).toEqual(own);
    expect(again.config.causal).toBe(true);

    await expect(
      initializeDataRater({ ...INITIAL, hidden_size: 16 }, { backend, seed: 3, from: model }),
    ).rejects.toThrow(
      'from: tensor model.embed_tokens.weight: expected shape [11, 16], got "[11, 8]"; give the rater the model\'s own',
    );
    await expect(
      initializeDataRater({ ...INITIAL, num_hidden_layers: 2 }, { backend, seed: 3, from: model }),
    ).rejects.toThrow(/from: tensor model\.layers\.1\..* got "no such tensor"/);
    await expect(initializeDataRater(INITIAL, { backend, seed: 3, from: {} as LanguageModel })).rejects.toThrow(
      'from: expected a model',
    );
  });

  it('one shared Adam steps along the mean of the gradients', async () => {
    const config = { kind: 'adamw', lr: 0.1, betas: [0.9, 0.99] } as const;
    const [rater, alone] = [await warmRater(), await warmRater()];
    const gradients = [randomVector(rater, 1, 0), randomVector(rater, 2, 0)];
    const averaged = new AveragedOptimizer(rater, config, { sources: 2, shared: true });
    const single = createOptimizer(alone, config);
    for (let step = 0; step < 3; step++) {
      const sum = alone.vector();
      for (const [i, gradient] of gradients.entries()) {
        await averaged.add(i, gradient, 0.1);
        sum.axpy(0.5, gradient);
      }
      await averaged.apply(0.1);
      await single.step(sum);
    }
    expect(distance(rater.parameters.toRecord(), alone.parameters.toRecord())).toBeLessThan(
      tested.tolerance.value * norm(alone.parameters.toRecord()),
    );
  });

  it('learns to weigh down rows that the outer set has nothing of', { timeout: 60_000 }, async () => {
    // Good rows count upwards, bad ones repeat a token that never occurs elsewhere.
    const rowsOf = {
      tokens: (row: number) =>
        Int32Array.from({ length: 6 }, (_, t) => (row < 100 && row % 2 === 1 ? 10 : (row + t) % 9)),
    };
    const rater = await newRater();
    await trainDataRater({
      rater,
      ...options({ steps: 15, modelsPerStep: 1 }),
      inner: { samples: rowsOf, rows: range(0, 100), batchSize: 8 },
      heldOut: { samples: rowsOf, rows: range(100, 200), batchSize: 16 },
      innerOptimizer: { kind: 'sgd', lr: 0.5 },
      optimizer: { kind: 'adamw', lr: 3e-2, betas: [0.9, 0.99] },
      population: { size: 2, life: 30, burnIn: 5 },
    });
    const scores = await scoreRows(rater, rowsOf, range(0, 20));
    const bad = scores.filter((_, row) => row % 2 === 1);
    const good = scores.filter((_, row) => row % 2 === 0);
    expect(Math.min(...good)).toBeGreaterThan(Math.max(...bad));
  });

  it('refuses a row that is where it must not be', async () => {
    const rater = await newRater();
    const refused = (changed: Partial<DataRaterOptions>) => trainDataRater({ rater, ...options(changed) });
    const set = (rows: Uint32Array, source = samples) => ({ samples: source, rows, batchSize: 4 });
    await expect(refused({ heldOut: set(range(25, 50)) })).rejects.toThrow(
      'heldOut.rows: expected no row of inner.rows, got "row 25"',
    );
    await expect(refused({ rated: set(range(20, 45)) })).rejects.toThrow(
      'rated.rows: expected no row of inner.rows, got "row 20"; give rated: "inner"',
    );
    await expect(refused({ rated: set(range(30, 45)) })).rejects.toThrow('heldOut.rows: expected no row of rated.rows');
    const inner = (rows: number[], count?: number) => ({ samples: { ...samples, count }, rows, batchSize: 2 });
    await expect(refused({ inner: inner([0, -1]) })).rejects.toThrow('inner.rows[1]: expected an integer');
    await expect(refused({ inner: inner([0, 10], 10) })).rejects.toThrow(
      'inner.rows[1]: expected an integer in [0, 9], got 10',
    );
    // The same table once more is another object; a table with other rows under these numbers is no problem.
    await expect(refused({ heldOut: set(range(25, 50), { ...samples }) })).rejects.toThrow('"row 25"');
    const others = { tokens: (row: number) => samples.tokens(row).map((token) => (token + 1) % 11) };
    await expect(refused({ heldOut: set(range(25, 50), others), steps: 1 })).resolves.toMatchObject({ steps: 1 });

    const starts = await trainInnerStarts(model, { samples, rows: range(0, 20), ages: [1], batchSize: 4 });
    const population = { starts };
    const apart = { inner: set(range(20, 30)), population };
    await expect(refused({ ...apart, rated: set(range(10, 20)) })).rejects.toThrow(
      'rated.rows: expected no row of those of population.starts[0], got "row 10"; train starts on other rows',
    );
    await expect(refused({ population, rated: undefined })).rejects.toThrow('"row 0"; train starts on other rows');
    await expect(refused({ ...apart, heldOut: set(range(10, 20)) })).rejects.toThrow(
      'heldOut.rows: expected no row of',
    );
    // Without burn-in all inner rows are rated: four models, two batches of four rows each.
    await expect(refused({ ...apart, rated: undefined, steps: 1 })).resolves.toMatchObject({ ratedRows: 32 });
    await expect(refused({ population, steps: 1 })).resolves.toMatchObject({ steps: 1 });
  });

  it('rates rows apart from those of burn-in', async () => {
    const read = { burnIn: new Set<number>(), rated: new Set<number>() };
    const recording = (name: keyof typeof read) => ({
      tokens(row: number) {
        read[name].add(row);
        return samples.tokens(row);
      },
    });
    const rater = await newRater();
    const inner = { samples: recording('burnIn'), rows: range(0, 15), batchSize: 3 };
    const rated = { samples: recording('rated'), rows: range(15, 30) };
    await trainDataRater({ rater, ...options({ inner, rated, probe: { rows: range(15, 17) }, steps: 4 }) });
    expect([...read.burnIn].sort((a, b) => a - b)).toEqual(Array.from(range(0, 15)).slice(0, read.burnIn.size));
    expect(read.burnIn.size).toBeGreaterThan(3);
    expect(Math.min(...read.rated)).toBeGreaterThanOrEqual(15);
    expect(read.rated.size).toBe(15);

    // Unless told otherwise, half of the inner rows, as they are divided by the seed.
    const digestOf = async (sets: Partial<DataRaterOptions>) => {
      const own = await newRater();
      await trainDataRater({ rater: own, ...options({ ...sets, steps: 3 }) });
      return digestParameters(own.parameters);
    };
    const parts = divideRows(range(0, 30), { seed: 5 });
    const byHand = await digestOf({
      inner: { samples, rows: parts.inner, batchSize: 3 },
      rated: { samples, rows: parts.rated, batchSize: 3 },
    });
    expect(await digestOf({ rated: undefined })).toBe(byHand);
    expect(await digestOf({})).not.toBe(byHand);
  });

  it('begins some lives with fresh parameters and others with trained ones', async () => {
    const starts = await trainInnerStarts(model, { samples, rows: range(0, 30), ages: [7], batchSize: 4 });
    const rater = await newRater();
    const ages: number[] = [];
    const result = await trainDataRater({
      rater,
      ...options({ steps: 8, window: 1, modelsPerStep: 1 }),
      population: { size: 1, life: 1, starts: ['fresh', ...starts], burnIn: 3 },
      onStep: ({ models }) => void ages.push(models[0].age),
    });
    expect(ages).toEqual(Array(8).fill(4));
    expect(result.burnInSteps).toBe(24);
    // By default, fresh ones alone burn in; every pass over the starts has one of each.
    const seen: number[] = [];
    const mixed = await trainDataRater({
      rater,
      ...options({ steps: 4, window: 1, modelsPerStep: 1 }),
      population: { size: 1, life: 1, starts: ['fresh', ...starts] },
      onStep: ({ models }) => void seen.push(models[0].age),
    });
    expect(seen.toSorted((a, b) => a - b)).toEqual([1, 1, 101, 101]);
    expect(mixed.burnInSteps).toBe(200);
  });

  it('says what is wrong', async () => {
    const rater = await newRater();
    await expect(trainDataRater({ ...options(), rater: {} as SequenceRater })).rejects.toThrow(
      'rater: expected a SequenceRater',
    );
    await expect(trainDataRater({ rater, ...options({ modelsPerStep: 3 }) })).rejects.toThrow('modelsPerStep');
    await expect(trainDataRater({ rater, ...options({ probe: { every: 30 } }) })).rejects.toThrow('a divisor of 100');
    const slips: object[] = [{ modelPerStep: 1 }, { population: { lives: 3 } }, { probe: { each: 25 } }];
    for (const slip of slips) {
      await expect(trainDataRater({ rater, ...options(slip as never) })).rejects.toThrow(/: expected no options but /);
    }
  });
});

describe('divideRows', () => {
  it('leaves every row on one side, drawn by the seed', () => {
    const rows = range(100, 110);
    const { inner, rated } = divideRows(rows, { seed: 1, ratedShare: 0.3 });
    expect([inner.length, rated.length]).toEqual([7, 3]);
    expect([...inner, ...rated].sort()).toEqual(Array.from(rows));
    for (const part of [inner, rated]) expect(part).toEqual(part.toSorted());
    expect(divideRows(rows, { seed: 1, ratedShare: 0.3 })).toEqual({ inner, rated });
    expect(divideRows(rows, { seed: 2, ratedShare: 0.3 }).rated).not.toEqual(rated);
    const both = divideRows(rows, { ratedShare: 'inner' });
    expect([both.inner, both.rated === both.inner]).toEqual([rows, true]);
    expect(() => divideRows(rows, { ratedShare: 0.04 })).toThrow('ratedShare: expected a share that leaves rows on');
    expect(() => divideRows(rows, { ratedShare: 1 })).toThrow('both sides, of 10');
  });
});

describe('RowTape', () => {
  it('passes over all rows again and again, each time in another order', () => {
    const tape = new RowTape('name', range(10, 15), 1);
    const passes = [0, 1, 2].map((pass) => Array.from(tape.read(5 * pass, 5)));
    for (const pass of passes) expect(pass.toSorted()).toEqual([10, 11, 12, 13, 14]);
    expect(new Set(passes.map(String)).size).toBeGreaterThan(1);
    expect(Array.from(tape.read(3, 4))).toEqual([...passes[0].slice(3), ...passes[1].slice(0, 2)]);
  });
});

function norm(record: Record<string, FloatArray>): number {
  return Math.hypot(...Object.values(record).map((values) => Math.hypot(...values)));
}
