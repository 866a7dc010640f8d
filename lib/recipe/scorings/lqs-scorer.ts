import { join } from 'node:path';
import { SequenceRater } from '../../model/sequence-rater.ts';
import { scoreRows } from '../../score/rater-scores.ts';
import { trainScorer } from '../../score/scorer.ts';
import { FILES, type RunContext } from '../context.ts';
import type { ScoringOf } from '../scoring-schema.ts';
import { TRAINING_FILES } from '../training.ts';
import { addWork, BACKWARD, FORWARD, workOf, type Work } from '../work.ts';
import type { ScoringCall } from './method.ts';

type Settings = NonNullable<ScoringOf<'lqs'>['scorer']>;

/** Training one scorer and rating the pool with it. */
export const scorerWork = ({ steps, batch }: Settings, poolRows: number): Work =>
  addWork(workOf(steps * batch, BACKWARD), workOf(poolRows, FORWARD));

/**
 * The pool's scores by scorers that have learnt those of the proxy rows, one for each scoring: the annotating model's
 * backbone with a mean over tokens and a scalar head (DELT, Dai et al. 2025).
 * @returns the pool's scores, and Spearman's correlation on so many held-out proxy rows; null where a scorer tells
 *   nothing apart
 */
export async function scoresByScorer(
  context: RunContext,
  options: {
    settings: Settings;
    proxy: Uint32Array;
    /** Of the proxy rows, by scoring. */
    scores: Record<string, Float64Array>;
    pool: Uint32Array;
    /** Keeps the scorers' checkpoints. */
    scratch: string;
    onProgress: ScoringCall<unknown>['onProgress'];
  },
): Promise<{ scores: Record<string, Float64Array>; spearman: Record<string, number | null>; heldOutRows: number }> {
  const { settings, proxy, pool, scratch, onProgress } = options;
  const { steps, batch, lr, heldOut } = settings;
  const { signal, recipe } = context;
  const samples = await context.samples();
  const scores: Record<string, Float64Array> = {};
  const correlations: Record<string, number | null> = {};
  let heldOutRows = 0; // the same for all: rows and seed decide it
  for (const [name, values] of Object.entries(options.scores)) {
    const rater = await SequenceRater.fromPretrained(context.path(FILES.pretrain, TRAINING_FILES.model), {
      backend: await context.backend(),
      rater: { causal: true, pooling: 'mean', bias: true },
      seed: recipe.seed,
      signal,
    });
    try {
      const trained = await trainScorer(rater, {
        samples,
        rows: proxy,
        scores: values,
        heldOut,
        seed: recipe.seed,
        steps,
        batchSize: batch,
        optimizer: { kind: 'adamw', lr, weightDecay: 0.01, clipNorm: 1 },
        checkpointDir: join(scratch, `scorer-${name}`),
        onStep: ({ step }) => onProgress(step, steps, 'steps'),
        signal,
      });
      correlations[name] = trained.spearman;
      heldOutRows = trained.heldOutRows;
      scores[name] = await scoreRows(rater, samples, pool, {
        batchSize: batch,
        signal,
        onProgress: ({ done, total }) => onProgress(done, total),
      });
    } finally {
      rater.dispose();
    }
  }
  return { scores, spearman: correlations, heldOutRows };
}
