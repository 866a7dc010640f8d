import { access, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  collate,
  corpusDocuments,
  corruptDocuments,
  demoCorpus,
  openCorpus,
  shuffleOrder,
  splitOf,
  tokenizeCorpus,
  trainTokenizer,
  writeCorpus,
  type Batch,
  type Corpus,
  type Corruption,
  type Samples,
  type Split,
  type Tokenizer,
} from 'gradfold';

export interface PlantedNoiseOptions {
  /** Of everything: which documents are split where, which are corrupted how, and the order of rows. */
  seed: number;
  /** Share of corrupted pieces in training, proxy and held-out mixture. */
  share: number;
  /** Where packages, the demo corpus and the corrupted table are kept. */
  cacheDir: string;
  /** Path of a corpus table; default: the demo corpus, made in `cacheDir` when it is not there. */
  corpus?: string;
}

/** What rows are for. No piece serves two of them, and no document but some that `evaluation` and `validation` share. */
export type Role = 'train' | 'proxy' | 'mixture' | 'target' | 'heldOut' | 'evaluation' | 'validation';

/** The demo corpus with planted noise, as rows of tokens whose corruption is known. */
export interface PlantedNoise {
  /** Pieces of documents. */
  corpus: Corpus;
  tokenizer: Tokenizer;
  samples: Samples;
  /**
   * Rows of each role in an order drawn by the seed:
   * - train: as corrupted as `share` says, up to three rows of a piece;
   * - proxy, mixture: the same of other documents, one row a piece;
   * - target, heldOut: clean, disjoint, up to three rows of a piece;
   * - evaluation: half of them corrupted, with boilerplate lines and languages that occur in no other role, one row
   *   a piece;
   * - validation: clean, up to three rows of a piece.
   */
  rows: Record<Role, Uint32Array>;
  corruption(row: number): Corruption | 'none';
  /** ham or spam, of a mail. */
  mailLabel(row: number): string | null;
}

/** Tokens a row, and of the vocabulary. */
export const ROW_TOKENS = 64;
export const VOCABULARY = 1024;

/** Characters of a piece; the shortest one has enough for a row whatever is done to it. */
const PIECES = { characters: 900, minCharacters: 450, perDocument: 40 };
const FRACTIONS: Record<Split, number> = { train: 0.55, proxy: 0.14, target: 0.13, validation: 0.18 };
/** Of the validation split, whose corrupted pieces and as many clean ones are for evaluation. */
const EVALUATION_SHARE = 0.35;
const TOKENIZER_PIECES = 6000;
/** Rows of a piece, so that corruptions that take more tokens have no more rows. */
const ROWS_PER_PIECE = 3;

/** Makes the data; the same options give the same data. Half a minute. */
export async function plantedNoise(options: PlantedNoiseOptions): Promise<PlantedNoise> {
  const { seed, share, cacheDir } = options;
  await mkdir(cacheDir, { recursive: true });
  const corpus = await corruptedCorpus(options);
  const train = Array.from({ length: corpus.count }, (_, i) => i).filter(
    (i) => splitOf(corpus.origin(i), seed, FRACTIONS) === 'train',
  );
  const chosen = shuffleOrder(train.length, seed).slice(0, TOKENIZER_PIECES);
  const tokenizer = trainTokenizer(
    Array.from(chosen, (i) => corpus.text(train[i])),
    { vocabularySize: VOCABULARY },
  );
  const samples = await tokenizeCorpus(corpus, tokenizer, {
    length: ROW_TOKENS,
    minTokens: ROW_TOKENS,
    maxSamplesPerDocument: ROWS_PER_PIECE,
    seed,
    fractions: FRACTIONS,
  });
  const corruption = (row: number) => corpus.value('corruption', samples.document(row)) as Corruption | 'none';
  return {
    corpus,
    tokenizer,
    samples,
    rows: rolesOf(corpus, samples, { seed, share }, (row) => corruption(row) === 'none'),
    corruption,
    mailLabel: (row) => corpus.value('original_label', samples.document(row)) as string | null,
  };
}

async function corruptedCorpus({ seed, share, cacheDir, corpus }: PlantedNoiseOptions): Promise<Corpus> {
  const source = await openCorpus(corpus ?? (await demoTable(cacheDir)));
  const path = join(cacheDir, `planted-noise-${seed}-${share}.arrow`);
  const documents = corruptDocuments(corpusDocuments(source), {
    seed,
    shares: { train: share, proxy: share, validation: EVALUATION_SHARE },
    fractions: FRACTIONS,
    pieces: PIECES,
    cacheDir,
  });
  await writeCorpus(path, documents);
  return openCorpus(path);
}

async function demoTable(cacheDir: string): Promise<string> {
  const path = join(cacheDir, 'demo-corpus.arrow');
  const exists = await access(path).then(
    () => true,
    () => false,
  );
  if (!exists) await writeCorpus(path, demoCorpus({ cacheDir }));
  return path;
}

function rolesOf(
  corpus: Corpus,
  samples: Samples,
  { seed, share }: { seed: number; share: number },
  clean: (row: number) => boolean,
): Record<Role, Uint32Array> {
  const isFirst = (row: number) => row === 0 || samples.document(row - 1) !== samples.document(row);
  // A second hash parts the documents of a split in two halves.
  const halves = { train: 0.5, proxy: 0.5, target: 0, validation: 0 };
  const inFirstHalf = (row: number) => splitOf(corpus.origin(samples.document(row)), seed + 1, halves) === 'train';
  const shuffled = (rows: Uint32Array) => shuffleOrder(rows.length, seed).map((i) => rows[i]);
  const [train, proxies, targets, validation] = (['train', 'proxy', 'target', 'validation'] as const).map((split) =>
    shuffled(samples.rows(split)),
  );
  const proxy = proxies.filter(isFirst);
  const corrupted = validation.filter((row) => !clean(row) && isFirst(row));
  const whole = validation.filter((row) => clean(row) && isFirst(row)).slice(0, corrupted.length);
  const judged = new Set(Array.from(whole, (row) => samples.document(row)));
  const roles = {
    train,
    proxy: proxy.filter(inFirstHalf),
    mixture: proxy.filter((row) => !inFirstHalf(row)),
    target: targets.filter(inFirstHalf),
    heldOut: targets.filter((row) => !inFirstHalf(row)),
    evaluation: shuffled(Uint32Array.from([...corrupted, ...whole])),
    validation: validation.filter((row) => clean(row) && !judged.has(samples.document(row))),
  };
  for (const [role, rows] of Object.entries(roles)) {
    if (rows.length === 0) throw new Error(`planted noise of ${share}: no rows for ${role}; give a larger corpus`);
  }
  return roles;
}

/** Rows as batches of up to `size` rows. */
export function batchesOf({ samples }: Pick<PlantedNoise, 'samples'>, rows: Uint32Array, size = 32): Batch[] {
  return Array.from({ length: Math.ceil(rows.length / size) }, (_, i) =>
    collate(Array.from(rows.slice(i * size, (i + 1) * size), (row) => ({ inputIds: samples.tokens(row) }))),
  );
}
