import { GradfoldError } from '../../errors.ts';
import type { ScoringOf } from '../scoring-schema.ts';
import { workOf } from '../work.ts';
import type { ScoringMethod } from './method.ts';

/** A number that the corpus has for each document: its rows share it. */
export const columnScoring: ScoringMethod<ScoringOf<'column'>> = {
  title: ({ column }) => column,
  work: () => workOf(0, 0),
  async score(context, { scorings, pool }) {
    const [samples, corpus] = await Promise.all([context.samples(), context.corpus()]);
    const scores = Object.entries(scorings).map(([name, { column }]) => {
      const values = Float64Array.from(pool, (row) => {
        const value = corpus.value(column, samples.document(row));
        if (typeof value === 'number' && Number.isFinite(value)) return value;
        throw new GradfoldError(
          'INVALID_DATA',
          `scores.${name}: column "${column}" of document ${corpus.id(samples.document(row))}: expected a number, got ${String(value)}`,
        );
      });
      return [name, values] as const;
    });
    return { scores: Object.fromEntries(scores), facts: {} };
  },
};
