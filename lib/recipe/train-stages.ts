import { readFile } from 'node:fs/promises';
import { writeTextAtomically } from '../atomic-file.ts';
import { evaluatePerplexity, type PerplexityReport } from '../evaluate/perplexity.ts';
import { LanguageModel } from '../model/language-model.ts';
import { digest } from '../train/fingerprint.ts';
import { FILES, type RunContext, type RunStage } from './context.ts';
import { plansOf } from './grid.ts';
import { validationRows } from './rows.ts';
import { stageOfScoring } from './score-stages.ts';
import {
  copyTraining,
  findSame,
  trainingDir,
  trainingStage,
  trainPlan,
  writePlanOf,
  type Training,
} from './plan-training.ts';
import { TRAINING_FILES } from './training.ts';

/** One result of the final evaluation. */
export interface Evaluation {
  plan: string;
  seed: number;
  report: PerplexityReport;
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
