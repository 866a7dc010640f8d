import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sampleBatches } from '../../lib/data/token-source.ts';
import type { LanguageModel } from '../../lib/model/language-model.ts';
import { createOptimizer, type OptimizerConfig } from '../../lib/model/optimizer.ts';
import { InRunScores, type InRunOptions } from '../../lib/score/in-run.ts';
import { planBatch } from '../../lib/train/sample-loader.ts';
import { train, type TrainOptions } from '../../lib/train/trainer.ts';
import { TESTED_BACKENDS } from '../support/backends.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';
import { toyModel, toyPlan, toyRun, toySamples } from '../train/toy.ts';

const directory = useTemporaryDirectory();

const TARGET = Uint32Array.of(0, 5, 7, 10);
const SGD: OptimizerConfig = { kind: 'sgd', lr: 0.05 };
const [BETA2, EPS] = [0.95, 1e-6];
const ADAMW: OptimizerConfig = { kind: 'adamw', lr: 0.02, betas: [0.9, BETA2], eps: EPS };
const PLAN = toyPlan([3, 1, 4, 11, 5, 9, 2, 6, 0, 8]);

const targetOf = (more: Partial<InRunOptions> = {}): InRunOptions => ({
  samples: toySamples,
  target: TARGET,
  targetRows: TARGET.length,
  refreshEvery: 1,
  momentum: 0,
  ...more,
});

/** A run whose in-run scores are wanted: 7 steps of 3 rows. */
async function scoredRun(
  optimizer: OptimizerConfig,
  more?: Partial<InRunOptions>,
): Promise<[TrainOptions, InRunScores]> {
  const run = { ...(await toyRun()), schedule: undefined, plan: PLAN, steps: 7, optimizer };
  const observer = new InRunScores(run.model, targetOf(more));
  return [{ ...run, observer }, observer];
}

type Record64 = Record<string, ArrayLike<number>>;

function inner(a: Record64, b: Record64): number {
  return Object.entries(a).reduce(
    (sum, [name, x]) => sum + Array.from(x).reduce((s, v, i) => s + v * b[name][i], 0),
    0,
  );
}

async function gradientOfTarget(model: LanguageModel): Promise<Record64> {
  const [batch] = sampleBatches(toySamples, TARGET, TARGET.length);
  return (await model.gradient(batch)).gradient.toRecord();
}

/** The same run by hand: at each step ∇J, per-sample gradients, their products, the update. */
async function byHand(optimizerConfig: OptimizerConfig): Promise<Map<number, { plain: number; adam: number }>> {
  const model = await toyModel();
  const optimizer = createOptimizer(model, optimizerConfig);
  const { lr } = optimizerConfig;
  const scores = new Map<number, { plain: number; adam: number }>();
  const moments: Record<string, Float64Array> = {};
  for (let step = 0; step < 7; step++) {
    const { batch, rows, weights } = planBatch(toySamples, PLAN, step, 3);
    const target = await gradientOfTarget(model);
    const metric = Object.fromEntries(
      Object.entries(target).map(([name, x]) => {
        const v = (moments[name] ??= new Float64Array(x.length));
        const next = Array.from(x, (g, i) => (BETA2 * v[i] + (1 - BETA2) * g * g) / (1 - BETA2 ** (step + 1)));
        return [name, Array.from(x, (g, i) => g / (Math.sqrt(next[i]) + EPS))];
      }),
    );
    const { gradients } = await model.perSample(batch, { gradients: true });
    gradients!.forEach((gradient, i) => {
      const g = gradient.toRecord();
      const before = scores.get(rows[i]) ?? { plain: 0, adam: 0 };
      scores.set(rows[i], { plain: before.plain + lr * inner(g, target), adam: before.adam + lr * inner(g, metric) });
    });
    const { gradient } = await model.gradient(batch, { weights });
    for (const [name, g] of Object.entries(gradient.toRecord())) {
      moments[name].forEach((v, i) => (moments[name][i] = BETA2 * v + (1 - BETA2) * g[i] ** 2));
    }
    await optimizer.step(gradient);
  }
  return scores;
}

