import { z } from 'zod';
import { ROW_FEATURES } from '../model/row-features.ts';
import { TEXT_FEATURES } from '../score/text-features.ts';
import { SAME_AS_INNER } from '../weight/data-rater/row-sets.ts';
import { PREFERENCES } from './scorings/prefer.ts';

const count = z.int().min(1);

/** The reverse sweep over a short SGD run that LQS and its variants are taken from. */
const lqs = z.strictObject({
  method: z.literal('lqs'),
  contribution: z
    .enum(['released', 'paper', 'pds'])
    .default('released')
    .describe('LQS as DELT’s program computes it, as its paper writes it, or the plain first-order value (PDS)'),
  metric: z.enum(['plain', 'adam']).default('plain').describe('what gradients are held against λ in: of SGD, or AdamW'),
  steps: count.default(50).describe('T, steps of plain SGD'),
  batch: count.default(32).describe('rows a step, and a scoring batch'),
  lr: z.number().gt(0).default(0.01),
  interval: count.optional().describe('the pool is scored at every interval-th step; not with a scorer'),
  proxy: z
    .strictObject({ rows: count, interval: count.default(10) })
    .optional()
    .describe('further rows, scored at more steps: what a scorer learns from, or a check of the pool’s cheaper scores'),
  scorer: z
    .strictObject({
      steps: count.describe('optimizer steps'),
      batch: count.default(32).describe('rows a step'),
      lr: z.number().gt(0).default(1e-3).describe('peak learning rate'),
      heldOut: z.number().gt(0).lt(1).default(0.1).describe('share of the proxy rows that picks the checkpoint'),
    })
    .optional()
    .describe('a rater, from the annotating model’s backbone, that learns the proxy scores and gives them to the pool'),
});

/** For quantities that are not scores by themselves. */
const prefer = z.enum(PREFERENCES).describe('which values count as good');

const perplexity = z.strictObject({
  method: z.literal('perplexity'),
  prefer: prefer.default('low'),
  batch: count.default(32).describe('rows a pass'),
});

const gradient = z.strictObject({
  method: z.literal('gradient'),
  metric: z.enum(['plain', 'adam']).default('plain').describe('of the optimizer: SGD, or AdamW'),
  alignment: z.enum(['dot', 'cosine']).default('dot'),
  batch: count.default(32).describe('rows a pass'),
});

const inRun = z.strictObject({
  method: z.literal('in_run'),
  metric: z.enum(['plain', 'adam']).default('plain').describe('of the optimizer: SGD, or AdamW'),
  passes: count.default(1).describe('passes over the pool'),
  targetRows: count.default(4).describe('target rows that each gradient of the target is taken over'),
  refreshEvery: count.default(2).describe('steps from one gradient of the target to the next'),
});

const ngram = z.strictObject({
  method: z.literal('ngram'),
  arpa: z.string().min(1).describe('a model as an ARPA file, plain, .gz or .zst, relative to the recipe'),
  lowercase: z.boolean().default(false).describe('lower-case the texts first'),
  prefer: prefer.default('low'),
});

const datarater = z.strictObject({
  method: z.literal('datarater'),
  steps: count.default(350).describe('meta-steps'),
  batch: count.default(32).describe('rows of an inner step'),
  targetBatch: count.default(64).describe('target rows of a meta-gradient'),
  window: count.default(2).describe('T, inner steps that are differentiated through'),
  temperature: z.number().gt(0).default(1).describe('of the weights, a softmax of the scores'),
  population: count.default(4).describe('inner models'),
  modelsPerStep: count.default(1).describe('inner models that a meta-step takes, in turn'),
  life: count.default(60).describe('inner steps of an inner model before it begins anew'),
  rated: z
    .union([z.number().gt(0).lt(1), z.literal(SAME_AS_INNER)])
    .default(0.5)
    .describe('share of the rows that are rated, and kept from beginnings; inner: all are rated and trained on alike'),
  ages: z.array(count).min(1).default([200, 400, 600]).describe('steps of plain training, where inner models begin'),
  startLr: z.number().gt(0).default(3e-3).describe('learning rate of that plain training'),
  innerLr: z.number().gt(0).default(1e-3).describe('learning rate of inner steps'),
  lr: z.number().gt(0).default(3e-3).describe('peak learning rate of the rater'),
  warmup: z.int().min(0).default(0).describe('meta-steps of linear warm-up'),
  finalLr: z.number().min(0).max(1).default(0.1).describe('last learning rate as a fraction of the peak'),
  weightDecay: z.number().min(0).default(0).describe('decoupled weight decay of the rater'),
  normalize: z.boolean().default(true).describe('whether each meta-gradient is scaled to norm 1'),
  clipNorm: z.number().gt(0).optional().describe('norm above which meta-gradients are scaled down, after that'),
  sharedOptimizer: z.boolean().default(false).describe('one Adam for all inner models instead of one each'),
  firstOrder: z.boolean().default(false).describe('leave the Hessian products out, for comparison'),
  backbone: z
    .enum(['fresh', 'inner'])
    .default('fresh')
    .describe('what the rater begins as: fresh parameters, or the oldest beginning of the inner models'),
  causal: z.boolean().default(false).describe('whether a token of the rater sees those before it only'),
  features: z
    .array(z.enum(ROW_FEATURES))
    .default([])
    .describe(
      'numbers of a row with weights of their own in its score; loss and order_gain are under the oldest beginning',
    ),
});

const text = z.strictObject({
  method: z.literal('text'),
  feature: z.enum(Object.keys(TEXT_FEATURES)),
  prefer: prefer.default('high'),
});

const column = z.strictObject({
  method: z.literal('column'),
  column: z.string().min(1).describe('a numeric column of the corpus'),
  missing: z.number().optional().describe('the value of a document without one; an error when absent'),
  prefer: prefer.default('high'),
});

const combine = z.strictObject({
  method: z.literal('combine'),
  of: z
    .record(z.string(), z.number())
    .refine((x) => Object.keys(x).length > 0, 'at least one scoring')
    .describe('weights of other scorings, each brought to mean 0 and deviation 1'),
});

/** One way of scoring the pool. Scorings that differ in `contribution` and `metric` alone share one sweep. */
export const scoringSchema = z.discriminatedUnion('method', [
  lqs,
  gradient,
  inRun,
  perplexity,
  ngram,
  datarater,
  text,
  column,
  combine,
]);

export type ScoringRecipe = z.output<typeof scoringSchema>;
export type ScoringOf<Method extends ScoringRecipe['method']> = Extract<ScoringRecipe, { method: Method }>;

/** The sections of a recipe without which a method cannot score, or which it makes models from. */
export const SCORING_NEEDS: Record<ScoringRecipe['method'], ('pretrain' | 'target' | 'model')[]> = {
  lqs: ['pretrain', 'target'],
  perplexity: ['pretrain'],
  gradient: ['pretrain', 'target'],
  in_run: ['pretrain', 'target'],
  ngram: [],
  datarater: ['target', 'model'],
  text: [],
  column: [],
  combine: [],
};
