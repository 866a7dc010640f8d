import { checkInteger } from '../check.ts';
import { GradfoldError } from '../errors.ts';
import { willNeed } from './file-bytes.ts';
import { GrowingArray } from './growing-array.ts';
import type { PackedPiece } from './packed-samples.ts';
import type { Shard } from './shards.ts';
import { SPLITS, type Split } from './splits.ts';
import type { TokenSource } from './token-source.ts';

/** Token rows that are trained on and scored: documents cut into pieces of at most `length` tokens, or packed. */
export interface Samples {
  readonly count: number;
  /** Tokens of the longest row there may be. */
  readonly length: number;
  /** A digest of the corpus that `document` counts the rows of, where it is known. */
  readonly corpus?: string;
  /** The row's ids; a view, not a copy. */
  tokens(i: number): Int32Array;
  /** The corpus row that the sample was cut from; of a packed row, that of its first piece. */
  document(i: number): number;
  domain(i: number): string;
  split(i: number): Split;
  /** Rows of a split, ascending. */
  rows(split: Split): Uint32Array;
  /** The files that the rows lie in, where they are several. */
  readonly shards?: readonly Shard[];
  /** Asks for the tokens of rows that will be wanted soon; returns at once. */
  prefetch?(rows: ArrayLike<number>): void;
  /** Packed rows only: labels and document ids. */
  row?: TokenSource['row'];
  readonly objective?: TokenSource['objective'];
  /** Packed rows only: the documents in the row, from left to right. */
  pieces?(i: number): PackedPiece[];
}

/** The columns of samples as flat arrays, the form in which they are computed with and stored. */
export interface SampleColumns {
  length: number;
  /** A digest of the corpus, where it is known. */
  corpus?: string;
  /** Ids of all rows one after the other. */
  tokens: Int32Array;
  /** Where each row begins, and the end of the last: count + 1 values. */
  offsets: Int32Array;
  documents: Uint32Array;
  /** Indices into `domainNames`. */
  domains: Int32Array;
  domainNames: string[];
  /** Indices into SPLITS. */
  splits: Uint8Array;
}

/** Samples over flat arrays. */
export class FlatSamples implements Samples {
  readonly columns: SampleColumns;

  constructor(columns: SampleColumns) {
    this.columns = columns;
  }

  get count(): number {
    return this.columns.documents.length;
  }

  get length(): number {
    return this.columns.length;
  }

  get corpus(): string | undefined {
    return this.columns.corpus;
  }

  tokens(i: number): Int32Array {
    const { tokens, offsets } = this.columns;
    return tokens.subarray(offsets[this.#row(i)], offsets[i + 1]);
  }

  document(i: number): number {
    return this.columns.documents[this.#row(i)];
  }

  domain(i: number): string {
    return this.columns.domainNames[this.columns.domains[this.#row(i)]];
  }

  split(i: number): Split {
    return SPLITS[this.columns.splits[this.#row(i)]];
  }

  rows(split: Split): Uint32Array {
    const code = SPLITS.indexOf(split);
    const { splits } = this.columns;
    const rows = new Uint32Array(splits.length);
    let found = 0;
    for (let i = 0; i < splits.length; i++) if (splits[i] === code) rows[found++] = i;
    return rows.slice(0, found);
  }

  prefetch(rows: ArrayLike<number>): void {
    for (let i = 0; i < rows.length; i++) this.prefetchRow(rows[i]);
  }

  prefetchRow(i: number): void {
    const { tokens, offsets } = this.columns;
    willNeed(tokens, offsets[this.#row(i)], offsets[i + 1]);
  }

  #row(i: number): number {
    return checkInteger('sample', i, 0, this.count - 1);
  }
}

/** A samples file keeps all tokens in one buffer, and Arrow's writer takes buffers below 2 GiB. */
const MOST_TOKENS = 2 ** 29 - 2;
/** The other columns take 13 bytes a row: the file stays below 4 GiB, the most that a buffer of Node 20 takes. */
const MOST_ROWS = 2 ** 27;

/** Rows of up to `length` tokens that fit into one samples file. */
export function mostRows(length: number): number {
  return Math.min(Math.floor(MOST_TOKENS / length), MOST_ROWS);
}

/** Gathers rows into flat arrays. Errors: UNSUPPORTED for more than a samples file can hold. */
export class SamplesBuilder {
  readonly #length: number;
  readonly #corpus: string | undefined;
  readonly #tokens = new GrowingArray(Int32Array);
  readonly #offsets = new GrowingArray(Int32Array);
  readonly #documents = new GrowingArray(Uint32Array);
  readonly #domains = new GrowingArray(Int32Array);
  readonly #splits = new GrowingArray(Uint8Array);
  readonly #domainCodes = new Map<string, number>();

  /** @param corpus a digest of it, where it is known */
  constructor(length: number, corpus?: string) {
    this.#length = length;
    this.#corpus = corpus;
    this.#offsets.push(0);
  }

  get count(): number {
    return this.#documents.length;
  }

  get tokenCount(): number {
    return this.#tokens.length;
  }

  add(tokens: Int32Array, document: number, domain: string, split: Split): void {
    if (this.tokenCount + tokens.length > MOST_TOKENS || this.count === MOST_ROWS) throw this.#full();
    this.#tokens.append(tokens);
    this.#offsets.push(this.tokenCount);
    this.#documents.push(document);
    this.#splits.push(SPLITS.indexOf(split));
    const code = this.#domainCodes.get(domain) ?? this.#domainCodes.size;
    this.#domainCodes.set(domain, code);
    this.#domains.push(code);
  }

  build(): FlatSamples {
    return new FlatSamples({
      length: this.#length,
      corpus: this.#corpus,
      tokens: this.#tokens.values(),
      offsets: this.#offsets.values(),
      documents: this.#documents.values(),
      domains: this.#domains.values(),
      domainNames: [...this.#domainCodes.keys()],
      splits: this.#splits.values(),
    });
  }

  #full(): GradfoldError {
    return new GradfoldError(
      'UNSUPPORTED',
      `samples: expected at most ${MOST_TOKENS} tokens and ${MOST_ROWS} rows in one file, got more; ` +
        `split into shards of at most ${mostRows(this.#length)} rows (shardRows, --shard-rows), or give a limit`,
    );
  }
}
