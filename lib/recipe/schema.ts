import { z } from 'zod';
import { CORRUPTIONS } from '../data/corrupt.ts';
import { DEFAULT_LAYERS } from '../order/fold.ts';
import { ORDER_NAMES, orderProblem } from '../order/named.ts';
import { KEEPS, selectionProblem } from '../select/rule.ts';
import { recipeProblems } from './problems.ts';
import { scoringSchema } from './scoring-schema.ts';

const name = z.string().regex(/^[\w.-]+$/, 'letters, digits, dot, dash and underscore only');
const count = z.int().min(1);
const fraction = z.number().gt(0).max(1);

/** AdamW with linear warm-up and a cosine down to `finalLr` of the peak. */
const optimization = z.strictObject({
  steps: count.describe('optimizer steps'),
  batch: count.describe('rows a step'),
  lr: z.number().gt(0).describe('peak learning rate'),
  warmup: z.int().min(0).default(0).describe('steps of linear warm-up'),
  finalLr: z.number().min(0).max(1).default(0.1).describe('last learning rate as a fraction of the peak'),
  betas: z.tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)]).default([0.9, 0.95]),
  weightDecay: z.number().min(0).default(0),
  clipNorm: z.number().gt(0).default(1),
});

/** Split of the documents where nothing else is asked for. */
export const DEFAULT_SHARES = { train: 0.8, proxy: 0.05, target: 0.05, validation: 0.1 };

/** Noise where training and annotation would meet it; what judges them stays clean. */
const NOISY = { train: 0.3, proxy: 0.3 };
const share = z.number().min(0).max(1).optional();
const corrupt = z
  .strictObject({
    shares: z.strictObject({ train: share, proxy: share, target: share, validation: share }).default(NOISY),
    kinds: z
      .array(z.enum(CORRUPTIONS))
      .min(1)
      .default([...CORRUPTIONS]),
  })
  .optional()
  .describe('corrupt a share of the documents of each split, to see who finds them');

const corpus = z.discriminatedUnion('source', [
  z.strictObject({
    source: z.literal('demo'),
    corrupt,
    withDebian: z.boolean().default(false).describe('also read documentation packages of a Debian machine'),
    cacheDir: z.string().min(1).default('.cache').describe('where downloaded packages are kept'),
  }),
  z.strictObject({
    source: z.literal('files'),
    corrupt,
    cacheDir: z.string().min(1).default('.cache').describe('where texts of other languages are kept, to corrupt with'),
    files: z.array(z.string().min(1)).min(1).describe('JSONL (.gz), text or Parquet files, relative to the recipe'),
    textColumn: z.string().min(1).default('text'),
    idColumn: z.string().min(1).default('id'),
    onError: z.enum(['fail', 'skip']).default('fail'),
  }),
]);

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
  name,
  seed: z.int().min(0).max(0xffffffff).default(0),
  backend: z
    .strictObject({
      name: z.enum(['auto', 'reference', 'cpu', 'cuda']).default('auto'),
      threads: z.int().min(0).default(0).describe('0: all cores'),
      precision: z.enum(['f32', 'bf16']).default('f32'),
    })
    .prefault({}),
  corpus,
  tokenizer: z
    .strictObject({
      path: z.string().min(1).optional().describe('a Hugging Face tokenizer.json; trained on the corpus when absent'),
      vocabulary: z.int().min(257).default(4096).describe('size when trained'),
      mask: z.boolean().default(false).describe('with a mask token, which an encoder needs'),
    })
    .prefault({}),
  samples: z.strictObject({
    length: z.int().min(2).default(128).describe('tokens a row'),
    minTokens: z.int().min(2).optional().describe('shorter rows are left out; equal to length, all rows cost the same'),
    shares: z
      .strictObject({ train: fraction, proxy: fraction, target: fraction, validation: fraction })
      .default(DEFAULT_SHARES)
      .refine((x) => Math.abs(x.train + x.proxy + x.target + x.validation - 1) < 1e-9, 'the shares must add up to 1')
      .describe('split of the documents by a hash of their id'),
  }),
  model: z
    .looseObject({ model_type: z.enum(['llama', 'mistral', 'gpt2']) })
    .describe('a Hugging Face configuration; vocab_size comes from the tokenizer'),
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
export type Optimization = z.output<typeof optimization>;
