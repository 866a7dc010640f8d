import { rowLosses } from '../../evaluate/losses.ts';
import type { ScoringOf } from '../scoring-schema.ts';
import { FORWARD, workOf } from '../work.ts';
import { withAnnotator } from './annotator.ts';
import type { ScoringMethod } from './method.ts';
import { oriented } from './prefer.ts';

/** The loss of each row under the annotating model: the logarithm of its perplexity. */
export const perplexityScoring: ScoringMethod<ScoringOf<'perplexity'>> = {
  title: ({ prefer }) => `${prefer} perplexity`,
  shares: ({ batch }) => batch,
  work: ({ pool }) => workOf(pool.rows, FORWARD),
  async score(context, { scorings, pool, onProgress }) {
    const samples = await context.samples();
    const losses = await withAnnotator(context, (model) =>
      rowLosses(model, samples, pool, {
        batchSize: Object.values(scorings)[0].batch,
        signal: context.signal,
        onProgress: ({ done, total }) => onProgress(done, total),
      }),
    );
    const scores = Object.entries(scorings).map(([name, { prefer }]) => [name, oriented(losses, prefer)] as const);
    return { scores: Object.fromEntries(scores), facts: {} };
  },
};
