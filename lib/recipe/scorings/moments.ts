import type { LanguageModel } from '../../model/language-model.ts';
import type { Optimizer } from '../../model/optimizer.ts';
import { estimateMoments } from '../../score/gradient.ts';
import type { RunContext } from '../context.ts';
import { batchesOf, cycle, trainingRows } from '../rows.ts';
import { BACKWARD, workOf, type Work } from '../work.ts';

/** Batches that the second moments of the Adam metric are estimated from. */
const MOMENT_BATCHES = 32;

export const momentsWork = (batch: number): Work => workOf(MOMENT_BATCHES * batch, BACKWARD);

/** Moments of AdamW at the annotating model, of rows that it has not seen; the caller disposes of them. */
export async function annotatorMoments(context: RunContext, model: LanguageModel, batch: number): Promise<Optimizer> {
  const { recipe, signal } = context;
  const samples = await context.samples();
  const { rest } = trainingRows(samples, recipe.pool.rows, recipe.seed);
  const seen = recipe.pretrain!.steps * recipe.pretrain!.batch;
  return estimateMoments(model, batchesOf(samples, cycle(rest, seen, MOMENT_BATCHES * batch), batch), { signal });
}
