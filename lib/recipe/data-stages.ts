import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { writeCorpus, type Corpus, type CorpusDocument } from '../data/corpus.ts';
import { corruptDocuments } from '../data/corrupt.ts';
import { demoCorpus, type DemoCorpusOptions } from '../data/demo-corpus.ts';
import { readDocuments } from '../data/readers.ts';
import { SPLITS, splitOf, tokenizeCorpus, writeSamples } from '../data/samples.ts';
import { loadTokenizer, trainTokenizer } from '../data/tokenizer.ts';
import { randomPermutation, streamOf } from '../random.ts';
import { FILES, type RunContext } from './context.ts';
import type { BaseRecipe } from './method.ts';
import type { Recipe } from './schema.ts';
import type { Stage } from './stage.ts';

/** Characters of text that a tokenizer is trained on: more change its merges little and cost seconds. */
const TOKENIZER_CHARACTERS = 6_000_000;

/** What documents and token rows are made from. */
export type DataRecipe = BaseRecipe & Pick<Recipe, 'corpus' | 'tokenizer' | 'samples'>;

/** From documents to token rows: the stages corpus, tokenizer and samples. */
export async function dataStages(context: RunContext<DataRecipe>): Promise<Stage<RunContext<DataRecipe>>[]> {
  const { recipe, limit } = context;
  const { corpus, samples } = recipe;
  const given = recipe.tokenizer.path === undefined ? undefined : resolve(context.recipeDir, recipe.tokenizer.path);
  const files = corpus.source === 'files' ? corpus.files.map((file) => resolve(context.recipeDir, file)) : [];
  return [
    {
      name: 'corpus',
      inputs: [],
      outputs: [FILES.corpus],
      config: {
        source: { ...corpus, cacheDir: undefined },
        // What is corrupted depends on the split that a document falls into.
        ...(corpus.corrupt && { seed: recipe.seed, shares: samples.shares }),
        files: await Promise.all(files.map(fileDigest)),
        limit: limit ?? null,
      },
      async run({ signal, note }, progress) {
        const documents =
          corpus.source === 'files'
            ? readDocuments(files, { ...corpus, limit, signal, onSkip: note })
            : demoDocuments({ ...corpus, cacheDir: resolve(corpus.cacheDir), signal, onProgress: note }, limit);
        const { corrupt, cacheDir } = corpus;
        const noisy = corrupt
          ? corruptDocuments(documents, {
              ...corrupt,
              seed: recipe.seed,
              fractions: samples.shares,
              cacheDir: resolve(cacheDir),
              signal,
              onProgress: note,
            })
          : documents;
        const counted = counting(noisy, progress);
        return { ...(await writeCorpus(context.path(FILES.corpus), counted, { signal })) };
      },
    },
    {
      name: 'tokenizer',
      inputs: ['corpus'],
      outputs: [FILES.tokenizer],
      config: {
        vocabulary: recipe.tokenizer.vocabulary,
        given: given ? await fileDigest(given) : null,
        ...(recipe.tokenizer.mask && { mask: true }),
        seed: recipe.seed,
        shares: samples.shares,
      },
      async run({ signal }, progress) {
        const { vocabulary, mask } = recipe.tokenizer;
        const tokenizer = given
          ? await loadTokenizer(given, { mask })
          : trainTokenizer(trainingTexts(await context.corpus(), recipe.seed, samples.shares), {
              vocabularySize: vocabulary,
              mask,
              signal,
              onProgress: (share) => progress(Math.round(100 * share), 100, '%'),
            });
        await tokenizer.save(context.path(FILES.tokenizer));
        return { vocabulary: tokenizer.vocabularySize };
      },
    },
    {
      name: 'samples',
      inputs: ['corpus', 'tokenizer'],
      outputs: [FILES.samples],
      config: { samples, seed: recipe.seed },
      async run({ signal }, progress) {
        const rows = await tokenizeCorpus(await context.corpus(), await loadTokenizer(context.path(FILES.tokenizer)), {
          length: samples.length,
          minTokens: samples.minTokens,
          fractions: samples.shares,
          seed: recipe.seed,
          signal,
          onProgress: ({ documents, documentsTotal }) => progress(documents, documentsTotal, 'documents'),
        });
        await writeSamples(context.path(FILES.samples), rows);
        const splits = SPLITS.map((split) => [`${split} rows`, rows.rows(split).length]);
        return { rows: rows.count, ...(Object.fromEntries(splits) as Record<string, number>) };
      },
    },
  ];
}

/** Texts of the training split in an order drawn by the seed, up to TOKENIZER_CHARACTERS. */
export function* trainingTexts(corpus: Corpus, seed: number, shares: Parameters<typeof splitOf>[2]): Generator<string> {
  let characters = 0;
  for (const i of randomPermutation(corpus.count, seed, streamOf('tokenizer'))) {
    if (characters >= TOKENIZER_CHARACTERS) return;
    if (splitOf(corpus.origin(i), seed, shares) !== 'train') continue;
    const text = corpus.text(i);
    characters += text.length;
    yield text;
  }
}

function demoDocuments(options: DemoCorpusOptions, limit: number | undefined): AsyncIterable<CorpusDocument> {
  const documents = demoCorpus(options);
  return limit === undefined ? documents : takeEvenly(documents, limit);
}

/** `limit` documents spread evenly over all of them: the first ones would all be of the first source. */
export async function* takeEvenly(
  documents: AsyncIterable<CorpusDocument>,
  limit: number,
): AsyncGenerator<CorpusDocument> {
  const all: CorpusDocument[] = [];
  for await (const document of documents) all.push(document);
  const stride = Math.max(1, all.length / limit);
  for (let i = 0; i < Math.min(limit, all.length); i++) yield all[Math.floor(i * stride)];
}

async function* counting(
  documents: AsyncIterable<CorpusDocument>,
  progress: (done: number, total: number, unit: string) => void,
): AsyncGenerator<CorpusDocument> {
  let done = 0;
  for await (const document of documents) {
    if (++done % 256 === 0) progress(done, 0, 'documents');
    yield document;
  }
}

/** SHA-256 of a file's content. */
async function fileDigest(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
