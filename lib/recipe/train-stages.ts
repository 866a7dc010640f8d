import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeTextAtomically } from '../atomic-file.ts';
import { evaluatePerplexity, type PerplexityReport } from '../evaluate/perplexity.ts';
import { LanguageModel } from '../model/language-model.ts';
import { writePlan, type Plan } from '../order/plan.ts';
import { readScoreTable, type ScoreTable } from '../score/table.ts';
import { streamOf, randomUint32 } from '../random.ts';
import { digest } from '../train/fingerprint.ts';
import { FILES, scoreFile, type RunContext, type RunStage } from './context.ts';
import { plansOf } from './grid.ts';
import { makePlan } from './plans.ts';
import { trainingRows, validationRows } from './rows.ts';
import type { PlanRecipe } from './schema.ts';
import { modelConfig, stageOfScoring } from './score-stages.ts';
import { readStamp, type Facts } from './stage.ts';
import { trainInto, TRAINING_FILES } from './training.ts';

/** The folder of one training, relative to the run's. */
export const trainingDir = (plan: string, seed: number): string => `train/${plan}-seed${seed}/`;
export const trainingStage = (plan: string, seed: number): string => `train ${plan} seed ${seed}`;
export const PLAN_FILE = 'plan.arrow';
/** The row of tables that counts every domain the same. */
export const MEAN_OF_DOMAINS = 'mean of domains';

/** One result of the final evaluation. */
export interface Evaluation {
  plan: string;
  seed: number;
  report: PerplexityReport;
}

interface Training {
  name: string;
  plan: PlanRecipe;
  seed: number;
}

/** One training for every plan and seed, then the evaluation of all of them on the same rows. */
export function trainStages({ recipe }: RunContext): RunStage[] {
  const trainings = Object.entries(plansOf(recipe)).flatMap(([name, plan]) =>
    recipe.train.seeds.map((seed): Training => ({ name, plan, seed })),
  );
  return [...trainings.map((training) => trainStage(training)), evaluateStage()];

  function trainStage(training: Training): RunStage {
    const { name, plan, seed } = training;
    const { seeds: _, ...optimization } = recipe.train;
    const dir = trainingDir(name, seed);
    return {
      name: trainingStage(name, seed),
      inputs: [
        'samples',
        'tokenizer',
        ...(plan.score === undefined ? [] : [stageOfScoring(recipe.scores, plan.score)]),
      ],
      outputs: [dir],
      scratch: [`${dir}${TRAINING_FILES.checkpoints}`],
      config: {
        plan,
        optimization,
        seed,
        model: recipe.model,
        pool: [recipe.pool.rows, recipe.seed],
        curve: recipe.evaluate.curve ?? null,
        backend: recipe.backend,
      },
      async run(context, progress) {
        const plan = await writePlanOf(context, training);
        const planDigest = digest([plan.rows, plan.weights]);
        const earlier = trainings.slice(0, trainings.indexOf(training)).filter((other) => other.seed === seed);
        const same = await findSame(context, earlier, planDigest);
        const facts = same
          ? await copyTraining(context, same, training)
          : await trainPlan(context, training, plan, (step) => progress(step, optimization.steps, 'steps'));
        return { ...facts, planRows: plan.rows.length, planDigest, sameAs: same?.name ?? null };
      },
    };
  }

  function evaluateStage(): RunStage {
    return {
      name: 'evaluate',
      inputs: trainings.map(({ name, seed }) => trainingStage(name, seed)),
      outputs: [FILES.evaluation],
      config: recipe.evaluate,
      async run(context, progress) {
        const samples = await context.samples();
        const rows = validationRows(samples, recipe.evaluate.rowsPerDomain, recipe.seed);
        const evaluations = await finishedEvaluations(context);
        for (const { name, seed } of trainings.slice(evaluations.length)) {
          const report = await evaluateTraining(context, trainingDir(name, seed), rows);
          evaluations.push({ plan: name, seed, report });
          await writeTextAtomically(context.path(FILES.evaluation), `${JSON.stringify(evaluations, null, 2)}\n`);
          progress(evaluations.length, trainings.length, 'models');
        }
        return { rows: rows.length };
      },
    };
  }
}

/** What an interrupted evaluation of the same models has left. */
async function finishedEvaluations(context: RunContext): Promise<Evaluation[]> {
  const text = await readFile(context.path(FILES.evaluation), 'utf8').catch(() => '[]');
  return JSON.parse(text) as Evaluation[];
}

async function evaluateTraining(context: RunContext, dir: string, rows: Uint32Array): Promise<PerplexityReport> {
  const model = await LanguageModel.fromPretrained(context.path(dir, TRAINING_FILES.model), {
    backend: await context.backend(),
  });
  try {
    return await evaluatePerplexity(model, await context.samples(), rows, {
      batchSize: context.recipe.evaluate.batch,
      signal: context.signal,
    });
  } finally {
    model.dispose();
  }
}

/** Writes the plan that a training follows, of no more rows than it reads. */
async function writePlanOf(context: RunContext, { name, plan: recipe, seed }: Training): Promise<Plan> {
  const { train, seed: runSeed } = context.recipe;
  const budget = train.steps * train.batch;
  const plan = makePlan(await poolTable(context, recipe.score), recipe, {
    seed: randomUint32(runSeed, streamOf('plan order'), seed),
    budget,
  });
  await writePlan(context.path(trainingDir(name, seed), PLAN_FILE), plan, { plan: name, seed: String(seed) });
  if (budget > plan.rows.length) {
    context.note(`plan ${name} has ${plan.rows.length} rows, training reads ${budget}: some are read more than once`);
  }
  return plan;
}

/** The one of some finished trainings that followed the same plan. */
async function findSame(context: RunContext, trainings: Training[], planDigest: string): Promise<Training | undefined> {
  for (const training of trainings) {
    const stamp = await readStamp(context.dir, trainingStage(training.name, training.seed));
    if (stamp?.facts.planDigest === planDigest) return training;
  }
  return undefined;
}

/** Two scorings may rank alike, and then the same plan need not be trained on twice. */
async function copyTraining(context: RunContext, from: Training, to: Training): Promise<Facts> {
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

async function trainPlan(
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
  const curveRows = curve && validationRows(samples, curve.rowsPerDomain, context.recipe.seed);
  try {
    return await trainInto(dir, {
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
  } finally {
    model.dispose();
  }
}
