import { median } from 'simple-statistics';
import { evaluateLosses } from '../losses.ts';
import type { ScoringOf } from '../scoring-schema.ts';
import { FORWARD, workOf } from '../work.ts';
import { withAnnotator } from './annotator.ts';
import type { ScoringMethod } from './method.ts';

type Perplexity = ScoringOf<'perplexity'>;

/** Which loss counts as good. */
const PREFERENCES: Record<Perplexity['prefer'], (losses: Float64Array) => Float64Array> = {
  low: (losses) => losses.map((loss) => -loss),
  high: (losses) => losses,
  middle(losses) {
    const centre = median(Array.from(losses));
    return losses.map((loss) => -Math.abs(loss - centre));
  },
};

/** The loss of each row under the annotating model: the logarithm of its perplexity. */
export const perplexityScoring: ScoringMethod<Perplexity> = {
  title: ({ prefer }) => `${prefer} perplexity`,
  shares: ({ batch }) => batch,
  work: ({ pool }) => workOf(pool.rows, FORWARD),
  async score(context, { scorings, pool, onProgress }) {
    const { batch } = Object.values(scorings)[0];
    const samples = await context.samples();
    const losses = await withAnnotator(context, (model) =>
      evaluateLosses(model, samples, pool, batch, context.signal, onProgress),
    );
    const scores = Object.entries(scorings).map(([name, { prefer }]) => [name, PREFERENCES[prefer](losses)] as const);
    return { scores: Object.fromEntries(scores), facts: {} };
  },
};
