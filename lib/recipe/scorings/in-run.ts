import { planInOrder, planOf, type Plan } from '../../order/plan.ts';
import { randomUint32, streamOf } from '../../random.ts';
import { InRunScores, type InRunTable } from '../../score/in-run.ts';
import type { RunContext } from '../context.ts';
import { cycle, trainingRows } from '../rows.ts';
import type { Recipe } from '../schema.ts';
import type { ScoringOf } from '../scoring-schema.ts';
import { targetRows } from '../target.ts';
import { trainInto } from '../training.ts';
import { addWork, BACKWARD, trainingWork, workOf } from '../work.ts';
import { withAnnotator } from './annotator.ts';
import type { ScoringMethod } from './method.ts';

type InRun = ScoringOf<'in_run'>;

/**
 * First-order In-Run Data Shapley (see InRunScores): the annotating model is trained on, over the pool, and each row's
 * score is the mean over its visits. The optimizer begins without moments, so the steps of its warm-up are made on other
 * rows; after them the learning rate stays as it is, and all rows of the pool are seen at the same one.
 */
export const inRunScoring: ScoringMethod<InRun> = {
  title: ({ metric }) => `in-run score${metric === 'adam' ? ' in Adam’s metric' : ''}`,
  shares: (scoring) => ({ ...scoring, metric: undefined }),
  work(recipe, scorings) {
    const [{ refreshEvery, targetRows }] = scorings;
    const steps = stepsOf(recipe, scorings[0], recipe.pool.rows);
    return addWork(
      trainingWork({ steps, batch: recipe.pretrain!.batch }),
      workOf(Math.ceil(steps / refreshEvery) * Math.min(targetRows, recipe.target!.rows), BACKWARD),
    );
  },
  async score(context, { scorings, pool, scratch, onProgress }) {
    const { recipe, signal } = context;
    const { seed, pretrain } = recipe;
    const all = Object.values(scorings);
    const [settings] = all;
    const samples = await context.samples();
    const target = await targetRows(context);
    const steps = stepsOf(recipe, settings, pool.length);
    const table = await withAnnotator(context, async (model) => {
      const observer = new InRunScores(model, {
        samples,
        target,
        targetRows: settings.targetRows,
        refreshEvery: settings.refreshEvery,
        seed,
        optimizerMetric: all.some(({ metric }) => metric === 'adam'),
      });
      try {
        await trainInto(scratch, {
          model,
          plan: await planFor(context, settings, pool),
          samples,
          optimization: { ...pretrain!, steps, finalLr: 1 },
          checkpointEvery: 100,
          inRun: observer,
          onStep: ({ step }) => onProgress(step * pretrain!.batch, steps * pretrain!.batch),
          signal,
        });
        return observer.table();
      } finally {
        observer.dispose();
      }
    });
    const scores = Object.entries(scorings).map(
      ([name, { metric }]) => [name, meanScores(table, metric === 'adam' ? 'in_run_adam' : 'in_run', pool)] as const,
    );
    return { scores: Object.fromEntries(scores), facts: { targetRows: target.length, steps } };
  },
};

/** The rows of the warm-up. */
const warmupRows = ({ pretrain }: Recipe): number => pretrain!.warmup * pretrain!.batch;

function stepsOf(recipe: Recipe, { passes }: InRun, poolRows: number): number {
  return Math.ceil((warmupRows(recipe) + passes * poolRows) / recipe.pretrain!.batch);
}

/** Rows that the annotating model has not seen, for the warm-up; then the pool, in another random order each pass. */
async function planFor(context: RunContext, { passes }: InRun, pool: Uint32Array): Promise<Plan> {
  const { recipe } = context;
  const { seed, pretrain } = recipe;
  const { rest } = trainingRows(await context.samples(), recipe.pool.rows, seed);
  const warmup = cycle(rest, pretrain!.steps * pretrain!.batch, warmupRows(recipe));
  const orders = Array.from({ length: passes }, (_, pass) => {
    return planOf(pool, null, { method: 'shuffle', seed: randomUint32(seed, streamOf('in-run pass'), pass) }).rows;
  });
  return planInOrder(Uint32Array.from([warmup, ...orders].flatMap((rows) => [...rows])));
}

function meanScores({ rows, columns }: InRunTable, column: string, pool: Uint32Array): Float64Array {
  const means = new Map(Array.from(rows, (row, i) => [row, columns[column][i] / columns.visits[i]]));
  return Float64Array.from(pool, (row) => means.get(row)!);
}
