import { checkChoice, checkInteger } from '../../check.ts';
import { IGNORED_LABEL, predictedTokens } from '../../data/batch.ts';
import { BestFitPacker } from './best-fit.ts';
import { ConsecutivePacker } from './consecutive.ts';
import { withShare, type PackCounts } from './counts.ts';
import type { Packer, Piece } from './piece.ts';

/**
 * 'pack': documents one after the other, overflow continues in the next row. 'pack-complete': overflow is dropped, so that
 * every row begins with a document. 'best-fit': best-fit-decreasing, documents longer than a row cut into full rows first.
 */
export type PackStrategy = 'pack' | 'pack-complete' | 'best-fit';

export interface PackOptions {
  /** Tokens of a row. */
  length: number;
  /** Default 'best-fit'. */
  strategy?: PackStrategy;
  /** Tokens that 'best-fit' packs at a time; default 2²⁴, 128 MiB of memory. */
  bufferTokens?: number;
  /** The row counts as one document: attention crosses documents, and positions do not restart. Default false. */
  crossDocumentAttention?: boolean;
}

/** A row of several documents, a row for `collate`. */
export interface PackedRow<T = number> {
  inputIds: Int32Array;
  /** −100 where the document has it, and on the first token of every piece. */
  labels: Int32Array;
  /** 0, 1, 2, … from left to right; 0 everywhere when attention crosses documents. */
  documentIds: Int32Array;
  /** Of each piece from left to right, what it is of: with packDocuments the number of the document. */
  documents: T[];
  /** Where each piece begins. */
  starts: number[];
}

const DEFAULT_BUFFER = 2 ** 24;
const LONGEST_ROW = 2 ** 31 - 1;

const STRATEGIES: Record<PackStrategy, <T>(length: number, bufferTokens: number) => Packer<T>> = {
  pack: (length) => new ConsecutivePacker(length, 'continue'),
  'pack-complete': (length) => new ConsecutivePacker(length, 'drop'),
  'best-fit': (length, bufferTokens) => new BestFitPacker(length, bufferTokens),
};

export const PACK_STRATEGIES = Object.keys(STRATEGIES) as PackStrategy[];

/** Documents into rows, as they come; what a row remembers of its documents is of any type. */
export class RowPacker<T> {
  readonly #length: number;
  readonly #crossing: boolean;
  readonly #packer: Packer<T>;
  #documents = 0;
  #rows = 0;
  #given = 0;
  #placed = 0;
  #predicted = 0;
  #cut = 0;

  /** @throws GradfoldError INVALID_ARGUMENT */
  constructor(options: PackOptions) {
    this.#length = checkInteger('length', options.length, 2, LONGEST_ROW);
    this.#crossing = options.crossDocumentAttention ?? false;
    const bufferTokens = checkInteger('bufferTokens', options.bufferTokens ?? DEFAULT_BUFFER, 1);
    const strategy = checkChoice('strategy', options.strategy ?? 'best-fit', PACK_STRATEGIES);
    this.#packer = STRATEGIES[strategy]<T>(this.#length, bufferTokens);
  }

  /** Takes a document, whose arrays must not change any more, and gives the rows that are complete now. */
  *add({ inputIds, labels }: { inputIds: Int32Array; labels: Int32Array }, source: T): Generator<PackedRow<T>> {
    this.#documents++;
    this.#given += inputIds.length;
    const document = { inputIds, labels, source };
    for (const pieces of this.#packer.add(document)) yield this.#row(pieces);
  }

  /** The rows that are left. */
  *finish(): Generator<PackedRow<T>> {
    for (const pieces of this.#packer.finish()) yield this.#row(pieces);
  }

  /** Of what was given out so far; complete once `finish` is done. */
  get counts(): PackCounts {
    return withShare({
      documents: this.#documents,
      rows: this.#rows,
      tokens: this.#placed,
      predictedTokens: this.#predicted,
      truncatedTokens: this.#given - this.#placed,
      cutDocuments: this.#cut,
      padding: this.#rows * this.#length - this.#placed,
    });
  }
  #row(pieces: readonly Piece<T>[]): PackedRow<T> {
    const length = pieces.reduce((sum, { from, to }) => sum + to - from, 0);
    const inputIds = new Int32Array(length);
    const labels = new Int32Array(length);
    const documentIds = new Int32Array(length);
    const starts: number[] = [];
    let start = 0;
    pieces.forEach(({ document, from, to }, id) => {
      starts.push(start);
      inputIds.set(document.inputIds.subarray(from, to), start);
      labels.set(document.labels.subarray(from, to), start);
      labels[start] = IGNORED_LABEL;
      if (!this.#crossing) documentIds.fill(id, start, start + to - from);
      if (from === 0 && to < document.inputIds.length) this.#cut++;
      start += to - from;
    });
    const row = { inputIds, labels, documentIds, documents: pieces.map(({ document }) => document.source), starts };
    this.#rows++;
    this.#placed += length;
    this.#predicted += predictedTokens(row);
    return row;
  }
}
