import { describe, expect, it } from 'vitest';
import { createOptimizer } from '../../lib/model/optimizer.ts';
import type { BatchFilter, ObservedStep, StepObserver } from '../../lib/train/hooks.ts';
import { planBatch } from '../../lib/train/sample-loader.ts';
import { train } from '../../lib/train/trainer.ts';
import { largestRelativeError } from '../support/fixtures.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';
import { toyModel, toyPlan, toyRun, toySamples } from './toy.ts';

const directory = useTemporaryDirectory();

/** Keeps the places given, out of 5 candidates a step. */
const keeping = (places: number[], weights?: number[]): BatchFilter => ({
  candidates: 5,
  choose: async () => ({ places, weights }),
});

describe('a filter', () => {
  it('reads its candidates from the plan and has the chosen ones trained on', async () => {
    const run = { ...(await toyRun()), schedule: undefined, steps: 4 };
    const seen: number[][] = [];
    const filter: BatchFilter = {
      candidates: 5,
      choose: async (batch, { rows, weights, step, lr }) => {
        expect(batch.batch).toBe(5);
        expect(lr).toBe(0.02);
        expect(weights.reduce((a, b) => a + b)).toBeCloseTo(1, 12);
        seen[step] = [...rows];
        return { places: [3, 1, 0] };
      },
    };
    const { tokens } = await train({ ...run, filter });
    expect(seen).toEqual([
      [3, 1, 4, 11, 5],
      [9, 2, 6, 0, 8],
      [3, 1, 4, 11, 5],
      [9, 2, 6, 0, 8],
    ]);

    const model = await toyModel();
    const optimizer = createOptimizer(model, run.optimizer);
    const kept = toyPlan([3, 1, 11, 9, 2, 0], [1, 1, 1, 0.5, 1, 3]);
    let expectedTokens = 0;
    for (let step = 0; step < 4; step++) {
      const planned = planBatch(toySamples, kept, step, 3);
      const { gradient } = await model.gradient(planned.batch, { weights: planned.weights });
      await optimizer.step(gradient);
      expectedTokens += planned.tokens;
    }
    // Weights are brought to the sum 1 twice, so they may differ in the last bit.
    expect(largestRelativeError(run.model.parameters.toRecord(), model.parameters.toRecord())).toBeLessThan(1e-13);
    expect(tokens).toBe(expectedTokens);
  });

  it('may weigh what it chooses, whatever the order in which it names it', async () => {
    const [a, b] = [await toyRun(), await toyRun()];
    await train({ ...a, steps: 2, filter: keeping([4, 0], [1, 3]) });
    await train({ ...b, steps: 2, filter: keeping([0, 4], [30, 10]) });
    expect(a.model.parameters.toRecord()).toEqual(b.model.parameters.toRecord());
  });

  it('makes one pass over the plan by its candidates by default', async () => {
    const { steps: _, schedule: __, ...run } = await toyRun();
    expect((await train({ ...run, filter: keeping([0]) })).step).toBe(2);
  });

  it.each<[string, BatchFilter]>([
    ['places: expected at least one place', keeping([])],
    ['none twice, got "1, 1"', keeping([1, 1])],
    ['places[0]: expected an integer in [0, 4], got 5', keeping([5])],
    ['weights: expected 2 values (one a place), got 1', keeping([0, 1], [1])],
    ['weights[1]: expected a finite number >= 0, got -1', keeping([0, 1], [1, -1])],
    ['weights of the filter: expected a positive sum, got 0', keeping([0, 1], [0, 0])],
    ['filter.candidates: expected an integer >= 3, got 2', { ...keeping([0]), candidates: 2 }],
  ])('%s', async (message, filter) => {
    await expect(train({ ...(await toyRun()), filter })).rejects.toThrow(message);
  });

  it('belongs to a run: its checkpoints are not gone on with under another one', async () => {
    const checkpoint = { dir: directory(), every: 2 };
    await train({
      ...(await toyRun()),
      checkpoint,
      filter: { ...keeping([0, 1]), fingerprint: { rule: 'first two' } },
    });
    const other = { ...keeping([0, 1]), fingerprint: { rule: 'another' } };
    await expect(train({ ...(await toyRun()), checkpoint, filter: other })).rejects.toThrow(
      'rule was first two, is another',
    );
    await expect(train({ ...(await toyRun()), checkpoint })).rejects.toThrow('candidates was 5, is absent');
  });
});

describe('an observer', () => {
  it("sees each step's rows, weights, losses and dot products before the update, and changes nothing", async () => {
    const run = await toyRun();
    const direction = run.model.parameters.copy();
    const steps: ObservedStep[] = [];
    const observer: StepObserver = {
      directions: async () => [direction],
      observe: (step) => void steps.push(step),
    };
    await train({ ...run, observer });
    const plain = await toyRun();
    await train(plain);
    expect(run.model.parameters.toRecord()).toEqual(plain.model.parameters.toRecord());

    expect(steps.map(({ step }) => step)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(steps.map(({ lr }) => lr).slice(0, 2)).toEqual([0.01, 0.02]);
    const model = await toyModel();
    const first = planBatch(toySamples, run.plan, 0, 3);
    const { losses, dots } = await model.perSample(first.batch, { dots: [model.parameters.copy()] });
    expect(steps[0]).toMatchObject({ rows: first.rows, weights: first.weights, losses, dots });
  });
});

describe('a source of whole rows', () => {
  it('gives labels and document ids, drawn by the pass over the plan', async () => {
    const epochs: number[] = [];
    const samples = {
      tokens: toySamples.tokens,
      row(row: number, epoch: number) {
        const inputIds = toySamples.tokens(row);
        epochs.push(epoch);
        return { inputIds, labels: inputIds.map((id, t) => (t % 2 === epoch % 2 ? -100 : id)) };
      },
    };
    const { batch } = planBatch(samples, toyPlan([0, 1, 2]), 1, 2);
    expect(epochs).toEqual([0, 1]);
    expect(Array.from(batch.labels)).toEqual([-100, 3, -100, 5, -100, 7, 0, -100, 2, -100, -100, -100]);
  });
});
