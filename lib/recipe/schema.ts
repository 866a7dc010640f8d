import { z } from 'zod';
import { DEFAULT_LAYERS } from '../order/fold.ts';
import { ORDER_NAMES, orderProblem } from '../order/named.ts';
import { KEEPS, selectionProblem } from '../select/rule.ts';

const count = z.int().min(1);
const fraction = z.number().gt(0).max(1);

/** AdamW with linear warm-up and a cosine down to `finalLr` of the peak. */
const optimization = {
  steps: count.describe('optimizer steps'),
  batch: count.describe('rows a step'),
  lr: z.number().gt(0).describe('peak learning rate'),
  warmup: z.int().min(0).default(0).describe('steps of linear warm-up'),
  finalLr: z.number().min(0).max(1).default(0.1).describe('last learning rate as a fraction of the peak'),
  betas: z.tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)]).default([0.9, 0.95]),
  weightDecay: z.number().min(0).default(0),
  clipNorm: z.number().gt(0).default(1),
};

/** Split of the documents where nothing else is asked for. */
export const DEFAULT_SHARES = { train: 0.8, proxy: 0.05, target: 0.05, validation: 0.1 };

const corpus = z.discriminatedUnion('source', [
  z.strictObject({
    source: z.literal('demo'),
    withDebian: z.boolean().default(false).describe('also read documentation packages of a Debian machine'),
    cacheDir: z.string().min(1).default('.cache').describe('where downloaded packages are kept'),
  }),
  z.strictObject({
    source: z.literal('files'),
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

const plan = z
  .strictObject({
    select: select.optional().describe('which rows of the pool to keep; all of them when absent'),
    order: z.enum(ORDER_NAMES),
    layers: count.default(DEFAULT_LAYERS).describe('layers of a fold or zigzag'),
    window: count.optional().describe('rows of a window of jitter'),
    segments: count.optional().describe('number of segments'),
  })
  .superRefine((plan, context) => addProblem(context, orderProblem(plan.order, plan)))
  .describe('a training order over the pool');

function addProblem(context: z.RefinementCtx, message: string | undefined): void {
  if (message) context.addIssue({ code: 'custom', message });
}

/** Everything a run depends on. Unknown keys are errors. */
export const recipeSchema = z.strictObject({
  name: z.string().regex(/^[\w.-]+$/, 'letters, digits, dot, dash and underscore only'),
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
  pretrain: z.strictObject(optimization).describe('the small model that annotates'),
  score: z.strictObject({
    contribution: z.enum(['released', 'paper', 'pds']).default('released'),
    steps: count.default(50).describe('T, steps of plain SGD'),
    batch: count.default(32).describe('rows a step of the annotation run, and a scoring batch'),
    lr: z.number().gt(0).default(0.01),
    proxy: z
      .strictObject({ rows: count, interval: count.default(10) })
      .describe('the set that is annotated at every interval-th step'),
    target: z
      .strictObject({ domain: z.string().min(1), rows: count })
      .describe('the rows whose loss the scores speak about'),
    pool: z
      .strictObject({ rows: count, interval: count })
      .describe('the training pool, scored in the same sweep at fewer steps'),
  }),
  plans: z
    .record(z.string().regex(/^[\w.-]+$/), plan)
    .refine((x) => Object.keys(x).length >= 1, 'at least one plan')
    .describe('the first one is the baseline'),
  train: z.strictObject({ ...optimization, seeds: z.array(z.int().min(0)).min(1) }),
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

/** A recipe with every default filled in. */
export type Recipe = z.output<typeof recipeSchema>;
export type PlanRecipe = Recipe['plans'][string];
export type Optimization = Recipe['pretrain'];
