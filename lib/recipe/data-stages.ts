import { resolve } from 'node:path';
import { writeCorpus, type Corpus, type CorpusDocument } from '../data/corpus.ts';
import { corruptDocuments } from '../data/corrupt.ts';
import { demoCorpus, type DemoCorpusOptions } from '../data/demo-corpus.ts';
import { readDocuments } from '../data/readers.ts';
import { SPLITS, splitOf, tokenizeCorpus, writeSamples } from '../data/samples.ts';
import { loadTokenizer, trainTokenizer } from '../data/tokenizer.ts';
import { GradfoldError } from '../errors.ts';
import { randomPermutation, streamOf } from '../random.ts';
import { FILES, type RunContext } from './context.ts';
import { fileDigest } from './file-digest.ts';
import type { BaseRecipe } from './method.ts';
import type { Recipe } from './schema.ts';
import type { Stage } from './stage.ts';

/** Characters of text that a tokenizer is trained on: more change its merges little and cost seconds. */
const TOKENIZER_CHARACTERS = 6_000_000;

/** What documents and token rows are made from. */
export type DataRecipe = BaseRecipe & Pick<Recipe, 'corpus' | 'tokenizer' | 'samples'>;

/** Expected shares of documents by split. */
export type Shares = Recipe['samples']['shares'];
/** A step of a run over documents. */
type DataStage<R extends BaseRecipe> = Stage<RunContext<R>>;
type CorpusRecipe = BaseRecipe & Pick<Recipe, 'corpus' | 'tokenizer'>;

/** From documents to token rows: the stages corpus, tokenizer and samples. */
export async function dataStages(context: RunContext<DataRecipe>): Promise<DataStage<DataRecipe>[]> {
  const { shares } = context.recipe.samples;
  return [await corpusStage(context, shares), await tokenizerStage(context, shares), samplesStage(context)];
}

/** @param shares of the splits that documents will be divided into */
export async function corpusStage(context: RunContext<CorpusRecipe>, shares: Shares): Promise<DataStage<CorpusRecipe>> {
  const { recipe, limit } = context;
  const { corpus } = recipe;
  const files = corpus.source === 'files' ? corpus.files.map((file) => context.recipePath(file)) : [];
  return {
    name: 'corpus',
    inputs: [],
    outputs: [FILES.corpus],
    config: {
      source: { ...corpus, cacheDir: undefined },
      // What is corrupted depends on the split that a document falls into.
      ...(corpus.corrupt && { seed: recipe.seed, shares }),
      files: await Promise.all(files.map(fileDigest)),
      limit: limit ?? null,
    },
    async run(context, progress) {
      const { signal, note } = context;
      const { corrupt, cacheDir } = corpus;
      const fetched = { cacheDir: resolve(cacheDir), signal, onProgress: note };
      const documents = documentsOf(corpus, files, { ...fetched, note, limit });
      const noisy = corrupt
        ? corruptDocuments(documents, { ...fetched, ...corrupt, seed: recipe.seed, fractions: shares })
        : documents;
      return { ...(await writeCorpus(context.path(FILES.corpus), counting(noisy, progress), { signal })) };
    },
  };
}

/** @param shares of the splits; the tokenizer learns from the training split */
export async function tokenizerStage(
  context: RunContext<CorpusRecipe>,
  shares: Shares,
): Promise<DataStage<CorpusRecipe>> {
  const { recipe } = context;
  const given = recipe.tokenizer.path === undefined ? undefined : context.recipePath(recipe.tokenizer.path);
  return {
    name: 'tokenizer',
    inputs: ['corpus'],
    outputs: [FILES.tokenizer],
    config: {
      vocabulary: recipe.tokenizer.vocabulary,
      given: given ? await fileDigest(given) : null,
      ...(recipe.tokenizer.mask && { mask: true }),
      seed: recipe.seed,
      shares,
    },
    async run(context, progress) {
      const { vocabulary, mask } = recipe.tokenizer;
      const tokenizer = given
        ? await loadTokenizer(given, { mask })
        : trainTokenizer(trainingTexts(await context.corpus(), recipe.seed, shares), {
            vocabularySize: vocabulary,
            mask,
            signal: context.signal,
            onProgress: (share) => progress(Math.round(100 * share), 100, '%'),
          });
      await tokenizer.save(context.path(FILES.tokenizer));
      return { vocabulary: tokenizer.vocabularySize };
    },
  };
}

function samplesStage({ recipe }: RunContext<DataRecipe>): DataStage<DataRecipe> {
  const { samples, seed } = recipe;
  return {
    name: 'samples',
    inputs: ['corpus', 'tokenizer'],
    outputs: [FILES.samples],
    config: { samples, seed },
    async run(context, progress) {
      const rows = await tokenizeCorpus(await context.corpus(), await loadTokenizer(context.path(FILES.tokenizer)), {
        length: samples.length,
        minTokens: samples.minTokens,
        fractions: samples.shares,
        seed,
        signal: context.signal,
        onProgress: ({ documents, documentsTotal }) => progress(documents, documentsTotal, 'documents'),
      });
      await writeSamples(context.path(FILES.samples), rows);
      const splits = SPLITS.map((split) => [`${split} rows`, rows.rows(split).length]);
      return { rows: rows.count, ...(Object.fromEntries(splits) as Record<string, number>) };
    },
  };
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

interface SourceOptions extends DemoCorpusOptions {
  /** Documents to take at most. */
  limit: number | undefined;
  note(message: string): void;
}

/** The documents of a recipe's corpus. */
function documentsOf(
  corpus: CorpusRecipe['corpus'],
  files: string[],
  { limit, note, ...options }: SourceOptions,
): AsyncIterable<CorpusDocument> {
  if (corpus.source === 'files') {
    return readDocuments(files, { ...corpus, limit, signal: options.signal, onSkip: note });
  }
  const documents =
    corpus.source === 'packages'
      ? packagesOrDemo(options, note)
      : demoCorpus({ ...options, withDebian: corpus.withDebian });
  const most = Math.min(limit ?? Infinity, (corpus.source === 'packages' && corpus.documents) || Infinity);
  return most === Infinity ? documents : takeEvenly(documents, most);
}

/** Package descriptions, or the default corpus where there are none to be had. */
async function* packagesOrDemo(
  options: DemoCorpusOptions,
  note: (message: string) => void,
): AsyncGenerator<CorpusDocument> {
  const { packageDocuments } = await import('../data/demo/debian.ts');
  const packages = packageDocuments(options);
  let first: IteratorResult<CorpusDocument>;
  try {
    first = await packages.next();
  } catch (error) {
    if (!(error instanceof GradfoldError)) throw error;
    note(`no package descriptions (${error.message}); the default corpus takes their place`);
    return yield* demoCorpus(options);
  }
  if (!first.done) yield first.value;
  yield* packages;
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
