import { z } from 'zod';
import { backend, corpus, count, model, name, optimization, seed, tokenizer } from '../common-schema.ts';
import { cooldownSteps } from '../../train/cooldown.ts';

/** How a training uses metadata. */
export const ARMS = ['standard', 'meco', 'mixed', 'metadata-only'] as const;

/** Warm-up where the recipe does not say: this share of the steps. */
const WARMUP_SHARE = 0.05;

const fields = z.strictObject({
  method: z.literal('meco'),
  name,
  seed,
  backend,
  corpus,
  tokenizer,
  rows: z
    .strictObject({
      length: z.int().min(8).default(128).describe('tokens a row'),
      strategy: z.enum(['pack', 'pack-complete', 'best-fit']).default('best-fit').describe('how documents become rows'),
      validation: z.number().gt(0).lt(1).default(0.1).describe('share of the documents held out'),
    })
    .prefault({}),
  metadata: z
    .strictObject({
      form: z
        .enum(['url', 'host', 'registrable-domain', 'suffix', 'hash', 'uuid', 'top-hosts'])
        .default('host')
        .describe('what is put before a document, made of its URL'),
      prefix: z.string().default('URL: '),
      suffix: z.string().default('\n\n'),
      missing: z
        .enum(['drop-prefix', 'unknown', 'fail'])
        .default('drop-prefix')
        .describe('for documents without a URL'),
    })
    .prefault({}),
  cooldown: z.number().gt(0).lt(1).default(0.1).describe('share of the steps on plain rows'),
  arms: z
    .array(z.enum(ARMS))
    .default([...ARMS])
    .refine((arms) => arms[0] === 'standard' && new Set(arms).size === arms.length, 'standard first, each once')
    .describe('the first one is the baseline'),
  model,
  train: optimization.extend({
    seeds: z.array(z.int().min(0)).min(1).max(20),
    warmup: z.int().min(0).optional().describe('steps of linear warm-up; default 5 % of them'),
    weightDecay: z.number().min(0).default(0.033),
  }),
  evaluate: z
    .strictObject({
      rows: count.default(1024).describe('rows of held-out documents'),
      batch: count.default(32),
      hosts: z.int().min(0).default(2).describe('most frequent metadata that are groups of their own'),
      common: count.default(10).describe('training documents from which on other metadata count as common'),
      questions: z
        .strictObject({
          count: count.default(500),
          choices: z.int().min(2).default(4),
          passageWords: count.default(24),
          continuationWords: count.default(8),
        })
        .prefault({}),
      prompt: z.string().default('This package').describe('what the samples of the page begin with'),
    })
    .prefault({}),
});

/** A recipe that trains with and without metadata at equal tokens. */
export const mecoSchema = fields
  .refine(({ train, cooldown }) => bothStages(train.steps, cooldown), {
    path: ['cooldown'],
    message: 'leaves one of the two stages without a step',
  })
  .transform((recipe) => ({
    ...recipe,
    train: { ...recipe.train, warmup: recipe.train.warmup ?? Math.round(WARMUP_SHARE * recipe.train.steps) },
  }));

function bothStages(steps: number, cooldown: number): boolean {
  try {
    return cooldownSteps(steps, cooldown) > 0;
  } catch {
    return false;
  }
}

export type MecoRecipe = z.output<typeof mecoSchema>;
export type Arm = (typeof ARMS)[number];
