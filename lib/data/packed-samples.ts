import type { Utf8, Vector } from 'apache-arrow';
import { invalid } from '../check.ts';
import { IGNORED_LABEL, type TokenRow } from './batch.ts';
import { willNeed } from './file-bytes.ts';
import type { Samples } from './flat-samples.ts';
import { commonCorpus, layShards, rowsOf, shardOf, type Shard } from './shards.ts';
import { SPLITS, type Split } from './splits.ts';

/** What a packed row holds of one document: its tokens [start, end). */
export interface PackedPiece {
  /** Row of the corpus. */
  document: number;
  domain: string;
  /** The document's metadata, also where the row does not show it; null for one without. */
  metadata: string | null;
  start: number;
  end: number;
}

/** Rows of several documents each; see packDocuments. */
export interface PackedSamples extends Samples {
  /** Views of the tokens and document ids, and the labels that the mask makes of the tokens. */
  row(i: number): Required<Omit<TokenRow, 'tokenTypeIds'>>;
  pieces(i: number): PackedPiece[];
}

/** The domain of a row whose documents are of several. */
export const MIXED_DOMAIN = 'several';

/** The columns of one record batch of packed rows; all are views. */
export interface PackedColumns {
  /** Where each row begins in the three columns below, and the end of the last: rows + 1 values. */
  offsets: Int32Array;
  tokens: Int32Array;
  /** 1 where the loss counts. */
  lossMask: Uint8Array;
  documentIds: Uint16Array;
  /** Where each row begins in the three columns below, and the end of the last. */
  pieceOffsets: Int32Array;
  documents: Uint32Array;
  domains: Vector<Utf8>;
  metadata: Vector<Utf8>;
  /** Indices into SPLITS, one a row. */
  splits: Uint8Array;
}

export interface PackedFile {
  path: string;
  length: number;
  crossDocumentAttention: boolean;
  /** A digest of the corpus, where it is known. */
  corpus?: string;
  batches: readonly PackedColumns[];
}

/** Packed rows over record batches of one or several files. */
export class PackedTable implements PackedSamples {
  readonly objective = 'next-token';
  readonly count: number;
  readonly length: number;
  readonly corpus?: string;
  readonly shards?: readonly Shard[];
  readonly #batches: readonly PackedColumns[];
  /** Where the rows of each batch lie; laid like shards. */
  readonly #places: readonly Shard[];
  /** The document ids of a row when attention crosses documents. */
  readonly #oneDocument: Uint16Array | null;

  /** Errors: INVALID_FILE for files that were packed differently; UNSUPPORTED for more rows than can be numbered. */
  constructor(files: readonly PackedFile[], crossDocumentAttention?: boolean) {
    const [first] = files;
    for (const { path, length, ...file } of files) {
      if (length === first.length && file.crossDocumentAttention === first.crossDocumentAttention) continue;
      const how = (x: Pick<PackedFile, 'length' | 'crossDocumentAttention'>) =>
        `rows of ${x.length} tokens with attention ${x.crossDocumentAttention ? 'across' : 'within'} documents`;
      throw invalid(path, `${how(first)}, as ${first.path} has`, how({ length, ...file }), {
        code: 'INVALID_FILE',
        fix: 'pack all shards alike',
      });
    }
    const rows = ({ batches }: PackedFile) => batches.reduce((sum, { splits }) => sum + splits.length, 0);
    const shards = layShards(files.map((file) => ({ path: file.path, count: rows(file) })));
    if (files.length > 1) this.shards = shards;
    this.#batches = files.flatMap(({ batches }) => batches);
    this.#places = layShards(
      files.flatMap(({ path, batches }) => batches.map(({ splits }) => ({ path, count: splits.length }))),
    );
    this.count = rowsOf(shards);
    this.length = first.length;
    this.corpus = commonCorpus(files);
    const crossing = crossDocumentAttention ?? first.crossDocumentAttention;
    this.#oneDocument = crossing ? new Uint16Array(this.length) : null;
  }

  tokens(i: number): Int32Array {
    const { batch, begin, end } = this.#locate(i);
    return batch.tokens.subarray(begin, end);
  }

  row(i: number): Required<Omit<TokenRow, 'tokenTypeIds'>> {
    const { batch, begin, end } = this.#locate(i);
    const inputIds = batch.tokens.subarray(begin, end);
    const labels = new Int32Array(end - begin);
    for (let t = 0; t < labels.length; t++) labels[t] = batch.lossMask[begin + t] ? inputIds[t] : IGNORED_LABEL;
    const documentIds = this.#oneDocument?.subarray(0, end - begin) ?? batch.documentIds.subarray(begin, end);
    return { inputIds, labels, documentIds };
  }

  pieces(i: number): PackedPiece[] {
    const { batch, row, begin, end } = this.#locate(i);
    const { pieceOffsets, documents, domains, metadata, documentIds } = batch;
    const first = pieceOffsets[row];
    const pieces: PackedPiece[] = [];
    for (let t = begin; t < end; t++) {
      if (t === begin || documentIds[t] !== documentIds[t - 1]) {
        const piece = first + pieces.length;
        const start = t - begin;
        pieces.push({
          document: documents[piece],
          domain: domains.get(piece)!,
          metadata: metadata.get(piece),
          start,
          end: start,
        });
      }
      pieces.at(-1)!.end++;
    }
    return pieces;
  }

  document(i: number): number {
    const { batch, row } = this.#locate(i);
    return batch.documents[batch.pieceOffsets[row]];
  }

  domain(i: number): string {
    const { batch, row } = this.#locate(i);
    const first = batch.pieceOffsets[row];
    const domain = batch.domains.get(first)!;
    for (let piece = first + 1; piece < batch.pieceOffsets[row + 1]; piece++) {
      if (batch.domains.get(piece) !== domain) return MIXED_DOMAIN;
    }
    return domain;
  }

  split(i: number): Split {
    const { batch, row } = this.#locate(i);
    return SPLITS[batch.splits[row]];
  }

  rows(split: Split): Uint32Array {
    const code = SPLITS.indexOf(split);
    const rows = new Uint32Array(this.count);
    let found = 0;
    this.#batches.forEach(({ splits }, b) => {
      for (let row = 0; row < splits.length; row++)
        if (splits[row] === code) rows[found++] = this.#places[b].start + row;
    });
    return rows.slice(0, found);
  }

  prefetch(rows: ArrayLike<number>): void {
    for (let i = 0; i < rows.length; i++) {
      const { batch, begin, end } = this.#locate(rows[i]);
      for (const column of [batch.tokens, batch.lossMask, batch.documentIds]) willNeed(column, begin, end);
    }
  }

  #locate(i: number): { batch: PackedColumns; row: number; begin: number; end: number } {
    const place = shardOf(this.#places, i, 'sample');
    const batch = this.#batches[place];
    const row = i - this.#places[place].start;
    return { batch, row, begin: batch.offsets[row], end: batch.offsets[row + 1] };
  }
}

/** Whether a table's rows are packed. */
export function isPacked(samples: Samples): samples is PackedSamples {
  return samples.pieces !== undefined;
}
