import { z } from 'zod';
import { DEFAULT_LAYERS } from '../order/fold.ts';
import { ORDER_NAMES, orderProblem } from '../order/named.ts';
import { KEEPS, selectionProblem } from '../select/rule.ts';
import {
  backend,
  corpus,
  count,
  fraction,
  model,
  name,
  optimization,
  samples,
  seed,
  tokenizer,
} from './common-schema.ts';
import { recipeProblems } from './problems.ts';
import { scoringSchema } from './scoring-schema.ts';

const select = z
  .strictObject({
    topRatio: fraction.optional().describe('share of the rows to keep'),
    topK: count.optional().describe('rows to keep'),
    above: z.number().optional().describe('keep scores strictly above'),
    below: z.number().optional().describe('keep scores strictly below'),
    keep: z.enum(KEEPS).optional().describe('part of the sorted scores that topRatio and topK keep; high when absent'),
    perDomain: z.boolean().optional().describe('select within each domain'),
    temperature: z.number().min(0).optional().describe('of Gumbel noise on the scores; none when absent'),
  })
  .superRefine((selection, context) => addProblem(context, selectionProblem(selection)));

const ordering = z
  .strictObject({
    order: z.enum(ORDER_NAMES),
    layers: count.default(DEFAULT_LAYERS).describe('layers of a fold or zigzag'),
    window: count.optional().describe('rows of a window of jitter'),
    segments: count.optional().describe('number of segments'),
  })
  .superRefine((given, context) => addProblem(context, orderProblem(given.order, given)));
/** An order by its name alone. */
const shortOrdering = z
  .enum(ORDER_NAMES)
  .transform((order) => ({ order }))
  .pipe(ordering);

const plan = ordering
  .safeExtend({
    score: name
      .optional()
      .describe('the scoring that it selects and orders by; none is needed for a random order of all rows'),
    select: select.optional().describe('which rows of the pool to keep; all of them when absent'),
  })
  .describe('a training order over the pool');

const grid = z
  .strictObject({
    score: z.array(name).min(1),
    select: z
      .array(z.union([z.literal('all'), select]))
      .min(1)
      .default(['all']),
    order: z.array(z.union([shortOrdering, ordering])).min(1),
  })
  .describe('every scoring with every selection and every order, as one plan each');

function addProblem(context: z.RefinementCtx, message: string | undefined): void {
  if (message) context.addIssue({ code: 'custom', message });
}

const fields = z.strictObject({
  method: z.literal('plans').default('plans'),
  name,
  seed,
  backend,
  corpus,
  tokenizer,
  samples,
  model,
  pretrain: optimization.optional().describe('the small model that scores'),
  target: z
    .strictObject({ domain: z.string().min(1).optional(), label: z.string().min(1).optional(), rows: count })
    .optional()
    .describe('the rows whose loss training should lower, of the target split'),
  pool: z.strictObject({ rows: count }).describe('the rows of the training split that plans are made of'),
  scores: z.record(name, scoringSchema).default({}).describe('the scorings of the pool, by name'),
  quality: z
    .strictObject({
      column: z.string().min(1).default('label'),
      positive: z.string().min(1).describe('the value that a good score puts above every other'),
      groups: z.string().min(1).optional().describe('a column to divide the others by'),
    })
    .optional()
    .describe('a column of the corpus, shown to no method, to judge scores by'),
  explain: z
    .strictObject({
      scores: z.array(name).min(1).describe('scorings, a page for each'),
      folds: count.min(2).default(10).describe('of the cross-validation, by document'),
      shown: count.default(6).describe('documents at each end'),
    })
    .optional()
    .describe('what scores have to do with the text: heuristics, domains, extreme documents'),
  plans: z.record(name, plan).default({}).describe('training orders by name; the first one is the baseline'),
  grid: z.array(grid).default([]).describe('more plans, as products'),
  train: optimization.extend({ seeds: z.array(z.int().min(0)).min(1).max(20) }),
  evaluate: z
    .strictObject({
      rowsPerDomain: count.default(256).describe('validation rows of each domain'),
      batch: count.default(32),
      curve: z
        .strictObject({ every: count, rowsPerDomain: count })
        .optional()
        .describe('validation loss along training, on fewer rows'),
    })
    .prefault({}),
});

/** Everything a run depends on. Unknown keys are errors, and so are plans and scorings that lack what they need. */
export const recipeSchema = fields.superRefine((recipe, context) => {
  for (const { path, message } of recipeProblems(recipe)) context.addIssue({ code: 'custom', path, message });
});

/** A recipe with every default filled in. */
export type Recipe = z.output<typeof fields>;
export type PlanRecipe = Recipe['plans'][string];
export type GridRecipe = Recipe['grid'][number];
export { DEFAULT_SHARES, type Optimization } from './common-schema.ts';
