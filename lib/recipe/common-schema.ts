// The sections that recipes of every method share.
import { z } from 'zod';
import { CORRUPTIONS } from '../data/corrupt.ts';

export const name = z.string().regex(/^[\w.-]+$/, 'letters, digits, dot, dash and underscore only');
export const seed = z.int().min(0).max(0xffffffff).default(0);
export const count = z.int().min(1);
export const fraction = z.number().gt(0).max(1);

/** AdamW with linear warm-up and a cosine down to `finalLr` of the peak. */
export const optimization = z.strictObject({
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
    pieces: z
      .strictObject({
        characters: count.describe('at most'),
        minCharacters: count.optional().describe('shorter pieces are left out; half of characters when absent'),
        perDocument: count.optional().describe('only so many of a document; all when absent'),
      })
      .optional()
      .describe('cut documents into pieces first, so that each piece is corrupted or not'),
  })
  .optional()
  .describe('corrupt a share of the documents of each split, to see who finds them');

export const corpus = z.discriminatedUnion('source', [
  z.strictObject({
    source: z.literal('demo'),
    corrupt,
    withDebian: z.boolean().default(false).describe('also read documentation packages of a Debian machine'),
    cacheDir: z.string().min(1).default('.cache').describe('where downloaded packages are kept'),
  }),
  z.strictObject({
    source: z
      .literal('packages')
      .describe('package descriptions with their homepages; elsewhere than on Debian as demo'),
    corrupt,
    cacheDir: z.string().min(1).default('.cache').describe('where package lists are kept'),
    documents: count.optional().describe('at most so many, spread evenly over all; default: all'),
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

export const backend = z
  .strictObject({
    name: z.enum(['auto', 'reference', 'cpu', 'cuda']).default('auto'),
    threads: z.int().min(0).default(0).describe('0: all cores'),
    precision: z.enum(['f32', 'bf16']).default('f32'),
    recompute: z.boolean().default(false).describe('activations computed again, not kept'),
  })
  .prefault({});

export const tokenizer = z
  .strictObject({
    path: z.string().min(1).optional().describe('a Hugging Face tokenizer.json; trained on the corpus when absent'),
    vocabulary: z.int().min(257).default(4096).describe('size when trained'),
    mask: z.boolean().default(false).describe('with a mask token, which an encoder needs'),
  })
  .prefault({});

export const samples = z.strictObject({
  length: z.int().min(2).default(128).describe('tokens a row'),
  minTokens: z.int().min(2).optional().describe('shorter rows are left out; equal to length, all rows cost the same'),
  shares: z
    .strictObject({ train: fraction, proxy: fraction, target: fraction, validation: fraction })
    .default(DEFAULT_SHARES)
    .refine((x) => Math.abs(x.train + x.proxy + x.target + x.validation - 1) < 1e-9, 'the shares must add up to 1')
    .describe('split of the documents by a hash of their id'),
});

export const model = z
  .looseObject({ model_type: z.enum(['llama', 'mistral', 'gpt2']) })
  .describe('a Hugging Face configuration; vocab_size comes from the tokenizer');

export type Optimization = z.output<typeof optimization>;
