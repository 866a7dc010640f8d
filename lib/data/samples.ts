import { setImmediate } from 'node:timers/promises';
import { checkInteger } from '../check.ts';
import type { Corpus } from './corpus.ts';
import { SamplesBuilder, type Samples } from './flat-samples.ts';
import { splitOf, type Split } from './splits.ts';
import type { Tokenizer } from './tokenizer.ts';

export type { Samples } from './flat-samples.ts';
export { openSamples, writeSamples } from './samples-file.ts';
export { SPLITS, splitOf, type Split } from './splits.ts';

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

/**
 * Encodes a corpus and cuts every document, ended by the tokenizer's end-of-text token, into rows of `length` tokens;
 * the last row of a document is shorter. The event loop gets its turn in between.
 */
export async function tokenizeCorpus(corpus: Corpus, tokenizer: Tokenizer, options: TokenizeOptions): Promise<Samples> {
  const { signal, minTokens = 2, maxSamplesPerDocument = Infinity, limit = Infinity } = options;
  const length = checkInteger('length', options.length, 2);
  checkInteger('minTokens', minTokens, 2, length);
  const builder = new SamplesBuilder(length);
  const documentsTotal = Math.min(corpus.count, limit);
  let sliceEnd = performance.now() + SLICE;
  for (let document = 0; document < documentsTotal; document++) {
    if (performance.now() >= sliceEnd) {
      options.onProgress?.({ documents: document, documentsTotal, samples: builder.count, tokens: builder.tokenCount });
      await setImmediate();
      signal?.throwIfAborted();
      sliceEnd = performance.now() + SLICE;
    }
    const tokens = endedBy(tokenizer.endOfTextId, tokenizer.encode(corpus.text(document)));
    const split = splitOf(corpus.origin(document), options.seed, options.fractions);
    const pieces = Math.min(Math.ceil(tokens.length / length), maxSamplesPerDocument);
    for (let piece = 0; piece < pieces; piece++) {
      const row = tokens.subarray(piece * length, (piece + 1) * length);
      if (row.length >= minTokens) builder.add(row, document, corpus.domain(document), split);
    }
  }
  signal?.throwIfAborted();
  options.onProgress?.({
    documents: documentsTotal,
    documentsTotal,
    samples: builder.count,
    tokens: builder.tokenCount,
  });
  return builder.build();
}

function endedBy(end: number | null, tokens: Int32Array): Int32Array {
  if (end === null) return tokens;
  const ended = new Int32Array(tokens.length + 1);
  ended.set(tokens);
  ended[tokens.length] = end;
  return ended;
}
