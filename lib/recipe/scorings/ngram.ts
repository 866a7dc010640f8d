import { NgramModel, ngramScores } from '../../score/ngram.ts';
import type { ScoringOf } from '../scoring-schema.ts';
import { workOf } from '../work.ts';
import type { ScoringMethod } from './method.ts';
import { oriented } from './prefer.ts';

/** The logarithm of a document's per-word perplexity under an n-gram model: its rows share it. */
export const ngramScoring: ScoringMethod<ScoringOf<'ngram'>> = {
  title: ({ prefer }) => `${prefer} n-gram perplexity`,
  shares: ({ arpa, lowercase }) => [arpa, lowercase],
  files: ({ arpa }) => [arpa],
  work: () => workOf(0, 0),
  async score(context, { scorings, pool, onProgress }) {
    const [samples, corpus] = await Promise.all([context.samples(), context.corpus()]);
    const { arpa, lowercase } = Object.values(scorings)[0];
    const perplexity = await ngramScores(await NgramModel.read(context.recipePath(arpa)), corpus, samples, pool, {
      lowercase,
      signal: context.signal,
      onProgress: ({ done, total }) => onProgress(done, total),
    });
    const values = perplexity.map(Math.log);
    const scores = Object.entries(scorings).map(([name, { prefer }]) => [name, oriented(values, prefer)] as const);
    return { scores: Object.fromEntries(scores), facts: {} };
  },
};
