import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { LanguageModel } from '../model/language-model.ts';
import { writePlan, type Plan } from '../order/plan.ts';
import { randomUint32, streamOf } from '../random.ts';
import { readScoreTable, type ScoreTable } from '../score/table.ts';
import { recordMetadata } from '../select/plan-record.ts';
import { scoreFile, type RunContext } from './context.ts';
import { modelConfig } from './model-config.ts';
import { makePlan } from './plans.ts';
import { trainingRows, validationRows } from './rows.ts';
import type { PlanRecipe } from './schema.ts';
import { readStamp, type Facts } from './stage.ts';
import { trainInto, TRAINING_FILES, validation } from './training.ts';

/** The folder of one training, relative to the run's. */
export const trainingDir = (plan: string, seed: number): string => `train/${plan}-seed${seed}/`;
export const trainingStage = (plan: string, seed: number): string => `train ${plan} seed ${seed}`;
export const PLAN_FILE = 'plan.arrow';

/** One training of a run. */
export interface Training {
  name: string;
  plan: PlanRecipe;
  seed: number;
}

/** Writes the plan that a training follows, of no more rows than it reads. */
export async function writePlanOf(context: RunContext, { name, plan: recipe, seed }: Training): Promise<Plan> {
  const { train, seed: runSeed } = context.recipe;
  const budget = train.steps * train.batch;
  const samples = await context.samples();
  const table = await poolTable(context, recipe.score);
  const { plan, record } = makePlan(table, recipe, {
    seed: randomUint32(runSeed, streamOf('plan order'), seed),
    budget,
    domainOf: (row) => samples.domain(row),
  });
  const from = `the pool of ${table.rows.length} rows of the training split`;
  const by = recipe.score === undefined ? undefined : { column: recipe.score, file: scoreFile(recipe.score) };
  await writePlan(context.path(trainingDir(name, seed), PLAN_FILE), plan, {
    plan: name,
    seed: String(seed),
    ...recordMetadata({ ...record, selectedBy: record.selection && by, orderedBy: by, from }),
  });
  if (budget > plan.rows.length) {
    context.note(`plan ${name} has ${plan.rows.length} rows, training reads ${budget}: some are read more than once`);
  }
  return plan;
}

/** The one of some finished trainings that followed the same plan. */
export async function findSame(
  context: RunContext,
  trainings: Training[],
  planDigest: string,
): Promise<Training | undefined> {
  for (const training of trainings) {
    const stamp = await readStamp(context.dir, trainingStage(training.name, training.seed));
    if (stamp?.facts.planDigest === planDigest) return training;
  }
  return undefined;
}

/** Two scorings may rank alike, and then the same plan need not be trained on twice. */
export async function copyTraining(context: RunContext, from: Training, to: Training): Promise<Facts> {
  const [source, target] = [from, to].map(({ name, seed }) => context.path(trainingDir(name, seed)));
  for (const part of [TRAINING_FILES.log, TRAINING_FILES.model]) {
    await cp(join(source, part), join(target, part), { recursive: true });
  }
  const stamp = await readStamp(context.dir, trainingStage(from.name, from.seed));
  return stamp!.facts;
}

/** The rows of the pool with their scores; all zero where the plan needs none. */
async function poolTable(context: RunContext, score: string | undefined): Promise<ScoreTable> {
  if (score !== undefined) return readScoreTable(context.path(scoreFile(score)), score);
  const { recipe } = context;
  const { pool } = trainingRows(await context.samples(), recipe.pool.rows, recipe.seed);
  return { rows: pool, scores: new Float64Array(pool.length) };
}

/** Trains on a plan from initial weights that the seed alone decides. */
export async function trainPlan(
  context: RunContext,
  { name, seed }: Training,
  plan: Plan,
  onStep: (step: number) => void,
): Promise<Facts> {
  const { train, evaluate } = context.recipe;
  const dir = context.path(trainingDir(name, seed));
  const samples = await context.samples();
  const model = await LanguageModel.initialize(await modelConfig(context), { backend: await context.backend(), seed });
  const { curve } = evaluate;
  try {
    return await trainInto(dir, {
      model,
      plan,
      samples,
      optimization: train,
      checkpointEvery: 50,
      validate:
        curve &&
        validation(model, samples, validationRows(samples, curve.rowsPerDomain, context.recipe.seed), {
          every: curve.every,
          batch: evaluate.batch,
          signal: context.signal,
        }),
      onStep: ({ step }) => onStep(step),
      signal: context.signal,
    });
  } finally {
    model.dispose();
  }
}
