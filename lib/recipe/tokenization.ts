import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { removeTemporary, writeTextAtomically } from '../atomic-file.ts';
import { invalid } from '../check.ts';
import type { Corpus } from '../data/corpus.ts';
import { SamplesBuilder } from '../data/flat-samples.ts';
import { checkShardRows, SHARDS_NAME, writeSamplesFile } from '../data/samples-file.ts';
import { tokenizedDocuments, type TokenizeOptions } from '../data/samples.ts';
import { ShardFolder } from '../data/shard-folder.ts';
import { loadTokenizer, trainTokenizer, type Tokenizer } from '../data/tokenizer.ts';
import { fileError, readJsonObject } from '../files.ts';
import { checkSameRun, digestCorpus, digestTokenizer, type Fingerprint } from '../train/fingerprint.ts';
import { trainingTexts } from './data-stages.ts';

export interface TokenizationOptions extends Omit<TokenizeOptions, 'onProgress' | 'maxSamplesPerDocument'> {
  /** A tokenizer.json or its folder; without it one of `vocabulary` tokens is trained on the training split. */
  tokenizer?: string;
  vocabulary: number;
  /** With a mask token, which an encoder needs. */
  mask?: boolean;
  /** Rows of a shard; without it there is one file. */
  shardRows?: number;
  onProgress?(what: 'train tokenizer' | 'tokenize', done: number, total: number, unit: string): void;
}

/** How far a tokenization has come, as state.json. */
interface TokenizationState {
  format: 1;
  fingerprint: Fingerprint;
  /** Shards that are written. */
  shards: number;
  /** The first row that is not written: of this document, so many rows into it. */
  document: number;
  row: number;
  /** All rows are written. */
  complete: boolean;
}

const STATE = 'state.json';
/** The file that a saved tokenizer has last. */
const TOKENIZER_SAVED = 'tokenizer_config.json';

/**
 * Tokenizes a corpus into a folder: tokenizer.json, tokenizer_config.json and samples.arrow, or with `shardRows` the
 * shards samples-00000-of-0000N.arrow. Memory holds the rows of one shard. Until all is written the folder is called
 * `dir`.partial; a call that was killed is gone on with by the same call, which writes the shards that are missing and
 * ends with the same bits.
 * @throws GradfoldError INVALID_ARGUMENT when `dir`.partial belongs to other options, saying which; UNSUPPORTED for more
 *   rows than a file can hold; rejects with `signal.reason` on abort, leaving `dir`.partial to go on from.
 */
export async function tokenizeInto(dir: string, corpus: Corpus, options: TokenizationOptions): Promise<Tokenizer> {
  const { shardRows } = options;
  if (shardRows !== undefined) checkShardRows(shardRows, options.length);
  const folder = new ShardFolder(dir, `${dir}.partial`, SHARDS_NAME);
  const state = await openState(folder.work, await fingerprintOf(corpus, options));
  const tokenizer = await tokenizerIn(folder.work, corpus, options);
  if (!state.complete) await writeRows(folder, state, corpus, tokenizer, options);
  await folder.commit(shardRows === undefined ? 0 : state.shards); // a single file has its final name already
  await rm(join(dir, STATE));
  return tokenizer;
}

/** Writes what is missing, shard by shard. */
async function writeRows(
  folder: ShardFolder,
  state: TokenizationState,
  corpus: Corpus,
  tokenizer: Tokenizer,
  options: TokenizationOptions,
): Promise<void> {
  const { length, shardRows = Infinity } = options;
  const ofCorpus = digestCorpus(corpus);
  let builder = new SamplesBuilder(length, ofCorpus);
  const flush = async (position: Pick<TokenizationState, 'document' | 'row' | 'complete'>) => {
    const path = shardRows === Infinity ? join(folder.work, `${SHARDS_NAME}.arrow`) : folder.shard(state.shards);
    await writeSamplesFile(path, builder.build());
    builder = new SamplesBuilder(length, ofCorpus);
    Object.assign(state, position, { shards: state.shards + 1 });
    await writeState(folder.work, state);
  };
  const begin = { document: state.document, row: state.row };
  const onSlice = (done: number, total: number) => options.onProgress?.('tokenize', done, total, 'documents');
  const documents = tokenizedDocuments(corpus, tokenizer, options, onSlice, begin.document);
  for await (const { document, domain, split, rows } of documents) {
    for (let row = document === begin.document ? begin.row : 0; row < rows.length; row++) {
      if (builder.count === shardRows) await flush({ document, row, complete: false });
      builder.add(rows[row], document, domain, split);
    }
  }
  await flush({ document: corpus.count, row: 0, complete: true });
}

/** Makes the folder, or finds in it the state of the same call. */
async function openState(work: string, fingerprint: Fingerprint): Promise<TokenizationState> {
  await mkdir(work, { recursive: true }).catch((error) => {
    throw fileError('write', work, error);
  });
  const names = await removeTemporary(work);
  if (names.includes(STATE)) {
    const path = join(work, STATE);
    const state = (await readJsonObject(path)) as unknown as TokenizationState;
    if (state.format !== 1) throw invalid(path, 'format 1', state.format, { code: 'INVALID_FILE' });
    checkSameRun(work, state.fingerprint, fingerprint);
    return state;
  }
  const state: TokenizationState = { format: 1, fingerprint, shards: 0, document: 0, row: 0, complete: false };
  await writeState(work, state);
  return state;
}

function writeState(work: string, state: TokenizationState): Promise<void> {
  return writeTextAtomically(join(work, STATE), `${JSON.stringify(state, null, 2)}\n`);
}

/** The tokenizer that lies in the folder; made first where there is none yet. */
async function tokenizerIn(work: string, corpus: Corpus, options: TokenizationOptions): Promise<Tokenizer> {
  const { tokenizer, vocabulary, mask, seed, fractions, signal, onProgress } = options;
  if (!(await readdir(work)).includes(TOKENIZER_SAVED)) {
    const made = tokenizer
      ? await loadTokenizer(tokenizer, { mask })
      : trainTokenizer(trainingTexts(corpus, seed, fractions), {
          vocabularySize: vocabulary,
          mask,
          signal,
          onProgress: (share) => onProgress?.('train tokenizer', Math.round(100 * share), 100, '%'),
        });
    await made.save(work);
  }
  return loadTokenizer(work);
}

async function fingerprintOf(corpus: Corpus, options: TokenizationOptions): Promise<Fingerprint> {
  const { tokenizer, vocabulary, mask, length, minTokens, seed, fractions, limit, shardRows } = options;
  return {
    documents: corpus.count,
    corpus: digestCorpus(corpus),
    tokenizer: tokenizer === undefined ? `trained, ${vocabulary} tokens` : await digestTokenizer(tokenizer),
    length,
    minTokens: minTokens ?? 'default',
    seed,
    fractions: JSON.stringify(fractions),
    limit: limit ?? 'none',
    shardRows: shardRows ?? 'one file',
    ...(mask && { mask: 'added' }),
  };
}
