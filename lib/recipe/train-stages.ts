import { writeTextAtomically } from '../atomic-file.ts';
import { evaluatePerplexity, type PerplexityReport } from '../evaluate/perplexity.ts';
import { LanguageModel } from '../model/language-model.ts';
import { writePlan, type Plan } from '../order/plan.ts';
import { recordMetadata, type PlanRecord } from '../select/plan-record.ts';
import { readScoreTable, type ScoreTable } from '../score/table.ts';
import { streamOf, randomUint32 } from '../random.ts';
import { FILES, type RunContext, type RunStage } from './context.ts';
import { makePlan, needsScores } from './plans.ts';
import { trainingRows, validationRows } from './rows.ts';
import type { PlanRecipe } from './schema.ts';
import { LQS, modelConfig } from './score-stages.ts';
import { trainInto, TRAINING_FILES } from './training.ts';

/** The folder of one training, relative to the run's. */
export const trainingDir = (plan: string, seed: number): string => `train/${plan}-seed${seed}/`;
export const PLAN_FILE = 'plan.arrow';

/** One result of the final evaluation. */
export interface Evaluation {
  plan: string;
  seed: number;
  report: PerplexityReport;
}

/** One training for every plan and seed, then the evaluation of all of them on the same rows. */
export function trainStages({ recipe }: RunContext): RunStage[] {
  const runs = Object.entries(recipe.plans).flatMap(([name, plan]) =>
    recipe.train.seeds.map((seed) => ({ name, plan, seed })),
  );
  const { seeds: _, ...optimization } = recipe.train;
  return [
    ...runs.map(({ name, plan, seed }): RunStage => ({
      name: `train ${name} seed ${seed}`,
      inputs: needsScores(plan) ? ['samples', 'tokenizer', 'score'] : ['samples', 'tokenizer'],
      outputs: [trainingDir(name, seed)],
      config: {
        plan,
        optimization,
        seed,
        model: recipe.model,
        pool: [recipe.score.pool.rows, recipe.seed],
        curve: recipe.evaluate.curve ?? null,
        backend: recipe.backend,
      },
      run: (context, progress) =>
        trainPlan(context, name, plan, seed, (step) => progress(step, optimization.steps, 'steps')),
    })),
    {
      name: 'evaluate',
      inputs: runs.map(({ name, seed }) => `train ${name} seed ${seed}`),
      outputs: [FILES.evaluation],
      config: recipe.evaluate,
      async run(context, progress) {
        const evaluations: Evaluation[] = [];
        const samples = await context.samples();
        const rows = validationRows(samples, recipe.evaluate.rowsPerDomain, recipe.seed);
        for (const { name, seed } of runs) {
          const model = await LanguageModel.fromPretrained(
            context.path(trainingDir(name, seed), TRAINING_FILES.model),
            { backend: await context.backend() },
          );
          try {
            const report = await evaluatePerplexity(model, samples, rows, {
              batchSize: recipe.evaluate.batch,
              signal: context.signal,
            });
            evaluations.push({ plan: name, seed, report });
          } finally {
            model.dispose();
          }
          progress(evaluations.length, runs.length, 'models');
        }
        await writeTextAtomically(context.path(FILES.evaluation), `${JSON.stringify(evaluations, null, 2)}\n`);
        return { rows: rows.length };
      },
    },
  ];
}

/** The plan that a training with this seed follows. */
async function planFor(
  context: RunContext,
  recipe: PlanRecipe,
  seed: number,
): Promise<{ plan: Plan; record: PlanRecord }> {
  const samples = await context.samples();
  const scored = needsScores(recipe);
  const table: ScoreTable = scored
    ? await readScoreTable(context.path(FILES.poolScores), LQS)
    : unscored(trainingRows(samples, context.recipe.score.pool.rows, context.recipe.seed).pool);
  const planSeed = randomUint32(context.recipe.seed, streamOf('plan order'), seed);
  const { plan, record } = makePlan(table, recipe, planSeed, (row) => samples.domain(row));
  const by = scored ? { column: LQS, file: FILES.poolScores } : undefined;
  const from = `the pool of ${table.rows.length} rows of the training split`;
  return { plan, record: { ...record, selectedBy: record.selection && by, orderedBy: by, from } };
}

const unscored = (rows: Uint32Array): ScoreTable => ({ rows, scores: new Float64Array(rows.length) });

async function trainPlan(
  context: RunContext,
  name: string,
  recipe: PlanRecipe,
  seed: number,
  onStep: (step: number) => void,
) {
  const { train, evaluate } = context.recipe;
  const dir = context.path(trainingDir(name, seed));
  const samples = await context.samples();
  const { plan, record } = await planFor(context, recipe, seed);
  await writePlan(context.path(trainingDir(name, seed), PLAN_FILE), plan, {
    plan: name,
    seed: String(seed),
    ...recordMetadata(record),
  });
  if (train.steps * train.batch > plan.rows.length) {
    context.note(
      `plan ${name} has ${plan.rows.length} rows, training reads ${train.steps * train.batch}: some are read more than once`,
    );
  }
  const model = await LanguageModel.initialize(await modelConfig(context), { backend: await context.backend(), seed });
  const { curve } = evaluate;
  const curveRows = curve && validationRows(samples, curve.rowsPerDomain, context.recipe.seed);
  try {
    const facts = await trainInto(dir, {
      model,
      plan,
      samples,
      optimization: train,
      checkpointEvery: 50,
      validate: curve && {
        every: curve.every,
        run: async () => {
          const { domains, domainMean } = await evaluatePerplexity(model, samples, curveRows!, {
            batchSize: evaluate.batch,
            signal: context.signal,
          });
          const losses = Object.entries(domains).map(([domain, { loss }]) => [domain, loss]);
          return { ...Object.fromEntries(losses), [MEAN_OF_DOMAINS]: domainMean.loss };
        },
      },
      onStep: ({ step }) => onStep(step),
      signal: context.signal,
    });
    return { ...facts, planRows: plan.rows.length };
  } finally {
    model.dispose();
  }
}

/** The row of tables that counts every domain the same. */
export const MEAN_OF_DOMAINS = 'mean of domains';