describe('InRunScores', () => {
  it.each([
    ['SGD', SGD, ['in_run', 'visits']],
    ['AdamW', ADAMW, ['in_run', 'in_run_adam', 'visits']],
  ] as const)('are the sums written out by hand: %s', async (_, optimizer, names) => {
    const [run, observer] = await scoredRun(optimizer);
    await train(run);
    const { rows, columns } = observer.table();
    const expected = await byHand(optimizer);
    expect(Object.keys(columns).sort()).toEqual([...names].sort());
    expect(Array.from(rows)).toEqual([...expected.keys()].sort((a, b) => a - b));
    rows.forEach((row, i) => {
      expect(columns.in_run[i]).toBeCloseTo(expected.get(row)!.plain, 10);
      if (columns.in_run_adam) expect(columns.in_run_adam[i]).toBeCloseTo(expected.get(row)!.adam, 10);
    });
    expect(columns.visits.reduce((a, b) => a + b)).toBe(21);
  });

  it('hold ∇J between refreshes', async () => {
    const [run, observer] = await scoredRun(SGD, { refreshEvery: 100 });
    await train({ ...run, steps: 3 });
    const { rows, columns } = observer.table();

    const model = await toyModel();
    const target = await gradientOfTarget(model);
    const optimizer = createOptimizer(model, SGD);
    for (let step = 0; step < 3; step++) {
      const { batch, rows: read } = planBatch(toySamples, PLAN, step, 3);
      const { gradients } = await model.perSample(batch, { gradients: true });
      read.forEach((row, i) => {
        const score = columns.in_run[rows.indexOf(row)];
        expect(score).toBeCloseTo(0.05 * inner(gradients![i].toRecord(), target), 10);
      });
      const { gradient } = await model.gradient(batch);
      await optimizer.step(gradient);
    }
  });

  it('draw target rows by the seed, all of them before one comes again', async () => {
    const drawn: number[] = [];
    const samples = {
      tokens(row: number) {
        drawn.push(row);
        return toySamples.tokens(row);
      },
    };
    const [run] = await scoredRun(SGD);
    const observed = async (seed: number) => {
      drawn.length = 0;
      const model = await toyModel();
      const observer = new InRunScores(model, targetOf({ samples, targetRows: 2, refreshEvery: 2, seed }));
      await train({ ...run, model, observer });
      return [...drawn];
    };
    const first = await observed(1);
    expect(first).toHaveLength(8); // refreshes at steps 0, 2, 4, 6
    expect(first.slice(0, 4).sort((a, b) => a - b)).toEqual([...TARGET]);
    expect(first.slice(4).sort((a, b) => a - b)).toEqual([...TARGET]);
    expect(await observed(1)).toEqual(first);
    expect(await observed(2)).not.toEqual(first);
  });

  it('change nothing about the training', async () => {
    const [run] = await scoredRun(ADAMW, { refreshEvery: 2 });
    await train(run);
    const plain = { ...run, model: await toyModel(), observer: undefined };
    await train(plain);
    expect(run.model.parameters.toRecord()).toEqual(plain.model.parameters.toRecord());
  });

  it.each(TESTED_BACKENDS.filter(({ available }) => available))(
    'of an interrupted run have the bits of an uninterrupted one: $name',
    async ({ open }) => {
      const backend = await open();
      const start = async (): Promise<[TrainOptions, InRunScores]> => {
        const model = await toyModel(backend);
        const observer = new InRunScores(model, targetOf({ targetRows: 2, refreshEvery: 3, momentum: 0.5 }));
        const [run] = await scoredRun(ADAMW);
        return [{ ...run, model, observer }, observer];
      };
      const [whole, scores] = await start();
      await train(whole);

      const checkpoint = { dir: join(directory(), 'run'), every: 2 };
      for (const stop of [3, 5]) {
        const controller = new AbortController();
        const [run] = await start();
        const onStep = ({ step }: { step: number }) => step === stop && controller.abort();
        await expect(train({ ...run, checkpoint, signal: controller.signal, onStep })).rejects.toThrow();
      }
      const [resumed, resumedScores] = await start();
      await train({ ...resumed, checkpoint });
      expect(resumedScores.table()).toEqual(scores.table());
      expect(resumed.model.parameters.toRecord()).toEqual(whole.model.parameters.toRecord());

      const [complete, completeScores] = await start();
      await train({ ...complete, checkpoint });
      expect(completeScores.table()).toEqual(scores.table());
    },
  );

  it('belong to a run: another target does not go on with its checkpoint', async () => {
    const checkpoint = { dir: directory(), every: 2 };
    const [run] = await scoredRun(SGD);
    await train({ ...run, checkpoint });
    const [other] = await scoredRun(SGD, { target: Uint32Array.of(1, 2, 3, 4) });
    await expect(train({ ...other, checkpoint })).rejects.toThrow('in-run target was');
    const [rarer] = await scoredRun(SGD, { refreshEvery: 3 });
    await expect(train({ ...rarer, checkpoint })).rejects.toThrow(/in-run was .*refreshEvery":1/);
  });

  it.each<[string, Partial<InRunOptions>]>([
    ['target: expected at least one row', { target: new Uint32Array(0) }],
    ['refreshEvery: expected an integer >= 1, got 0', { refreshEvery: 0 }],
    ['momentum: expected a number < 1, got 1', { momentum: 1 }],
    ['targetRows: expected an integer >= 1, got 0', { targetRows: 0 }],
  ])('%s', async (message, more) => {
    const model = await toyModel();
    expect(() => new InRunScores(model, targetOf(more))).toThrow(message);
  });
});
