import { appendFile, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LanguageModel } from '../../lib/model/language-model.ts';
import { createOptimizer } from '../../lib/model/optimizer.ts';
import type { TrainingLogEntry } from '../../lib/train/log.ts';
import { planBatch } from '../../lib/train/sample-loader.ts';
import { train, type TrainOptions } from '../../lib/train/trainer.ts';
import { TESTED_BACKENDS } from '../support/backends.ts';
import { toyBackend, toyModel, toyPlan, toyRun, toySamples } from './toy.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gradfold-train-'));
});

afterEach(() => rm(directory, { recursive: true }));

async function readLog(path: string): Promise<TrainingLogEntry[]> {
  const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line) as TrainingLogEntry);
}

/** Trains until `step` has been made, then aborts. */
async function interruptAt(step: number, options: TrainOptions): Promise<void> {
  const controller = new AbortController();
  const reason = new Error(`interrupted at ${step}`);
  const onStep = (entry: TrainingLogEntry) => entry.step === step && controller.abort(reason);
  await expect(train({ ...options, signal: controller.signal, onStep })).rejects.toBe(reason);
}

const withoutTime = (entries: TrainingLogEntry[]) => entries.map(({ seconds: _, ...rest }) => rest);

describe('train', () => {
  it('makes the updates of the loop written out by hand', async () => {
    const run = await toyRun();
    const { step, tokens } = await train(run);

    const model = await toyModel();
    const optimizer = createOptimizer(model, run.optimizer);
    let expectedTokens = 0;
    for (let t = 0; t < 9; t++) {
      const planned = planBatch(run.samples, run.plan, t, 3);
      optimizer.lr = 0.02 * (t < 2 ? (t + 1) / 2 : 0.1 + 0.45 * (1 + Math.cos((Math.PI * (t - 2)) / 7)));
      const { gradient } = await model.gradient(planned.batch, { weights: planned.weights });
      await optimizer.step(gradient);
      expectedTokens += planned.tokens;
    }
    expect({ step, tokens }).toEqual({ step: 9, tokens: expectedTokens });
    expect(run.model.parameters.toRecord()).toEqual(model.parameters.toRecord());
  });

  it('brings the loss down', async () => {
    const losses: number[] = [];
    await train({ ...(await toyRun()), steps: 60, onStep: ({ loss }) => losses.push(loss) });
    expect(losses[0]).toBeGreaterThan(2.4); // ln 13 = 2.56
    expect(losses.at(-1)).toBeLessThan(0.5 * losses[0]);
  });

  it('makes one pass over the plan by default', async () => {
    const { steps: _, schedule: __, ...run } = await toyRun();
    expect((await train(run)).step).toBe(4);
  });

  it('logs every step, with validation where it is due', async () => {
    const log = join(directory, 'logs', 'train.jsonl');
    let validations = 0;
    const validate = { every: 4, run: async () => ({ loss: ++validations }) };
    const seen: TrainingLogEntry[] = [];
    await train({ ...(await toyRun()), log, validate, onStep: (entry) => seen.push(entry) });

    const entries = await readLog(log);
    expect(entries).toEqual(seen.map((entry) => JSON.parse(JSON.stringify(entry)) as TrainingLogEntry));
    expect(entries.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(entries.map(({ epoch }) => epoch)).toEqual([0, 0, 0, 0, 1, 1, 1, 2, 2]);
    const validated = entries.flatMap(({ step, validation }) => (validation ? [[step, validation.loss]] : []));
    expect(validated).toEqual([
      [4, 1],
      [8, 2],
      [9, 3],
    ]);
    expect(entries[1].lr).toBe(0.02);
    expect(entries.every(({ gradientNorm, seconds }) => gradientNorm > 0 && seconds > 0)).toBe(true);
  });

  it('logs the plain mean loss when weights are equal', async () => {
    const run = { ...(await toyRun()), plan: toyPlan([0, 1, 2], [5, 5, 5]), schedule: undefined, steps: 1 };
    const { batch } = planBatch(run.samples, run.plan, 0, 3);
    const { mean } = await run.model.loss(batch);
    let logged = NaN;
    await train({ ...run, onStep: ({ loss }) => (logged = loss) });
    expect(logged).toBeCloseTo(mean, 12);
  });

  it.each<[string, Partial<TrainOptions>]>([
    ['plan.rows: expected at least one row', { plan: toyPlan([]) }],
    ['plan.weights[1]: expected a finite number >= 0, got -1', { plan: toyPlan([0, 1], [1, -1]) }],
    ['batchSize: expected an integer >= 1, got 0', { batchSize: 0 }],
    ['steps: expected an integer >= 1, got 1.5', { steps: 1.5 }],
    ['checkpoint.every: expected an integer >= 1, got 0', { checkpoint: { dir: 'unused', every: 0 } }],
  ])('%s', async (message, options) => {
    await expect(train({ ...(await toyRun()), ...options })).rejects.toThrow(message);
  });

  it('stops with a reason when the loss is no longer finite', async () => {
    const run = await toyRun();
    const diverging = { ...run, schedule: undefined, optimizer: { kind: 'sgd', lr: 1e200 } } as const;
    await expect(train(diverging)).rejects.toThrow(/loss at step \d+: expected a finite number, got NaN; lower the/);
  });
});

describe('a run with checkpoints', () => {
  const interruptions = TESTED_BACKENDS.filter(({ available }) => available).flatMap(({ name, open }) =>
    [1, 3, 4, 8].map((step) => ({ name, open, step })),
  );
  it.each(interruptions)('ends with the bits of an uninterrupted one: $name, step $step', async ({ open, step }) => {
    const backend = await open();
    const [whole, wholeLog] = [await toyRun(backend), join(directory, 'whole.jsonl')];
    await train({ ...whole, log: wholeLog });

    const resumable = { log: join(directory, 'resumed.jsonl'), checkpoint: { dir: join(directory, 'run'), every: 2 } };
    await interruptAt(step, { ...(await toyRun(backend)), ...resumable });
    const resumed = await toyRun(backend);
    await train({ ...resumed, ...resumable });

    expect(resumed.model.parameters.toRecord()).toEqual(whole.model.parameters.toRecord());
    expect(withoutTime(await readLog(resumable.log))).toEqual(withoutTime(await readLog(wholeLog)));
  });

  it('keeps the last two checkpoints, complete ones only', async () => {
    const run = await toyRun();
    await train({ ...run, checkpoint: { dir: directory, every: 2 } });
    expect((await readdir(directory)).sort()).toEqual(['step-000008', 'step-000009']);
    expect((await readdir(join(directory, 'step-000009'))).sort()).toEqual([
      'model',
      'optimizer.safetensors',
      'parameters.safetensors',
      'trainer.json',
    ]);
  });

  it('writes a model that loads by itself', async () => {
    const run = await toyRun();
    await train({ ...run, checkpoint: { dir: directory, every: 100 } });
    const loaded = await LanguageModel.fromPretrained(join(directory, 'step-000009', 'model'), { backend: toyBackend });
    const { batch } = planBatch(toySamples, run.plan, 0, 10);
    expect((await loaded.loss(batch)).mean).toBeCloseTo((await run.model.loss(batch)).mean, 5);
  });

  it('returns at once when it is complete already', async () => {
    const checkpoint = { dir: directory, every: 5 };
    const first = await toyRun();
    await train({ ...first, checkpoint });
    const second = await toyRun();
    const state = await train({ ...second, checkpoint, onStep: () => expect.unreachable('no step is left') });
    expect(state.step).toBe(9);
    expect(second.model.parameters.toRecord()).toEqual(first.model.parameters.toRecord());
  });

  it('cuts lines after the checkpoint, and torn ones, off the log', async () => {
    const options = { log: join(directory, 'train.jsonl'), checkpoint: { dir: join(directory, 'run'), every: 3 } };
    await interruptAt(5, { ...(await toyRun()), ...options });
    expect((await readLog(options.log)).map(({ step }) => step)).toEqual([1, 2, 3, 4, 5]);
    await appendFile(options.log, '{"step": 6, "lo');

    await interruptAt(4, { ...(await toyRun()), ...options });
    expect((await readLog(options.log)).map(({ step }) => step)).toEqual([1, 2, 3, 4]);
  });

  it('is not gone on with by another run, and the message says what differs', async () => {
    const checkpoint = { dir: directory, every: 2 };
    await interruptAt(3, { ...(await toyRun()), checkpoint });
    const run = { ...(await toyRun()), checkpoint };
    await expect(train({ ...run, batchSize: 4 })).rejects.toThrow(
      /step-000002 holds the state of another run: batchSize was 3, is 4; repeat it/,
    );
    await expect(train({ ...run, plan: toyPlan([1, 2, 3]) })).rejects.toThrow(
      /plan was [0-9a-f]{12}…, is [0-9a-f]{12}…/,
    );
    await expect(train({ ...run, optimizer: { kind: 'sgd', lr: 0.1 } })).rejects.toThrow(
      /optimizer was \{"kind":"adamw"/,
    );
    const shifted = { tokens: (row: number) => toySamples.tokens(row + 1) };
    await expect(train({ ...run, samples: shifted })).rejects.toThrow('samples was');
    run.model.parameters.scale(2);
    await expect(train(run)).rejects.toThrow('initial parameters was');
  });

  it('names a damaged record', async () => {
    const checkpoint = { dir: directory, every: 5 };
    await train({ ...(await toyRun()), checkpoint });
    await appendFile(join(directory, 'step-000009', 'trainer.json'), '}');
    await expect(train({ ...(await toyRun()), checkpoint })).rejects.toThrow(/step-000009\/trainer.json: expected/);
  });
});
