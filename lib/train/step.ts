import type { LanguageModel } from '../model/language-model.ts';
import type { ParameterVector } from '../model/parameter-vector.ts';
import type { BatchFilter, StepContext, StepObserver } from './hooks.ts';
import { narrow, type PlannedBatch } from './sample-loader.ts';

export interface StepHooks {
  filter?: BatchFilter;
  observer?: StepObserver;
}

/**
 * The gradient of one step's batch, into `gradient`, with what the hooks want of it: the filter chooses the samples
 * first, the observer's dot products come from the same pass as the gradient.
 * @returns the batch that was trained on, and its weighted mean loss
 */
export async function stepGradient(
  model: LanguageModel,
  planned: PlannedBatch,
  gradient: ParameterVector,
  { filter, observer }: StepHooks,
  context: StepContext,
): Promise<{ trained: PlannedBatch; loss: number }> {
  const { rows, weights } = planned;
  const trained = filter ? narrow(planned, await filter.choose(planned.batch, { ...context, rows, weights })) : planned;
  const directions = await observer?.directions(context);
  const { losses, dots } = await model.perSample(trained.batch, {
    weights: trained.weights,
    into: gradient,
    dots: directions,
    signal: context.signal,
  });
  const { step, lr } = context;
  observer?.observe({ step, lr, rows: trained.rows, weights: trained.weights, losses, dots: dots ?? [] });
  return { trained, loss: losses.reduce((sum, loss, i) => sum + trained.weights[i] * loss, 0) };
}
