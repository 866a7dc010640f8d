import { gradientScores } from '../../score/gradient.ts';
import { batchesOf } from '../rows.ts';
import type { ScoringOf } from '../scoring-schema.ts';
import { targetRows } from '../target.ts';
import { addWork, BACKWARD, workOf } from '../work.ts';
import { withAnnotator } from './annotator.ts';
import type { ScoringMethod } from './method.ts';
import { annotatorMoments, momentsWork } from './moments.ts';

type Gradient = ScoringOf<'gradient'>;

const inAdam = (scorings: Gradient[]): boolean => scorings.some(({ metric }) => metric === 'adam');

/**
 * How each row's gradient lies to that of the target, at the annotating model as it is; in the metric of an AdamW
 * optimizer where the scoring asks for it.
 */
export const gradientScoring: ScoringMethod<Gradient> = {
  title: ({ metric, alignment }) => `${alignment} of the gradients${metric === 'adam' ? ' in Adam’s metric' : ''}`,
  shares: ({ batch }) => batch,
  work: ({ pool, target }, scorings) =>
    addWork(workOf(pool.rows + target!.rows, BACKWARD), ...(inAdam(scorings) ? [momentsWork(scorings[0].batch)] : [])),
  async score(context, { scorings, pool, onProgress }) {
    const { signal } = context;
    const { batch } = Object.values(scorings)[0];
    const samples = await context.samples();
    const target = await targetRows(context);
    const found = await withAnnotator(context, async (model) => {
      const moments = inAdam(Object.values(scorings)) ? await annotatorMoments(context, model, batch) : undefined;
      try {
        return await gradientScores(model, samples, pool, {
          target: batchesOf(samples, target, batch),
          optimizer: moments,
          batchSize: batch,
          signal,
          onProgress: ({ done, total }) => onProgress(done, total),
        });
      } finally {
        moments?.dispose();
      }
    });
    const scores = Object.entries(scorings).map(
      ([name, { metric, alignment }]) => [name, found[metric]![alignment]] as const,
    );
    return { scores: Object.fromEntries(scores), facts: { targetRows: target.length, targetLoss: found.targetLoss } };
  },
};
