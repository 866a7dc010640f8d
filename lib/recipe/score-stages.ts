import { writeTextAtomically } from '../atomic-file.ts';
import { LanguageModel } from '../model/language-model.ts';
import { planOf } from '../order/plan.ts';
import { writeScoreTable } from '../score/table.ts';
import { FILES, leavingsOf, scoreFile, type RunContext, type RunStage } from './context.ts';
import { fileDigest } from './file-digest.ts';
import { plansOf } from './grid.ts';
import { modelConfig } from './model-config.ts';
import { judgeScores } from './quality.ts';
import { trainingRows } from './rows.ts';
import { SCORING_NEEDS } from './scoring-schema.ts';
import { methodOf, scoringGroups, sourcesOf } from './scorings/index.ts';
import type { Scorings } from './scorings/method.ts';
import { trainInto } from './training.ts';

const PRETRAIN = 'pretrain';
export const QUALITY = 'quality';

/** The small model that scores, one stage for scorings that are made together, and how well they tell labels apart. */
export async function scoreStages(context: RunContext): Promise<RunStage[]> {
  const { recipe } = context;
  return [
    ...(recipe.pretrain ? [pretrainStage(recipe.pretrain)] : []),
    ...(await Promise.all(scoringGroups(recipe.scores).map((scorings) => scoreStage(scorings)))),
    ...(recipe.quality ? [qualityStage()] : []),
  ];

  function pretrainStage(pretrain: NonNullable<typeof recipe.pretrain>): RunStage {
    const { model, seed, pool, backend } = recipe;
    return {
      name: PRETRAIN,
      inputs: ['samples', 'tokenizer'],
      outputs: [FILES.pretrain],
      config: { pretrain, model, seed, pool, backend },
      async run(context, progress) {
        const samples = await context.samples();
        const { rest } = trainingRows(samples, pool.rows, seed);
        const languageModel = await LanguageModel.initialize(await modelConfig(context), {
          backend: await context.backend(),
          seed,
        });
        try {
          return await trainInto(context.path(FILES.pretrain), {
            model: languageModel,
            plan: planOf(rest, null, { method: 'shuffle', seed }),
            samples,
            optimization: pretrain,
            checkpointEvery: 100,
            onStep: ({ step }) => progress(step, pretrain.steps, 'steps'),
            signal: context.signal,
          });
        } finally {
          languageModel.dispose();
        }
      },
    };
  }

  async function scoreStage(scorings: Scorings): Promise<RunStage> {
    const names = Object.keys(scorings);
    const { method } = scorings[names[0]];
    const files = methodOf(scorings[names[0]]).files?.(scorings[names[0]]) ?? [];
    const digests = await Promise.all(files.map((file) => fileDigest(context.recipePath(file))));
    const scratch = `${FILES.scores}${names.join('+')}.sweep/`;
    const { leaves = false } = methodOf(scorings[names[0]]);
    const needsTarget = SCORING_NEEDS[method].includes('target');
    return {
      name: scoringStage(names),
      inputs: [
        'corpus',
        'samples',
        ...(SCORING_NEEDS[method].includes(PRETRAIN) ? [PRETRAIN] : []),
        ...(SCORING_NEEDS[method].includes('model') ? ['tokenizer'] : []),
        ...sourcesOf(scorings[names[0]]).map((source) => stageOfScoring(recipe.scores, source)),
      ],
      outputs: [...names.map(scoreFile), ...(leaves ? names.map(leavingsOf) : [])],
      scratch: [scratch],
      config: {
        scorings,
        pool: recipe.pool,
        target: needsTarget ? recipe.target : null,
        seed: recipe.seed,
        ...(files.length > 0 && { files: digests }),
        ...(SCORING_NEEDS[method].includes('model') && { model: recipe.model, backend: recipe.backend }),
      },
      async run(context, progress) {
        const { pool } = trainingRows(await context.samples(), recipe.pool.rows, recipe.seed);
        const {
          scores,
          tables = {},
          facts,
        } = await methodOf(scorings[names[0]]).score(context, {
          scorings,
          pool,
          scratch: context.path(scratch),
          onProgress: (done, total, unit = 'rows') => progress(done, total, unit),
        });
        for (const name of names) {
          await writeScoreTable(context.path(scoreFile(name)), pool, { [name]: scores[name] }, { method });
        }
        for (const [file, { rows, columns }] of Object.entries(tables)) {
          await writeScoreTable(context.path(scoreFile(file)), rows, columns, { method });
        }
        return { poolRows: pool.length, ...facts };
      },
    };
  }

  function qualityStage(): RunStage {
    return {
      name: QUALITY,
      inputs: [
        'corpus',
        'samples',
        ...(recipe.pretrain ? [PRETRAIN] : []),
        ...Object.keys(stagesOfScorings(recipe.scores)),
      ],
      outputs: [FILES.quality],
      // 2: of what quality.json holds; 1 had no standard errors.
      config: { format: 2, quality: recipe.quality, pool: recipe.pool, plans: plansOf(recipe), seed: recipe.seed },
      async run(context, progress) {
        const quality = await judgeScores(context, (done, total) => progress(done, total, 'rows'));
        await writeTextAtomically(context.path(FILES.quality), JSON.stringify(quality, null, 2));
        return { positives: quality.positives, negatives: quality.negatives };
      },
    };
  }
}

const scoringStage = (names: string[]): string => `score ${names.join(', ')}`;

/** The stages that score, by name, with the scorings that each makes. */
export function stagesOfScorings(scores: Scorings): Record<string, Scorings> {
  return Object.fromEntries(scoringGroups(scores).map((scorings) => [scoringStage(Object.keys(scorings)), scorings]));
}

/** The stage that makes a scoring. */
export function stageOfScoring(scores: Scorings, name: string): string {
  return Object.entries(stagesOfScorings(scores)).find(([, scorings]) => name in scorings)![0];
}
