import { checkInteger } from '../check.ts';
import type { Batch } from '../data/batch.ts';
import type { LanguageModel } from '../model/language-model.ts';
import { TargetGradient, type TargetOptions } from '../score/target-gradient.ts';
import type { Fingerprint } from '../train/fingerprint.ts';
import type { BatchFilter, Choice, StepContext } from '../train/hooks.ts';
import { greedyBatch } from './greedy-batch.ts';

export interface GreedyFilterOptions extends TargetOptions {
  /** Rows of the plan looked at in each step. */
  candidates: number;
  /** How many of them are trained on. */
  count: number;
}

/**
 * Trains each step on those of its candidates that `greedyBatch` chooses. Give it to `train` as `filter`. One pass over
 * the candidates gives their dot products with ∇J and their Gram matrix; the step's own pass over the chosen ones
 * follows, so a step costs about candidates/count + 1 plain ones, and ∇J every `refreshEvery` steps.
 */
export class GreedyFilter implements BatchFilter {
  readonly candidates: number;
  readonly fingerprint: Fingerprint;
  readonly #count: number;
  readonly #model: Pick<LanguageModel, 'perSample'>;
  readonly #target: TargetGradient;

  constructor(model: Pick<LanguageModel, 'gradient' | 'perSample' | 'vector'>, options: GreedyFilterOptions) {
    const { candidates, count, ...target } = options;
    this.candidates = checkInteger('candidates', candidates, 1);
    this.#count = checkInteger('count', count, 1, candidates);
    this.#model = model;
    this.#target = new TargetGradient(model, target, 'greedy');
    this.fingerprint = { ...this.#target.fingerprint, 'greedy count': count };
  }

  async choose(batch: Batch, context: StepContext): Promise<Choice> {
    await this.#target.refresh(context);
    const { dots, gram } = await this.#model.perSample(batch, {
      dots: [this.#target.vector],
      gram: true,
      signal: context.signal,
    });
    return greedyBatch({ dots: dots![0], gram: gram!, lr: context.lr, count: this.#count });
  }

  save(directory: string): Promise<void> {
    return this.#target.save(directory);
  }

  load(directory: string): Promise<void> {
    return this.#target.load(directory);
  }

  /** Frees the target gradient's memory. */
  dispose(): void {
    this.#target.dispose();
  }
}
