import { checkInteger } from '../check.ts';
import { GradfoldError } from '../errors.ts';
import { SPLITS, type Split } from './splits.ts';

/** Token rows that are trained on and scored: documents cut into pieces of at most `length` tokens. */
export interface Samples {
  readonly count: number;
  /** Tokens of the longest row there may be. */
  readonly length: number;
  /** The row's ids; a view, not a copy. */
  tokens(i: number): Int32Array;
  /** The corpus row that the sample was cut from. */
  document(i: number): number;
  domain(i: number): string;
  split(i: number): Split;
  /** Rows of a split, ascending. */
  rows(split: Split): Uint32Array;
}

/** The columns of samples as flat arrays, the form in which they are computed with and stored. */
export interface SampleColumns {
  length: number;
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
    const rows = new Uint32Array(this.count);
    let found = 0;
    this.columns.splits.forEach((value, i) => {
      if (value === code) rows[found++] = i;
    });
    return rows.slice(0, found);
  }

  #row(i: number): number {
    return checkInteger('sample', i, 0, this.count - 1);
  }
}

/** Arrow's list offsets are 32-bit. */
const MOST_TOKENS = 2 ** 31 - 1;

/** Gathers rows into flat arrays. */
export class SamplesBuilder {
  readonly #length: number;
  #tokens = new Int32Array(2 ** 16);
  readonly #offsets = [0];
  readonly #documents: number[] = [];
  readonly #domains: number[] = [];
  readonly #splits: number[] = [];
  readonly #domainCodes = new Map<string, number>();

  constructor(length: number) {
    this.#length = length;
  }

  get count(): number {
    return this.#documents.length;
  }

  get tokenCount(): number {
    return this.#offsets[this.count];
  }

  add(tokens: Int32Array, document: number, domain: string, split: Split): void {
    const end = this.tokenCount + tokens.length;
    if (end > this.#tokens.length) this.#grow(end);
    this.#tokens.set(tokens, this.tokenCount);
    this.#offsets.push(end);
    this.#documents.push(document);
    this.#splits.push(SPLITS.indexOf(split));
    const code = this.#domainCodes.get(domain) ?? this.#domainCodes.size;
    this.#domainCodes.set(domain, code);
    this.#domains.push(code);
  }

  build(): FlatSamples {
    return new FlatSamples({
      length: this.#length,
      tokens: this.#tokens.slice(0, this.tokenCount),
      offsets: Int32Array.from(this.#offsets),
      documents: Uint32Array.from(this.#documents),
      domains: Int32Array.from(this.#domains),
      domainNames: [...this.#domainCodes.keys()],
      splits: Uint8Array.from(this.#splits),
    });
  }

  #grow(length: number): void {
    if (length > MOST_TOKENS) {
      throw new GradfoldError(
        'UNSUPPORTED',
        `samples: expected at most ${MOST_TOKENS} tokens in one table, got more; split the corpus or give a limit`,
      );
    }
    const grown = new Int32Array(Math.min(2 * length, MOST_TOKENS));
    grown.set(this.#tokens);
    this.#tokens = grown;
  }
}
