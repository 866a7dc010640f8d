import { setImmediate } from 'node:timers/promises';
import { checkInteger } from '../check.ts';
import type { Corpus } from './corpus.ts';
import { SamplesBuilder, type Samples } from './flat-samples.ts';
import { splitOf, type Split } from './splits.ts';
import type { Tokenizer } from './tokenizer.ts';

export interface TokenizeOptions {
  /** Tokens of a row at most. */
  length: number;
  seed: number;
  /** Expected share of documents in every split. */
  fractions: Record<Split, number>;
  /** Pieces with fewer tokens are left out; default 2, one predicted token. */
  minTokens?: number;
  /** Only the first pieces of a document are kept. */
  maxSamplesPerDocument?: number;
  /** Only the first documents of the corpus are taken. */
  limit?: number;
  signal?: AbortSignal;
  onProgress?(progress: { documents: number; documentsTotal: number; samples: number; tokens: number }): void;
}

/** Milliseconds of work between two turns of the event loop. */
const SLICE = 50;

/** One document as token rows. */
export interface TokenizedDocument {
  /** Its row in the corpus. */
  document: number;
  domain: string;
  split: Split;
  rows: Int32Array[];
}

/**
 * Encodes the documents of a corpus one by one, from row `start` on, and cuts each, ended by the tokenizer's end-of-text
 * token, into rows of `length` tokens; the last row of a document is shorter. The event loop gets its turn in between.
 * `onSlice` hears of every such turn, and of the end.
 */
export async function* tokenizedDocuments(
  corpus: Corpus,
  tokenizer: Tokenizer,
  options: Omit<TokenizeOptions, 'onProgress'>,
  onSlice: (documents: number, documentsTotal: number) => void,
  start = 0,
): AsyncGenerator<TokenizedDocument> {
  const { signal, minTokens = 2, maxSamplesPerDocument = Infinity, limit = Infinity } = options;
  const length = checkInteger('length', options.length, 2);
  checkInteger('minTokens', minTokens, 2, length);
  const documentsTotal = Math.min(corpus.count, limit);
  let sliceEnd = performance.now() + SLICE;
  for (let document = start; document < documentsTotal; document++) {
    if (performance.now() >= sliceEnd) {
      onSlice(document, documentsTotal);
      await setImmediate();
      signal?.throwIfAborted();
      sliceEnd = performance.now() + SLICE;
    }
    const tokens = endedBy(tokenizer.endOfTextId, tokenizer.encode(corpus.text(document)));
    const split = splitOf(corpus.origin(document), options.seed, options.fractions);
    const pieces = Math.min(Math.ceil(tokens.length / length), maxSamplesPerDocument);
    const rows = Array.from({ length: pieces }, (_, piece) => tokens.subarray(piece * length, (piece + 1) * length));
    yield { document, domain: corpus.domain(document), split, rows: rows.filter((row) => row.length >= minTokens) };
  }
  signal?.throwIfAborted();
  onSlice(documentsTotal, documentsTotal);
}

/**
 * The samples of a corpus, in memory (see tokenizedDocuments). Errors: UNSUPPORTED for more than one samples file can
 * hold.
 */
export async function tokenizeCorpus(corpus: Corpus, tokenizer: Tokenizer, options: TokenizeOptions): Promise<Samples> {
  const builder = new SamplesBuilder(options.length);
  const onSlice = (documents: number, documentsTotal: number) =>
    options.onProgress?.({ documents, documentsTotal, samples: builder.count, tokens: builder.tokenCount });
  for await (const { document, domain, split, rows } of tokenizedDocuments(corpus, tokenizer, options, onSlice)) {
    for (const row of rows) builder.add(row, document, domain, split);
  }
  return builder.build();
}

function endedBy(end: number | null, tokens: Int32Array): Int32Array {
  if (end === null) return tokens;
  const ended = new Int32Array(tokens.length + 1);
  ended.set(tokens);
  ended[tokens.length] = end;
  return ended;
}
