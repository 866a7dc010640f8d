import { z } from 'zod';
import { backend, corpus, count, fraction, name, optimization, samples, seed, tokenizer } from '../common-schema.ts';

const domain = z.string().min(1);
const byDomain = z.record(domain, z.number().gt(0));
const seeds = z.array(z.int().min(0)).min(1).max(20);
const change = z.number().gt(1).nullable().default(3);

const fields = z.strictObject({
  method: z.literal('autoscale'),
  name,
  seed,
  backend,
  corpus,
  tokenizer,
  samples,
  model: z
    .looseObject({ model_type: z.enum(['llama', 'mistral', 'gpt2', 'bert']) })
    .describe('a Hugging Face configuration; vocab_size comes from the tokenizer'),
  maskShare: fraction.default(0.15).describe('share of the tokens that bert has to predict'),
  domains: z.array(domain).min(2).describe('the domains to mix'),
  train: optimization
    .omit({ steps: true, warmup: true })
    .extend({ warmup: z.number().min(0).max(1).default(0.1).describe('share of the steps with linear warm-up') }),
  scales: z
    .strictObject({
      small: z.array(count).min(2).describe('rows of the base run at each scale that is searched'),
      target: count.describe('rows of the training that the mixture is for'),
      searchTarget: z.boolean().default(true).describe('search the target too, to see what the prediction missed'),
    })
    .refine(({ small, target }) => small.every((rows, i) => rows < (small[i + 1] ?? target)), 'must ascend'),
  search: z
    .strictObject({
      base: byDomain.optional().describe('weights of the base run; equal when absent'),
      up: change.describe('factor by which each domain is increased; null: it is not'),
      down: change.describe('factor by which each domain is reduced; null: it is not, the cheaper form'),
      floor: z.number().min(0).default(0.2).describe('least quantity of a domain, relative to the base run'),
      seeds: seeds.default([0]),
    })
    .refine(({ up, down }) => up !== null || down !== null, 'give up, down or both')
    .prefault({}),
  measure: z
    .strictObject({
      rowsPerDomain: count.default(256),
      batch: count.default(32),
      weights: byDomain.optional().describe('of the domains in the average that is to fall; equal when absent'),
    })
    .prefault({}),
  compare: z
    .strictObject({
      seeds: seeds.default([0, 1, 2]),
      rowsPerDomain: count.default(512).describe('validation rows of each domain'),
      regression: z
        .strictObject({
          rows: count.optional().describe('of each small run; those of the smallest scale when absent'),
          runs: count.optional().describe('small runs; as many as the search at the small scales pays for when absent'),
          form: z.enum(['linear', 'log-linear']).default('log-linear'),
        })
        .prefault({}),
    })
    .prefault({}),
  processes: count.default(1).describe('trainings at the same time, each in a process of its own'),
  checkpointEvery: count.default(100).describe('steps'),
});

/** A recipe of AutoScale. Unknown keys are errors, and so are weights that miss a domain or name another. */
export const autoscaleSchema = fields.superRefine(({ domains, search, measure, model, tokenizer }, context) => {
  const given = { 'search.base': search.base, 'measure.weights': measure.weights };
  for (const [key, weights] of Object.entries(given)) {
    if (!weights) continue;
    const wrong = [
      ...domains.filter((each) => !Object.hasOwn(weights, each)),
      ...Object.keys(weights).filter((each) => !domains.includes(each)),
    ];
    const message = `must name the domains ${domains.join(', ')}; wrong: ${wrong.join(', ')}`;
    if (wrong.length > 0) context.addIssue({ code: 'custom', path: key.split('.'), message });
  }
  if (new Set(domains).size < domains.length)
    context.addIssue({ code: 'custom', path: ['domains'], message: 'each domain once' });
  if (model.model_type === 'bert' && !tokenizer.mask)
    context.addIssue({ code: 'custom', path: ['tokenizer'], message: 'bert needs a mask token: add "mask: true"' });
});

/** A recipe with every default filled in. */
export type AutoscaleRecipe = z.output<typeof fields>;
