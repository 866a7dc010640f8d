import { writeTextAtomically } from '../atomic-file.ts';
import { explanationHeadline, renderExplanation } from '../report/explanation.ts';
import { explanationData } from '../score/explain-data.ts';
import { explainScores } from '../score/explain.ts';
import { readScoreTable } from '../score/table.ts';
import { FILES, scoreFile, type RunStage } from './context.ts';
import type { Recipe } from './schema.ts';
import { stageOfScoring } from './score-stages.ts';

/** For each scoring that is to be explained, what its scores have to do with the text: as a page, and for the run's. */
export function explainStages({ explain, scores, seed }: Recipe): RunStage[] {
  return (explain?.scores ?? []).map((name) => ({
    name: `explain ${name}`,
    inputs: ['corpus', 'samples', stageOfScoring(scores, name)],
    outputs: [explanationFile(name), explanationDataFile(name)],
    config: { folds: explain!.folds, shown: explain!.shown, seed },
    async run(context, progress) {
      const table = await readScoreTable(context.path(scoreFile(name)), name);
      const explanation = await explainScores(await context.corpus(), await context.samples(), table, {
        folds: explain!.folds,
        shown: explain!.shown,
        seed,
        signal: context.signal,
        onProgress: ({ done, total }) => progress(done, total, 'rows'),
      });
      const data = explanationData(explanation);
      const page = await renderExplanation(data, {
        column: name,
        facts: Object.entries({ scores: scoreFile(name), samples: FILES.samples, corpus: FILES.corpus }).map(
          ([name, value]) => ({ name, value }),
        ),
        created: new Date().toISOString().slice(0, 10),
      });
      await writeTextAtomically(context.path(explanationFile(name)), page);
      await writeTextAtomically(context.path(explanationDataFile(name)), JSON.stringify(data));
      context.note(`${explanationFile(name)}: ${explanationHeadline(explanation, name)}`);
      return { documents: explanation.documents, r2: explanation.ols.r2, lassoR2: explanation.lassoR2 };
    },
  }));
}

/** The page that explains a scoring, and what it shows, relative to the run's folder. */
export const explanationFile = (scoring: string): string => `explain-${scoring}.html`;
export const explanationDataFile = (scoring: string): string => `explain-${scoring}.json`;
