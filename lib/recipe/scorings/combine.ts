import { combineScores } from '../../score/combine.ts';
import { readScoreTable } from '../../score/table.ts';
import { scoreFile } from '../context.ts';
import type { ScoringOf } from '../scoring-schema.ts';
import { workOf } from '../work.ts';
import type { ScoringMethod } from './method.ts';

/** Other scorings, each brought to mean 0 and deviation 1, weighted and added up. */
export const combineScoring: ScoringMethod<ScoringOf<'combine'>> = {
  title: ({ of }) =>
    Object.entries(of)
      .map(([name, weight]) => `${weight} ${name}`)
      .join(' + '),
  reads: ({ of }) => Object.keys(of),
  work: () => workOf(0, 0),
  async score(context, { scorings, pool }) {
    const [[name, { of }]] = Object.entries(scorings);
    const parts = Object.entries(of).map(async ([part, weight]) => ({
      ...(await readScoreTable(context.path(scoreFile(part)), part)),
      name: part,
      weight,
    }));
    const { rows, scores } = combineScores(await Promise.all(parts));
    const byRow = new Map(Array.from(rows, (row, i) => [row, scores[i]]));
    return { scores: { [name]: Float64Array.from(pool, (row) => byRow.get(row)!) }, facts: {} };
  },
};
