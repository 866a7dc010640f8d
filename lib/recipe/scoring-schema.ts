import { z } from 'zod';

const count = z.int().min(1);

/** The reverse sweep over a short SGD run that LQS and its variants are taken from. */
const lqs = z.strictObject({
  method: z.literal('lqs'),
  contribution: z
    .enum(['released', 'paper', 'pds'])
    .default('released')
    .describe('LQS as DELT’s program computes it, as its paper writes it, or the plain first-order value (PDS)'),
  steps: count.default(50).describe('T, steps of plain SGD'),
  batch: count.default(32).describe('rows a step, and a scoring batch'),
  lr: z.number().gt(0).default(0.01),
  interval: count.describe('the pool is scored at every interval-th step'),
  proxy: z
    .strictObject({ rows: count, interval: count.default(10) })
    .optional()
    .describe('further rows, scored at more steps, to see how far the pool’s cheaper scores agree with them'),
});

const perplexity = z.strictObject({
  method: z.literal('perplexity'),
  prefer: z
    .enum(['low', 'middle', 'high'])
    .default('low')
    .describe('which loss under the annotating model counts as good'),
  batch: count.default(32),
});

const column = z.strictObject({
  method: z.literal('column'),
  column: z.string().min(1).describe('a numeric column of the corpus'),
});

/** One way of scoring the pool. Scorings that differ in `contribution` alone share one sweep. */
export const scoringSchema = z.discriminatedUnion('method', [lqs, perplexity, column]);

export type ScoringRecipe = z.output<typeof scoringSchema>;
export type ScoringOf<Method extends ScoringRecipe['method']> = Extract<ScoringRecipe, { method: Method }>;

/** The sections of a recipe without which a method cannot score. */
export const SCORING_NEEDS: Record<ScoringRecipe['method'], ('pretrain' | 'target')[]> = {
  lqs: ['pretrain', 'target'],
  perplexity: ['pretrain'],
  column: [],
};
