import { writeTextAtomically } from '../atomic-file.ts';
import { explanationHeadline, renderExplanation } from '../report/explanation.ts';
import { explainScores } from '../score/explain.ts';
import { readScoreTable } from '../score/table.ts';
import { FILES, scoreFile, type RunStage } from './context.ts';
import type { Recipe } from './schema.ts';
import { stageOfScoring } from './score-stages.ts';

/** A page for each scoring that is to be explained: what its scores have to do with the text. */
export function explainStages({ explain, scores, seed }: Recipe): RunStage[] {
  return (explain?.scores ?? []).map((name) => ({
    name: `explain ${name}`,
    inputs: ['corpus', 'samples', stageOfScoring(scores, name)],
    outputs: [explanationFile(name)],
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
      const page = await renderExplanation(explanation, {
        column: name,
        facts: Object.entries({ scores: scoreFile(name), samples: FILES.samples, corpus: FILES.corpus }).map(
          ([name, value]) => ({ name, value }),
        ),
        created: new Date().toISOString().slice(0, 10),
      });
      await writeTextAtomically(context.path(explanationFile(name)), page);
      context.note(`${explanationFile(name)}: ${explanationHeadline(explanation, name)}`);
      return { documents: explanation.documents, r2: explanation.ols.r2, lassoR2: explanation.lassoR2 };
    },
  }));
}

/** The page that explains a scoring, relative to the run's folder. */
export const explanationFile = (scoring: string): string => `explain-${scoring}.html`;
