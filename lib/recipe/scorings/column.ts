import { columnScores } from '../../score/column-scores.ts';
import type { ScoringOf } from '../scoring-schema.ts';
import { workOf } from '../work.ts';
import type { ScoringMethod } from './method.ts';
import { oriented } from './prefer.ts';

/** A number that the corpus has for each document: its rows share it. */
export const columnScoring: ScoringMethod<ScoringOf<'column'>> = {
  title: ({ column, prefer }) => `${prefer} ${column}`,
  work: () => workOf(0, 0),
  async score(context, { scorings, pool, onProgress }) {
    const [samples, corpus] = await Promise.all([context.samples(), context.corpus()]);
    const [[name, { column, missing, prefer }]] = Object.entries(scorings);
    const values = await columnScores(corpus, samples, pool, column, {
      missing,
      signal: context.signal,
      onProgress: ({ done, total }) => onProgress(done, total),
    });
    return { scores: { [name]: oriented(values, prefer) }, facts: {} };
  },
};
