import { textFeatureScores } from '../../score/text-features.ts';
import type { ScoringOf } from '../scoring-schema.ts';
import { workOf } from '../work.ts';
import type { ScoringMethod } from './method.ts';
import { oriented } from './prefer.ts';

/** A heuristic of the text: its length, the share of its characters that are punctuation, and the like. */
export const textScoring: ScoringMethod<ScoringOf<'text'>> = {
  title: ({ feature, prefer }) => `${prefer} ${feature.replaceAll('_', ' ')}`,
  shares: () => 'one look at each text',
  work: () => workOf(0, 0),
  async score(context, { scorings, pool, onProgress }) {
    const [samples, corpus] = await Promise.all([context.samples(), context.corpus()]);
    const features = [...new Set(Object.values(scorings).map(({ feature }) => feature))];
    const values = await textFeatureScores(corpus, samples, pool, features, {
      signal: context.signal,
      onProgress: ({ done, total }) => onProgress(done, total),
    });
    const scores = Object.entries(scorings).map(
      ([name, { feature, prefer }]) => [name, oriented(values[feature], prefer)] as const,
    );
    return { scores: Object.fromEntries(scores), facts: {} };
  },
};
